/* redd-dissect - says what partitions a disk image has, and what file systems are in them.
 *
 * The runner starts it with the image as standard input, read-only, and reads the answer
 * (format/disk) from its standard output; nothing else is meant to call it. Before it reads
 * the first byte it gives up all that it could do but reading the one and writing the other.
 *
 *     redd-dissect                       what is in the image
 *     redd-dissect root|usr HASH         the same, with the partitions that belong to a root hash
 *     redd-dissect whole                 the same, of an image whose hashes lie elsewhere
 *     redd-dissect hashes                of a file of hashes
 *     redd-dissect verity NAME SECTORS TABLE
 *     redd-dissect serve …               shows a file system of it: prog/dissect/serve
 *
 * That with a table reads no image. It keeps its rights, makes a device that is verified, and sends
 * it to the socket that is its standard input; its exit status is an error number. It is a process
 * of its own so that it comes to its end, and the device to its own, if the runner is killed
 * meanwhile.
 */
#include <errno.h>
#include <linux/fs.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/macros.h"
#include "base/parse.h"
#include "base/text.h"
#include "format/disk-find.h"
#include "io/fd.h"
#include "kernel/capability.h"
#include "kernel/landlock.h"
#include "kernel/mapper.h"
#include "prog/dissect/serve.h"

#define MEMORY_MAX (UINT64_C(64) << 20)
#define SECONDS_MAX 10

/* ---- closing in ---- */

/* Each by itself: what a kernel or a container does not give is one wall less of several. */
static void leave_namespaces(void)
{
	static const int spaces[] = { CLONE_NEWUSER, CLONE_NEWNS,  CLONE_NEWNET,
				      CLONE_NEWIPC,  CLONE_NEWUTS, CLONE_NEWPID };

	for (size_t i = 0; i < ARRAY_SIZE(spaces); i++)
		(void)unshare(spaces[i]);
}

static int limit(int resource, rlim_t value)
{
	const struct rlimit limit = { value, value };

	return setrlimit((__rlimit_resource_t)resource, &limit) < 0 ? -errno : 0;
}

static int filter_calls(void)
{
	static const int calls[] = { SCMP_SYS(pread64), SCMP_SYS(write), SCMP_SYS(exit_group),
				     SCMP_SYS(exit), SCMP_SYS(rt_sigreturn) };
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int r = filter == NULL ? -ENOMEM : 0;

	for (size_t i = 0; i < ARRAY_SIZE(calls) && r >= 0; i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
	if (r >= 0)
		r = seccomp_load(filter);
	seccomp_release(filter);
	return r;
}

static int close_in(void)
{
	const struct landlock_allowed nothing = { .directory = -EBADF };
	int r = fd_close_all(3, NULL, 0);

	if (r >= 0)
		r = limit(RLIMIT_CORE, 0);
	if (r >= 0)
		r = limit(RLIMIT_CPU, SECONDS_MAX);
	if (r >= 0)
		r = limit(RLIMIT_DATA, MEMORY_MAX);
	if (r >= 0)
		r = limit(RLIMIT_FSIZE, DISK_TEXT_MAX);
	if (r >= 0)
		r = capability_drop_bounding(0);
	if (r >= 0)
		r = capability_set(0, 0, 0);
	if (r >= 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		r = -errno;
	if (r < 0)
		return r;
	r = landlock_close(&nothing);
	if (r < 0 && r != -ENOSYS && r != -EOPNOTSUPP)
		return r;
	return filter_calls();
}

/* ---- looking ---- */

static int read_image(void *context, void *to, size_t size, uint64_t offset)
{
	char *at = to;

	(void)context;
	while (size > 0) {
		ssize_t n = pread(STDIN_FILENO, at, size, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		at += n;
		size -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

static int image_size(uint64_t *ret)
{
	struct stat st;

	if (fstat(STDIN_FILENO, &st) < 0)
		return -errno;
	if (S_ISBLK(st.st_mode))
		return ioctl(STDIN_FILENO, BLKGETSIZE64, ret) < 0 ? -errno : 0;
	*ret = (uint64_t)st.st_size;
	return S_ISREG(st.st_mode) ? 0 : -EBADFD;
}

/* In the new pid namespace, and with nobody left to ask for anything. */
_Noreturn static void look(const struct disk_source *source, bool hashes)
{
	char text[DISK_TEXT_MAX];
	struct verity verity = { 0 };
	struct disk disk = { 0 };
	enum disk_problem problem;
	size_t size;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || close_in() < 0)
		_exit(EXIT_FAILURE);
	problem = hashes ? disk_find_hashes(&verity, source) : disk_find(&disk, &verity, source);
	size = disk_print(text, &disk, &verity, problem);
	_exit(write(STDOUT_FILENO, text, size) == (ssize_t)size ? EXIT_SUCCESS : EXIT_FAILURE);
}

static int look_aside(const struct disk_source *source, bool hashes)
{
	int status;
	pid_t pid;

	leave_namespaces();
	pid = fork();
	if (pid == 0)
		look(source, hashes);
	while (pid > 0 && waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return EXIT_FAILURE;
	return pid > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILURE;
}

/* ---- devices ---- */

static int make_verified(const char *name, const char *sectors, const char *table)
{
	autoclose int fd = -EBADF;
	uint64_t count;
	int r = parse_u64(&count, sectors);

	if (r < 0)
		return -r;
	fd = mapper_open(name, "verity", count, table);
	r = fd < 0 ? fd : fd_send(STDIN_FILENO, &fd, 1);
	return -r;
}

/* ---- */

static bool parse_arguments(struct disk_source *source, bool *hashes, int argc, char **argv)
{
	if (argc == 3 && (text_equal(argv[1], "root") || text_equal(argv[1], "usr"))) {
		source->hashed = text_equal(argv[1], "usr") ? DISK_USR : DISK_ROOT;
		source->hash = argv[2];
		return strlen(argv[2]) >= 32;
	}
	*hashes = argc == 2 && text_equal(argv[1], "hashes");
	source->whole = argc == 2 && text_equal(argv[1], "whole");
	return argc < 2 || *hashes || source->whole;
}

int main(int argc, char **argv)
{
	struct disk_source source = { .read = read_image };
	struct utsname host;
	bool hashes = false;

	if (argc == 5 && text_equal(argv[1], "verity"))
		return make_verified(argv[2], argv[3], argv[4]);
	if (argc > 1 && text_equal(argv[1], "serve"))
		return serve(argc, argv);
	if (!parse_arguments(&source, &hashes, argc, argv)) {
		fprintf(stderr, "%s: part of systemd-nspawn, which starts it\n", argv[0]);
		return EXIT_FAILURE;
	}
	if (uname(&host) < 0 || image_size(&source.size) < 0)
		return EXIT_FAILURE;
	source.machine = host.machine;
	return look_aside(&source, hashes);
}
