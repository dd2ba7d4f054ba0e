#include "engine/spawn.h"

#include <linux/nsfs.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/arena.h"
#include "base/fail.h"
#include "engine/channel.h"
#include "engine/ids.h"
#include "io/fd.h"
#include "io/file.h"
#include "kernel/fixture.h"
#include "kernel/process.h"
#include "plan/plan.h"

static struct arena arena;
static struct spec spec;
static struct taken taken;
static struct ids ids = IDS_EMPTY;
static struct spawn spawn = { .pidfd = -EBADF, .userns_fd = -EBADF };
static struct channel channel = { -EBADF, -EBADF };

static void enter(enum userns_rung rung)
{
	ck_assert(fixture_enter_as_root());
	spec_init(&spec);
	spec.private_network = TRISTATE_YES;
	taken.userns = rung;
	ck_assert_int_eq(channel_open(&channel), 0);
}

/* A payload that waits for GO and ends with 0. */
static void make(void)
{
	int r = spawn_payload(&spawn, &spec, &taken, -EBADF);

	if (r == 0) {
		fd_close(&channel.supervisor);
		_exit(channel_wait(&channel, NULL, 0) < 0);
	}
	ck_assert_int_eq(r, 1);
	fd_close(&channel.payload);
}

static void end(void)
{
	siginfo_t info;

	ck_assert_int_eq(channel_go(&channel, NULL, 0), 0);
	ck_assert_int_eq(process_wait(spawn.pidfd, &info, 0), 0);
	ck_assert_int_eq(info.si_code, CLD_EXITED);
	ck_assert_int_eq(info.si_status, 0);
	spawn_done(&spawn);
	ck_assert(spawn.pidfd < 0 && spawn.userns_fd < 0);
	spawn_done(&spawn);
	channel_done(&channel);
}

static bool has_own(const char *kind)
{
	char path[64], theirs[64] = "", ours[64] = "";

	snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)spawn.pid, kind);
	ck_assert_int_gt(readlink(path, theirs, sizeof(theirs) - 1), 0);
	snprintf(path, sizeof(path), "/proc/self/ns/%s", kind);
	ck_assert_int_gt(readlink(path, ours, sizeof(ours) - 1), 0);
	return strcmp(theirs, ours) != 0;
}

static const char *content(const char *name)
{
	static char text[256];
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)spawn.pid, name);
	ck_assert_int_ge(file_read_line(text, sizeof(text), AT_FDCWD, path), 0);
	return text;
}

START_TEST(the_namespaces_are_what_was_asked_for)
{
	const unsigned long all = CLONE_NEWUSER | CLONE_NEWPID;

	spec_init(&spec);
	taken.userns = RUNG_IDMAPPED;
	ck_assert_uint_eq(spawn_namespaces(&spec, &taken), all);
	taken.userns = RUNG_NONE;
	ck_assert_uint_eq(spawn_namespaces(&spec, &taken), CLONE_NEWPID);
	spec.share_pid = true;
	ck_assert_uint_eq(spawn_namespaces(&spec, &taken), 0);
}
END_TEST

START_TEST(the_payload_gets_its_ids)
{
	struct stat st;

	enter(RUNG_IDMAPPED);
	ids.uids[0] = ids.gids[0] = (struct own_ids_extent){ 0, 524288, 65536 };
	ids.uid_count = ids.gid_count = 1;
	make();
	ck_assert_int_eq(spawn_admit(&arena, &spawn, &spec, &taken, &ids), 0);
	ck_assert_str_eq(content("uid_map"), "         0     524288      65536");
	ck_assert_str_eq(content("gid_map"), "         0     524288      65536");
	ck_assert_int_eq(fstat(spawn.userns_fd, &st), 0);
	ck_assert_int_eq(ioctl(spawn.userns_fd, NS_GET_NSTYPE), CLONE_NEWUSER);
	ck_assert(has_own("user") && has_own("pid"));
	/* These it makes itself, later: then they are its own user namespace's. */
	ck_assert(!has_own("ipc") && !has_own("uts") && !has_own("net") && !has_own("mnt") &&
		  !has_own("cgroup"));
	end();
}
END_TEST

START_TEST(without_a_user_namespace_nothing_is_mapped)
{
	enter(RUNG_NONE);
	make();
	ck_assert_int_eq(spawn_admit(&arena, &spawn, &spec, &taken, &ids), 0);
	ck_assert_int_lt(spawn.userns_fd, 0);
	ck_assert(!has_own("user") && has_own("pid"));
	end();
}
END_TEST

START_TEST(the_oom_score_is_set_from_outside)
{
	enter(RUNG_NONE);
	spec.oom_score_set = true;
	spec.oom_score = 321;
	make();
	ck_assert_int_eq(spawn_admit(&arena, &spawn, &spec, &taken, &ids), 0);
	ck_assert_str_eq(content("oom_score_adj"), "321");
	end();
}
END_TEST

START_TEST(a_single_id_gives_up_the_groups)
{
	enter(RUNG_SINGLE);
	ids.uids[0] = ids.gids[0] = (struct own_ids_extent){ 0, 0, 1 };
	ids.uid_count = ids.gid_count = 1;
	make();
	ck_assert_int_eq(spawn_admit(&arena, &spawn, &spec, &taken, &ids), 0);
	ck_assert_str_eq(content("setgroups"), "deny");
	end();
}
END_TEST

START_TEST(a_map_that_is_refused_is_told)
{
	enter(RUNG_IDMAPPED);
	ids.uids[0] = ids.gids[0] = (struct own_ids_extent){ 0, 5, 10 };
	ids.uids[1] = ids.gids[1] = (struct own_ids_extent){ 5, 100, 10 }; /* overlap */
	ids.uid_count = ids.gid_count = 2;
	make();
	ck_assert_int_lt(spawn_admit(&arena, &spawn, &spec, &taken, &ids), 0);
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "uid_map"));
	ck_assert_ptr_null(strchr(fail_recorded()->text, '\n'));
	end();
}
END_TEST

/* In a child: the leak checker of a sanitizer clones too. */
static int try_without_clone(void)
{
	fixture_deny(SYS_clone3, EPERM);
	fixture_deny(SYS_clone, EPERM);
	if (spawn_payload(&spawn, &spec, &taken, -EBADF) >= 0)
		return 1;
	return !strstr(fail_recorded()->text, "cannot make the container's namespaces");
}

START_TEST(namespaces_that_are_refused_are_told)
{
	int status;
	pid_t pid;

	enter(RUNG_NONE);
	pid = fork();
	if (pid == 0)
		_exit(try_without_clone());
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	channel_done(&channel);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("spawn");

	if (geteuid() != 0) {
		puts("skipped: only root can make namespaces of every kind");
		return 77;
	}
	tcase_add_test(cases, the_namespaces_are_what_was_asked_for);
	tcase_add_test(cases, the_payload_gets_its_ids);
	tcase_add_test(cases, without_a_user_namespace_nothing_is_mapped);
	tcase_add_test(cases, the_oom_score_is_set_from_outside);
	tcase_add_test(cases, a_single_id_gives_up_the_groups);
	tcase_add_test(cases, a_map_that_is_refused_is_told);
	tcase_add_test(cases, namespaces_that_are_refused_are_told);
	return fixture_run(cases, "engine/spawn");
}
