#include "engine/privilege.h"

#include <grp.h>
#include <linux/capability.h>
#include <net/if.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "base/fail.h"
#include "io/fd.h"
#include "kernel/capability.h"
#include "kernel/fixture.h"
#include "kernel/namespace.h"
#include "machine/guest-users.h"
#include "plan/plan.h"

static struct spec spec;
static struct guest_user user = {
	.name = "alice", .uid = 1000, .gid = 1001, .home = "/mnt/home/a"
};
static struct privilege privilege = { .spec = &spec, .proc_fd = -EBADF };

static uint64_t kept; /* what is kept by default, of what this machine's root has */

static void enter(void)
{
	ck_assert_int_eq(capability_get(NULL, &kept, NULL), 0);
	kept &= capability_default;
	ck_assert(fixture_enter_as_root());
	spec_init(&spec);
	spec.console = CONSOLE_PIPE;
}

static int step(enum step_kind kind, uint64_t number)
{
	return privilege_step(&privilege, &(struct step){ .kind = kind, .number = number });
}

static int text_step(enum step_kind kind, const char *target, const char *data)
{
	return privilege_step(&privilege,
			      &(struct step){ .kind = kind, .target = target, .data = data });
}

static void sets(uint64_t effective, uint64_t permitted, uint64_t inheritable, uint64_t bounding)
{
	uint64_t now[3];

	ck_assert_int_eq(capability_get(&now[0], &now[1], &now[2]), 0);
	ck_assert_uint_eq(now[0], effective);
	ck_assert_uint_eq(now[1], permitted);
	ck_assert_uint_eq(now[2], inheritable);
	for (int i = 0; i < 64; i++)
		ck_assert_int_eq(prctl(PR_CAPBSET_READ, (unsigned long)i, 0, 0, 0) == 1,
				 (bounding & CAPABILITY_BIT(i)) != 0);
}

START_TEST(root_keeps_what_is_kept_and_inherits_nothing)
{
	enter();
	ck_assert_int_eq(step(STEP_CAPABILITIES, capability_default), 0);
	sets(kept, kept, 0, kept);
}
END_TEST

START_TEST(what_we_lack_cannot_be_kept)
{
	uint64_t keep = CAPABILITY_BIT(CAP_CHOWN) | CAPABILITY_BIT(CAP_SETPCAP);

	enter();
	ck_assert_int_eq(step(STEP_CAPABILITIES, keep), 0);
	ck_assert_int_eq(step(STEP_CAPABILITIES, UINT64_MAX), 0);
	sets(keep, keep, 0, keep);
}
END_TEST

START_TEST(a_user_has_no_capability)
{
	gid_t groups[] = { 1001, 77 }, now[8];
	struct stat st;

	enter();
	user.groups = groups;
	user.group_count = 2;
	privilege.user = &user;
	ck_assert_int_eq(step(STEP_USER, 0), 0);
	ck_assert_int_eq(step(STEP_CAPABILITIES, capability_default), 0);
	sets(0, 0, 0, kept);
	ck_assert(getuid() == 1000 && geteuid() == 1000 && getgid() == 1001 && getegid() == 1001);
	ck_assert_int_eq(getgroups(8, now), 2);
	ck_assert(now[0] + now[1] == 1078);
	ck_assert_int_lt(setuid(0), 0);
	/* The home directory was made, and is his. */
	ck_assert_int_eq(stat("/mnt/home/a", &st), 0);
	ck_assert(st.st_uid == 1000 && st.st_gid == 1001 && (st.st_mode & 07777) == 0755);
	ck_assert_int_eq(stat("/mnt/home", &st), 0);
	ck_assert_uint_eq(st.st_uid, 0);
}
END_TEST

START_TEST(ambient_capabilities_are_the_users_own)
{
	uint64_t ambient = CAPABILITY_BIT(CAP_NET_BIND_SERVICE);

	enter();
	privilege.user = &user;
	spec.capability_ambient = ambient;
	ck_assert_int_eq(step(STEP_USER, 0), 0);
	ck_assert_int_eq(step(STEP_CAPABILITIES, capability_default), 0);
	sets(ambient, ambient, ambient, kept);
	ck_assert_int_eq(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_NET_BIND_SERVICE, 0, 0),
			 1);
	ck_assert_int_eq(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_CHOWN, 0, 0), 0);
}
END_TEST

