/* engine/registration - the machine made known to others on the host: --register=.
 *
 * Where systemd-machined can be reached, it is told; elsewhere the file is written that it would
 * write (machine/state-file), never beside a machined that runs. Done once the program runs, so
 * that no start waits for it. Supervisor. Speaking.
 */
#pragma once
#include <sys/types.h>

struct host;
struct network;
struct resources;
struct root;
struct spec;

/* The payload PID runs; it is in its cgroup. NETWORK: NULL if it has no links. Fails only with
 * --register=yes. */
int registration_enter(struct resources *resources, const struct spec *spec,
		       const struct host *host, const struct root *root,
		       const struct network *network, pid_t pid, int pidfd);

/* The payload that was PID is gone. */
void registration_leave(struct resources *resources, const struct spec *spec, pid_t pid);
