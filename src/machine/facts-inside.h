/* machine/facts-inside - machine/facts of a tree that only its machine's processes may look at.
 *
 * A user's disk image is shown by a program (image/raw-serve). Of such a file system the kernel
 * tells nothing to processes outside of the machine's user namespace (-EACCES), and whoever asks
 * waits for the program. Quiet.
 */
#pragma once

struct arena;
struct machine;
struct os_release;

/* As facts_os_release(), by a child that is the machine's root, without EARLIER. -ETIMEDOUT: no
 * answer within a second; the child is left to end by itself. */
int facts_os_release_inside(struct arena *arena, struct os_release *ret,
			    const struct machine *machine);
