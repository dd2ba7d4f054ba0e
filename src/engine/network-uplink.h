/* engine/network-uplink - without root, for a zone or restricted egress: the supervisor's way into
 * the namespace in the middle (machine/middle), and the machine's way out of it.
 *
 * There the supervisor stays, and does all that it does for root's containers on the host. Each
 * machine has a program of its own (net/userspace), whose interface is in the middle, and policy
 * rules that send there what comes from the machine.
 *
 * Runs in: supervisor, in the user namespace that owns the middle. Speaking.
 */
#pragma once
#include <stdbool.h>
#include <sys/types.h>

struct container;
struct facts;
struct host;
struct network;
struct port;
struct resources;

/* Without root: enter the user namespace of those that are in the middle; or, as the first, make
 * both. resources->middle_fd is the middle then. */
int network_uplink_join(struct resources *resources, const struct host *host);

/* As planned, if it is: we are in the middle then, and the way out is there. First of all. A
 * further start finds it as it was. */
int network_uplink_make(struct network *network);

/* Another program, or supervisor, took over what was: its list has us. */
void network_uplink_resume(struct network *network);

/* The port of the host as it is to be had in the middle: the host's loopback is our loopback there,
 * and who calls another address of the host comes by our own way. */
void network_uplink_turn(const struct facts *facts, struct port *port);

/* When the machine's addresses are known. */
int network_uplink_route(struct network *network);

/* And when they are nobody's any more. */
void network_uplink_forget(const struct facts *facts);

/* We are in the middle. Accepts NULL. */
bool network_uplink_is(const struct network *network);

/* One start ends: the way out stays for a further one. */
void network_uplink_keep(struct network *network);

/* The machine ends. Accepts none. */
void network_uplink_done(struct container *container);

/* PID, a holder, has the middle as its descriptor FD; it is NET_FD for us. A failure is a warning.
 */
void network_uplink_note(struct container *container, pid_t pid, int net_fd, int fd);