START_TEST(no_user_is_root)
{
	enter();
	ck_assert_int_eq(step(STEP_USER, 0), 0);
	ck_assert_uint_eq(getuid(), 0);
	user.uid = 0;
	privilege.user = &user;
	ck_assert_int_eq(step(STEP_USER, 0), 0);
	ck_assert_uint_eq(getuid(), 0);
	ck_assert_int_lt(access("/mnt/home", F_OK), 0);
}
END_TEST

START_TEST(an_id_that_is_not_mapped_is_told)
{
	autoclose int userns = -EBADF;

	enter();
	userns = namespace_make_user("0 524288 10", "0 524288 10");
	ck_assert_int_ge(userns, 0);
	ck_assert_int_eq(namespace_join(userns, CLONE_NEWUSER), 0);
	ck_assert_int_eq(privilege_become_root(false), 0);
	user.home = "/";
	privilege.user = &user;
	ck_assert_int_lt(step(STEP_USER, 0), 0);
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "'alice'"));
}
END_TEST

/* Class S18: a file's inheritable capabilities meet an inheritable set that is empty. */
START_TEST(a_file_with_inheritable_capabilities_raises_nobody)
{
	const struct vfs_cap_data data = {
		.magic_etc = VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE,
		.data[0].inheritable = CAPABILITY_BIT(CAP_NET_RAW),
	};
	char *words[] = { (char[]){ "grep" }, (char[]){ "^CapPrm:.0000000000000000$" },
			  (char[]){ "/proc/self/status" }, NULL };
	int status;
	pid_t pid;

	enter();
	if (access("/bin/busybox", X_OK) < 0)
		return;
	pid = fork();
	if (pid == 0) {
		execl("/bin/busybox", "cp", "/bin/busybox", "/mnt/grep", NULL);
		_exit(1);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	ck_assert_int_eq(setxattr("/mnt/grep", "security.capability", &data, XATTR_CAPS_SZ_2, 0),
			 0);
	pid = fork();
	if (pid == 0) {
		/* as a careless manager would start us */
		capability_set(capability_all(), capability_all(), capability_all());
		privilege.user = &user;
		if (step(STEP_USER, 0) < 0 || step(STEP_CAPABILITIES, capability_default) < 0)
			_exit(2);
		dup2(open("/dev/null", O_WRONLY), STDOUT_FILENO);
		execv("/mnt/grep", words);
		_exit(3);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(the_callers_groups_are_given_up)
{
	gid_t groups[] = { 0, 4, 77 };

	enter();
	ck_assert_int_eq(setgroups(3, groups), 0);
	ck_assert_int_eq(privilege_become_root(true), 0);
	ck_assert_int_eq(getgroups(0, NULL), 3);
	ck_assert_int_eq(privilege_become_root(false), 0);
	ck_assert_int_eq(getgroups(0, NULL), 0);
}
END_TEST

START_TEST(limits_are_set)
{
	struct step limit = {
		.kind = STEP_RLIMIT, .number = RLIMIT_NOFILE, .soft = 100, .hard = 200
	};
	struct rlimit now;

	enter();
	ck_assert_int_eq(privilege_step(&privilege, &limit), 0);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &now), 0);
	ck_assert(now.rlim_cur == 100 && now.rlim_max == 200);

	/* Who may not raise it gets as close as can be. */
	ck_assert_int_eq(capability_set(0, 0, 0), 0);
	limit.soft = 400;
	limit.hard = 500;
	ck_assert_int_eq(privilege_step(&privilege, &limit), 0);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &now), 0);
	ck_assert(now.rlim_cur == 200 && now.rlim_max == 200);
	limit.hard = 50;
	ck_assert_int_lt(privilege_step(&privilege, &limit), 0); /* soft above hard */
}
END_TEST

