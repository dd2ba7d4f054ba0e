/* kernel/later - what waits for the kernel, left to a process that nobody waits for. Quiet.
 *
 * To remove an interface, or to close a packet socket, or one of the packet filter after something
 * was removed, takes until no processor uses what they had: 15 to 40 ms, several times a whole
 * start. That process shares the caller's memory, so it costs no copy of it, and has no other
 * descriptors than those that it was left. It leaves 16 KiB mapped: for who is about to end. Runs
 * in: supervisor, and who cleans up after it; the caller has one thread.
 */
#pragma once
#include <stddef.h>

#define LATER_MAX 16 /* of either kind; what is beyond is done at once */

/* {0}: nothing. Where NULL is passed, the caller waits. */
struct later {
	int fds[LATER_MAX];
	size_t fd_count;
	int links[LATER_MAX];
	size_t link_count;
};

/* Takes it. Until later_go() it is open. */
void later_close(struct later *later, int *fd);

/* Of the caller's network namespace. One that is not there any more is no failure. */
void later_delete_link(struct later *later, int index);

/* Do it; nothing is left then. Where no process can be made for that, the caller waits. */
void later_go(struct later *later);
