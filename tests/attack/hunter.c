/* hunter - runs in the container as its root, and goes for every process that comes in.
 *
 *   hunter SECONDS [LOG]
 *
 * As fast as it can: looks for pids that were not there before, seizes each with ptrace(2), and
 * opens its descriptors, memory, root, directory and program. What is the host's is a FAIL. A
 * process that has executed a program of the container is the container's: that is told by its
 * program, which must be one of this tree.
 */
#include "attack.h"

#include <dirent.h>
#include <time.h>

static dev_t own_device;
static long seen, caught;

/* Whether PATH is of this container: the same file system as our own "/", or made by the kernel. */
static bool is_ours(const char *path)
{
	struct stat st;
	char target[512];
	ssize_t n = readlink(path, target, sizeof(target) - 1);

	if (n < 0)
		return true;
	target[n] = 0;
	if (!strncmp(target, "pipe:", 5) || !strncmp(target, "/dev/", 5) ||
	    !strncmp(target, "socket:", 7) || !strncmp(target, "/proc", 5))
		return true;
	return stat(path, &st) < 0 || st.st_dev == own_device;
}

static void look(int pid, const char *what)
{
	char path[64], target[512];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, what);
	if (is_ours(path))
		return;
	n = readlink(path, target, sizeof(target) - 1);
	target[n < 0 ? 0 : n] = 0;
	caught++;
	fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		fd = open(path, O_PATH | O_CLOEXEC);
	if (!strcmp(what, "exe")) {
		/* as a handle it does no harm as long as it can never be written */
		char again[64];
		int w = -1;

		snprintf(again, sizeof(again), "/proc/self/fd/%d", fd);
		for (int i = 0; i < 20 && w < 0; i++) {
			w = open(again, O_WRONLY | O_CLOEXEC);
			if (w < 0 && errno != ETXTBSY)
				break;
			usleep(5000);
		}
		if (w >= 0)
			report(false, "exe-for-writing", "%s", target);
		if (w >= 0)
			close(w);
	} else {
		report(false, what, "%s", target);
	}
	if (fd >= 0)
		close(fd);
}

/* What is mapped: the program and its libraries. */
static void look_at_maps(int pid)
{
	char path[64], name[300];
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/map_files", pid);
	d = opendir(path);
	while (d && (e = readdir(d))) {
		int fd;

		if (e->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
		if (is_ours(name))
			continue;
		fd = open(name, O_WRONLY | O_CLOEXEC);
		if (fd >= 0) {
			report(false, "map-for-writing", "%s", e->d_name);
			close(fd);
		}
	}
	if (d)
		closedir(d);
}

static void hunt(int pid)
{
	static const char *const names[] = { "exe",  "cwd",  "root", "fd/0", "fd/1", "fd/2",
					     "fd/3", "fd/4", "fd/5", "fd/6", "fd/7", "fd/8" };
	bool held;

	seen++;
	held = ptrace(PTRACE_SEIZE, pid, 0, 0) == 0 && ptrace(PTRACE_INTERRUPT, pid, 0, 0) == 0;
	if (held)
		waitpid(pid, NULL, __WALL);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		look(pid, names[i]);
	look_at_maps(pid);
	if (held)
		ptrace(PTRACE_DETACH, pid, 0, 0);
}

int main(int argc, char **argv)
{
	time_t end = time(NULL) + (argc > 1 ? atol(argv[1]) : 5);
	int last = getpid();
	struct stat st;

	stat("/", &st);
	own_device = st.st_dev;
	report(true, "hunting", "from %d", last);
	while (time(NULL) < end) {
		/* numbers are given out one after the other */
		for (int pid = last + 1; pid < last + 20; pid++) {
			if (kill(pid, 0) < 0 && errno == ESRCH)
				continue;
			hunt(pid);
			last = pid;
			break;
		}
	}
	report(true, "hunted", "%ld seen, %ld of the host", seen, caught);
	return 0;
}
