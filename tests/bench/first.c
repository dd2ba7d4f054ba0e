/* "first RUNS COMMAND...": for each run a line with the milliseconds until the command's first
 * byte, and until its end. */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

static int once(char *argv[])
{
	posix_spawn_file_actions_t actions;
	double start, first = 0;
	int ends[2], status, r;
	char bytes[4096];
	ssize_t size;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
	start = now();
	r = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
	close(ends[1]);
	if (r != 0) {
		fprintf(stderr, "first: %s: %s\n", argv[0], strerror(r));
		return -1;
	}
	while ((size = read(ends[0], bytes, sizeof(bytes))) > 0)
		if (first == 0)
			first = now() - start;
	waitpid(pid, &status, 0);
	printf("%.3f %.3f\n", first, now() - start);
	close(ends[0]);
	posix_spawn_file_actions_destroy(&actions);
	return status == 0 && first > 0 ? 0 : -1;
}

int main(int argc, char *argv[])
{
	for (int i = argc > 2 ? atoi(argv[1]) : 0; i > 0; i--)
		if (once(argv + 2) < 0)
			return 1;
	return argc > 2 ? 0 : 2;
}