START_TEST(the_process_is_as_the_plan_says)
{
	cpu_set_t set;

	enter();
	ck_assert_int_eq(step(STEP_NO_NEW_PRIVILEGES, 0), 0);
	ck_assert_int_eq(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
	ck_assert_int_eq(step(STEP_PERSONALITY, PER_LINUX32), 0);
	ck_assert_int_eq(personality(0xffffffff), PER_LINUX32);
	spec.cpu_affinity[0] = 1;
	ck_assert_int_eq(step(STEP_AFFINITY, 0), 0);
	ck_assert_int_eq(sched_getaffinity(0, sizeof(set), &set), 0);
	ck_assert_int_eq(CPU_COUNT(&set), 1);
	ck_assert(CPU_ISSET(0, &set));
	ck_assert_int_eq(step(STEP_SECCOMP, 0), 0); /* none was selected */
	ck_assert_int_eq(prctl(PR_GET_SECCOMP, 0, 0, 0, 0), 0);
}
END_TEST

START_TEST(the_namespaces_are_named_and_up)
{
	struct ifreq request = { .ifr_name = "lo" };
	autoclose int probe = -EBADF;
	char name[64];

	enter();
	ck_assert_int_eq(unshare(CLONE_NEWUTS | CLONE_NEWNET), 0);
	ck_assert_int_eq(text_step(STEP_HOSTNAME, NULL, "web"), 0);
	ck_assert_int_eq(gethostname(name, sizeof(name)), 0);
	ck_assert_str_eq(name, "web");
	ck_assert_int_eq(step(STEP_LOOPBACK, 0), 0);
	probe = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(ioctl(probe, SIOCGIFFLAGS, &request), 0);
	ck_assert(request.ifr_flags & IFF_UP);
}
END_TEST

/* Class S10: what covers /proc does not get what is written. */
START_TEST(a_sysctl_goes_to_the_proc_that_was_kept)
{
	char name[64], text[8] = "";
	int fd;

	enter();
	ck_assert_int_eq(unshare(CLONE_NEWUTS), 0);
	privilege.proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* A tmpfs instead of all of /proc, with a file in the very place. */
	ck_assert_int_eq(mount("tmpfs", "/proc", "tmpfs", 0, NULL), 0);
	ck_assert_int_eq(mkdir("/proc/sys", 0755), 0);
	ck_assert_int_eq(mkdir("/proc/sys/kernel", 0755), 0);
	fixture_write("/proc/sys/kernel/hostname", "same");
	ck_assert_int_eq(text_step(STEP_SYSCTL, "/proc/sys/kernel/hostname", "changed"), 0);
	ck_assert_int_eq(gethostname(name, sizeof(name)), 0);
	ck_assert_str_eq(name, "changed");
	fd = open("/proc/sys/kernel/hostname", O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(read(fd, text, sizeof(text) - 1), 4);
	ck_assert_str_eq(text, "same");
	ck_assert_int_lt(text_step(STEP_SYSCTL, "/proc/sys/kernel/nonexistent", "1"), 0);
	ck_assert_int_eq(umount2("/proc", MNT_DETACH), 0);
}
END_TEST

START_TEST(other_steps_are_somebody_elses)
{
	ck_assert_int_eq(step(STEP_MOUNT, 0), -ENOTSUP);
	ck_assert_int_eq(step(STEP_EXEC, 0), -ENOTSUP);
	ck_assert_int_eq(step(STEP_ENTER, 0), -ENOTSUP);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("privilege");

	if (geteuid() != 0) {
		puts("skipped: only root can give up privileges");
		return 77;
	}
	tcase_add_test(cases, root_keeps_what_is_kept_and_inherits_nothing);
	tcase_add_test(cases, what_we_lack_cannot_be_kept);
	tcase_add_test(cases, a_user_has_no_capability);
	tcase_add_test(cases, ambient_capabilities_are_the_users_own);
	tcase_add_test(cases, no_user_is_root);
	tcase_add_test(cases, an_id_that_is_not_mapped_is_told);
	tcase_add_test(cases, a_file_with_inheritable_capabilities_raises_nobody);
	tcase_add_test(cases, the_callers_groups_are_given_up);
	tcase_add_test(cases, limits_are_set);
	tcase_add_test(cases, the_process_is_as_the_plan_says);
	tcase_add_test(cases, the_namespaces_are_named_and_up);
	tcase_add_test(cases, a_sysctl_goes_to_the_proc_that_was_kept);
	tcase_add_test(cases, other_steps_are_somebody_elses);
	return fixture_run(cases, "engine/privilege");
}
