#include "image/raw.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "io/fd.h"
#include "io/scratch.h"

#define ROUNDS 15000

/* Whoever owns the directory of an image could have a device opened otherwise. */
START_TEST(nothing_is_opened_but_what_was_looked_at)
{
	static struct arena arena;
	char *path = arena_format(&arena, "%s/disk.raw", scratch_path), event[4096];
	int events = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	pid_t swapper;

	scratch_put("disk.raw", "boot");
	ck_assert_int_eq(mkfifoat(scratch_fd, "fifo", 0600), 0);
	ck_assert_int_ge(inotify_add_watch(events, arena_format(&arena, "%s/fifo", scratch_path),
					   IN_OPEN),
			 0);
	swapper = fork();
	while (swapper == 0)
		(void)renameat2(scratch_fd, "disk.raw", scratch_fd, "fifo", RENAME_EXCHANGE);
	for (int i = 0; i < ROUNDS; i++) {
		bool read_only = i % 2 != 0;
		int fd = raw_open(path, &read_only);
		struct stat st;

		if (fd < 0)
			continue;
		ck_assert_int_eq(fstat(fd, &st), 0);
		ck_assert(S_ISREG(st.st_mode));
		close(fd);
	}
	kill(swapper, SIGKILL);
	ck_assert_int_eq(waitpid(swapper, NULL, 0), swapper);
	ck_assert_int_lt(read(events, event, sizeof(event)), 0);
	close(events);
}
END_TEST

int main(void)
{
	return SCRATCH_RUN("image/raw", nothing_is_opened_but_what_was_looked_at);
}
