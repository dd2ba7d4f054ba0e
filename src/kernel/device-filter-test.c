#include "kernel/device-filter.h"

#include <linux/bpf.h>
#include <stdlib.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "base/arena.h"
#include "io/fd.h"
#include "kernel/cgroup.h"
#include "kernel/fixture.h"

static int build(const char *rules)
{
	autoarena struct arena arena = { 0 };
	struct bpf_insn *code;
	size_t count;

	return device_filter_build(&arena, &code, &count, rules);
}

START_TEST(rules_have_one_form)
{
	static const char *const bad[] = {
		"c",	      "c 1:3",	  "x 1:3 r",	      "cc 1:3 r",   "c 1 r",	"c 1:3 x",
		"c 1:3 rwmx", "c -1:3 r", "c 5-1:3 r",	      "c 1:3 r w",  "c 1-:3 r", "c :3 r",
		"c 1: r",     "c **:3 r", "c 4294967296:3 r", "c 1:3 r, x",
	};

	ck_assert_int_eq(build(""), 0);
	ck_assert_int_eq(build("c 1:3 rwm, c 136-143:* rw, b 8:1 r,a *:* m"), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(build(bad[i]) == -EINVAL, "%s", bad[i]);
}
END_TEST

START_TEST(too_many_rules_are_refused)
{
	char *rules = calloc(DEVICE_FILTER_RULES_MAX + 2, 8);

	for (int i = 0; i <= DEVICE_FILTER_RULES_MAX; i++)
		memcpy(rules + i * 8, "b 1:2 r,", 8);
	ck_assert_int_eq(build(rules), -E2BIG);
	rules[DEVICE_FILTER_RULES_MAX * 8L] = '\0';
	ck_assert_int_eq(build(rules), 0);
	free(rules);
}
END_TEST

static bool opens(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);

	if (fd < 0 && errno != EPERM)
		_exit(100 + errno % 100);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* In the cgroup: exits with the number of the first expectation that does not hold. */
static void expect(int cgroup)
{
	if (cgroup_attach(cgroup, 0) < 0)
		_exit(1);
	if (!opens("/dev/null", O_RDWR))
		_exit(2);
	if (!opens("/dev/zero", O_RDONLY) || opens("/dev/zero", O_WRONLY) ||
	    opens("/dev/zero", O_RDWR))
		_exit(3);
	if (opens("/dev/full", O_RDONLY))
		_exit(4);
	if (!opens("/dev/random", O_RDONLY) || !opens("/dev/urandom", O_RDONLY))
		_exit(5);
	if (mknod("/mnt/null", S_IFCHR | 0600, makedev(1, 3)) < 0)
		_exit(6);
	if (mknod("/mnt/zero", S_IFCHR | 0600, makedev(1, 5)) == 0 || errno != EPERM)
		_exit(7);
	if (mknod("/mnt/block", S_IFBLK | 0600, makedev(1, 3)) == 0 || errno != EPERM)
		_exit(8);
	if (!device_filter_is_there())
		_exit(9);
	_exit(0);
}

START_TEST(only_what_is_listed_can_be_opened)
{
	autoclose int root = -EBADF, cgroup = -EBADF;
	char name[64];
	const char *path;
	int r, status;
	pid_t child;

	if (!fixture_enter_as_root() || cgroup_open_root(&root, &path) < 0)
		return;
	snprintf(name, sizeof(name), "redd-test-%d", (int)getpid());
	cgroup = cgroup_make(root, name, true);
	if (cgroup < 0)
		return;
	r = device_filter_attach(cgroup,
				 "c 1:3 rwm, c 1:5 r, c 1:8-9 rw, c 200-300:* rwm, b 8:* r");
	child = r < 0 ? -1 : fork();
	if (child == 0)
		expect(cgroup);
	if (child > 0)
		waitpid(child, &status, 0);
	ck_assert_int_eq(cgroup_remove(root, name, 5000), 0);
	if (r == -EINVAL || r == -ENOSYS || r == -EPERM)
		return; /* a kernel without CONFIG_CGROUP_BPF */
	ck_assert_msg(r == 0, "%s", strerror(-r));
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 0);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("device-filter");

	tcase_add_test(cases, rules_have_one_form);
	tcase_add_test(cases, too_many_rules_are_refused);
	tcase_add_test(cases, only_what_is_listed_can_be_opened);
	return fixture_run(cases, "kernel/device-filter");
}
