/* deny CALL[,CALL…] PROGRAM ARG… - run PROGRAM with the calls answered by ENOSYS, as an older
 * kernel would; with "!" before its name by EPERM, as a container's filter would.
 *
 * Names are the newer ones that Redd has a fallback for; a number is taken as it is.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct {
	const char *name;
	int number;
} calls[] = {
	{ "openat2", 437 },
	{ "clone3", 435 },
	{ "close_range", 436 },
	{ "mount_setattr", 442 },
	{ "pidfd_send_signal", 424 },
	{ "pidfd_open", 434 },
	{ "pidfd_getfd", 438 },
	{ "open_tree", 428 },
	{ "move_mount", 429 },
	{ "fsopen", 430 },
	{ "fsconfig", 431 },
	{ "fsmount", 432 },
	{ "fspick", 433 },
	{ "epoll_pwait2", 441 },
	{ "faccessat2", 439 },
	{ "fchmodat2", 452 },
	{ "statx", 332 },
	{ "memfd_create", 319 },
	{ "copy_file_range", 326 },
	{ "execveat", 322 },
	{ "getrandom", 318 },
	{ "statmount", 457 },
	{ "listmount", 458 },
	{ "open_tree_attr", 467 },
	{ "landlock_create_ruleset", 444 },
	{ "io_uring_setup", 425 },
	{ "renameat2", 316 },
	{ "keyctl", 250 },
	{ "seccomp", 317 },
	{ "membarrier", 324 },
	{ "rseq", 334 },
	{ "waitid", 247 },
	{ "prlimit64", 302 },
	{ "syncfs", 306 },
	{ "preadv2", 327 },
	{ "bpf", 321 },
};

static int number_of(const char *name)
{
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (!strcmp(calls[i].name, name))
			return calls[i].number;
	return atoi(name);
}

int main(int argc, char **argv)
{
	struct sock_filter code[128];
	struct sock_fprog program = { .filter = code };
	int n = 0;

	if (argc < 3) {
		fputs("usage: deny CALL[,CALL...] PROGRAM [ARG...]\n", stderr);
		return 125;
	}
	code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
						 offsetof(struct seccomp_data, nr));
	for (char *word = strtok(argv[1], ","); word && n < 120; word = strtok(NULL, ",")) {
		int filtered = *word == '!';
		unsigned call = (unsigned)number_of(word + filtered);

		code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1);
		code[n++] = (struct sock_filter)BPF_STMT(
			BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (filtered ? EPERM : ENOSYS));
	}
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	program.len = (unsigned short)n;
	if (geteuid() != 0)
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0) {
		perror("deny: cannot load the filter");
		return 125;
	}
	execvp(argv[2], argv + 2);
	perror(argv[2]);
	return 127;
}
