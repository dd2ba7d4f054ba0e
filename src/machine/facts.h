/* machine/facts - what a running machine tells about itself, and is not believed.
 *
 * Its files are found below its root's descriptor, must be regular and small, and are only parsed
 * (class S21). All texts are the guest's own choice: printed only escaped. Quiet. Any process.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

struct arena;

#define OS_RELEASE_SIZE_MAX (64 * 1024)
#define OS_RELEASE_VALUE_MAX 256 /* longer values are cut: nobody prints them for a purpose */

/* NULL: not told. */
struct os_release {
	const char *id, *version_id, *pretty_name;
	/* The file it is from, and when that was changed last. A guest's own file system may say
	 * anything of the latter two; but its device is the kernel's choice, and nobody else's. */
	dev_t device;
	ino_t inode;
	struct timespec changed;
};

/* -ENOENT: the tree has none. -EBADFD, -EFBIG: not one that is read. ONE_MOUNT: what is on a mount
 * of its own is not looked at (-EXDEV). Root in there who is root out here too may have put a file
 * system of his own there, and whoever asks that one waits until it answers. EARLIER (may be NULL):
 * what another tree told, which is not read again where it is the same file. */
int facts_os_release(struct arena *arena, struct os_release *ret, const struct os_release *earlier,
		     int root_fd, bool one_mount);

/* The host's user id that is root in there, where its ids are one range of at least a user's
 * (reference 7.4). -ENXIO: they are not. PROC_FD: the leader's directory in /proc. */
int facts_id_shift(uint32_t *ret, int proc_fd);
