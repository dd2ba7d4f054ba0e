/* machine/network-undo - what a machine's network leaves on the host is taken away, once it ended.
 *
 * By what its file says (machine/network-file), whose lock the caller holds. The machine's
 * processes are gone. Supervisor; who cleans up after it. Speaks through the log.
 */
#pragma once

struct arena;
struct facts;
struct later;

struct network_undo {
	const char *runtime, *machine, *tag;
	int netns_fd;	     /* the machine's; negative: the one that is held by its pin, if any */
	struct later *later; /* for what the kernel takes long for; NULL: waits */
};

/* Interfaces that came from the host go back, other links let go of their names, zones that are
 * empty end. Before the machine's rules are taken away. */
void network_undo_links(const struct network_undo *undo, const struct facts *facts);

/* Addresses that were taken while it ran are given back, and the host forgets its names. After the
 * rules, as those are about the addresses. */
void network_undo_names(const struct network_undo *undo, const struct facts *facts);

/* Its part of the namespace in the middle, if that is where its network is; for who will enter a
 * user namespace from which it cannot be reached. */
void network_undo_middle(struct arena *arena, const struct network_undo *undo, int dir_fd);

/* All of it, and its part of the host's packet filter; for who cleans up. The file is removed if
 * nothing failed. */
int network_undo_all(struct arena *arena, const struct network_undo *undo, int dir_fd);
