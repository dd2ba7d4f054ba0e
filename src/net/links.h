/* net/links - a machine's links, when they end. Speaks only through the log.
 *
 * Runs in: supervisor, and who cleans up after it or takes a link away; in the host's network
 * namespace.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#define LINKS_TAG_FORM "redd-%s-%zu" /* alternative name: of a record, and of how manieth link */

struct facts;
struct facts_made;
struct later;
struct link_facts;
struct netlink;

/* The host's end, known by its alternative NAME, gives back its names and addresses at once, and
 * goes LATER. What is not found has gone already: with the machine's namespace. */
void links_let_go(struct netlink *host, const char *name, struct later *later);

/* All veths; then the bridges of zones that are empty now. */
void links_let_all_go(struct netlink *host, const struct facts *facts, struct later *later);

/* An interface that was moved into the namespace of NETNS_FD comes home under its own name. If
 * somebody has that by now, it comes under another; 0 also if it is not there any more. */
int links_bring_home(const struct facts_made *made, int netns_fd);

/* Who an interface is, as seen in the machine: its kind, and what of which namespace it stands on.
 * The machine's root can make another of the same index, name and address, but none whose other end
 * is in a namespace that is not its own, and no hardware. False: of this kind it can. */
#define LINKS_IDENTITY_ROOM 48
bool links_identity(char ret[LINKS_IDENTITY_ROOM], const struct link_facts *link);

/* All of them; a failure is a warning. */
void links_bring_all_home(const struct facts *facts, int netns_fd);

/* Router advertisements from machines behind the host's interface NAME are not heard (class S54). A
 * failure is a warning. */
void links_ignore_routers(const char *name);
