#include "engine/cgroups.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/text.h"
#include "engine/resources.h"
#include "io/fd.h"
#include "io/file.h"
#include "kernel/cgroup.h"
#include "kernel/fixture.h"
#include "kernel/process.h"
#include "spec/spec.h"

/* Each case sees a hierarchy of its own: a cgroup namespace below TOP, mounted in a private mount
 * namespace. What a case leaves is removed by the program at its end. */
static char top[32];
static struct arena arena;
static struct spec spec;
static struct resources resources;

static bool make_top(void)
{
	autoclose int root = -EBADF, fd = -EBADF;
	const char *path;

	snprintf(top, sizeof(top), "redd-test-%d", (int)getpid());
	if (geteuid() != 0 || cgroup_open_root(&root, &path) < 0)
		return false;
	fd = cgroup_make(root, top, true);
	return fd >= 0;
}

static void remove_top(void)
{
	autoclose int root = -EBADF, fd = -EBADF;
	const char *path;

	if (cgroup_open_root(&root, &path) < 0)
		return;
	fd = openat(root, top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	cgroup_kill(fd);
	cgroup_remove(root, top, 5000);
}

static void enter(void)
{
	autoclose int root = -EBADF, parent = -EBADF, own = -EBADF;
	const char *path;
	char name[32];

	ck_assert_int_eq(cgroup_open_root(&root, &path), 0);
	parent = openat(root, top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	snprintf(name, sizeof(name), "%d", (int)getpid());
	own = cgroup_make(parent, name, true);
	ck_assert_int_ge(own, 0);
	ck_assert_int_eq(cgroup_attach(own, 0), 0);
	ck_assert(fixture_enter_as_root());
	ck_assert_int_eq(unshare(CLONE_NEWCGROUP), 0);
	ck_assert_int_eq(mount("cgroup2", "/sys/fs/cgroup", "cgroup2", 0, NULL), 0);
	ck_assert_int_eq(mount("tmpfs", "/run", "tmpfs", 0, "mode=0755"), 0);
	spec_init(&spec);
	spec.machine = "web";
	resources_init(&resources, &arena);
	ck_assert_int_eq(record_create(&arena, &resources.record, "/run/redd", "web"), 0);
}

static bool exists(const char *path)
{
	char full[256];

	snprintf(full, sizeof(full), "/sys/fs/cgroup%s", path);
	return access(full, F_OK) == 0;
}

static const char *noted(void)
{
	size_t size;
	char *text;

	ck_assert_int_eq(file_read(&arena, &text, &size, AT_FDCWD, "/run/redd/machines/web", 4096),
			 0);
	return text;
}

static pid_t sleeper(int cgroup_fd)
{
	pid_t pid = fork();

	if (pid == 0) {
		alarm(20);
		for (;;)
			pause();
	}
	ck_assert_int_eq(cgroup_attach(cgroup_fd, pid), 0);
	return pid;
}

static void was_killed(pid_t pid)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

START_TEST(the_payload_gets_a_cgroup_and_the_record_knows_it)
{
	char inode[48];
	struct stat st;

	enter();
	ck_assert_int_eq(cgroups_take(&resources, &spec, 0, false), 0);
	ck_assert_int_eq(resources.taken.cgroup, CGROUP_OWN);
	ck_assert_str_eq(resources.taken.cgroup_path, "/redd/web/payload");
	ck_assert(exists("/redd/web/payload"));
	ck_assert_int_eq(record_note(&resources.record, RECORD_DIRECTORY, "/x"), 0);
	ck_assert_ptr_nonnull(strstr(noted(), "\ncgroup=/redd/web\n"));
	ck_assert_int_eq(stat("/sys/fs/cgroup/redd/web", &st), 0);
	snprintf(inode, sizeof(inode), "\ncgroup-id=%llu\n", (unsigned long long)st.st_ino);
	ck_assert_ptr_nonnull(strstr(noted(), inode));
	cgroups_release(&resources);
	ck_assert(!exists("/redd/web"));
	cgroups_release(&resources);
	record_remove(&resources.record);
}
END_TEST

START_TEST(a_plan_makes_nothing)
{
	enter();
	ck_assert_int_eq(cgroups_take(&resources, &spec, 0, true), 0);
	ck_assert_str_eq(resources.taken.cgroup_path, "/redd/web/payload");
	ck_assert(!exists("/redd"));
	cgroups_release(&resources);
}
END_TEST

START_TEST(it_is_the_containers_roots)
{
	struct stat st;

	enter();
	resources.taken.userns = RUNG_IDMAPPED;
	resources.taken.base = 524288;
	ck_assert_int_eq(cgroups_take(&resources, &spec, 0, false), 0);
	ck_assert_int_eq(cgroups_complete(&resources, &spec), 0);
	ck_assert_int_eq(stat("/sys/fs/cgroup/redd/web/payload", &st), 0);
	ck_assert_uint_eq(st.st_uid, 524288);
	ck_assert_int_eq(stat("/sys/fs/cgroup/redd/web/payload/cgroup.procs", &st), 0);
	ck_assert_uint_eq(st.st_uid, 524288);
	/* What limits it is not. */
	ck_assert_int_eq(stat("/sys/fs/cgroup/redd/web", &st), 0);
	ck_assert_uint_eq(st.st_uid, 0);
	ck_assert_int_eq(stat("/sys/fs/cgroup/redd/web/payload/cgroup.freeze", &st), 0);
	ck_assert_uint_eq(st.st_uid, 0);
	cgroups_release(&resources);
}
END_TEST

START_TEST(nothing_in_it_outlives_it)
{
	autoclose int deep = -EBADF;
	pid_t one, two;

	enter();
	ck_assert_int_eq(cgroups_take(&resources, &spec, 0, false), 0);
	deep = cgroup_make(resources.cgroup_fd, "system.slice", true);
	one = sleeper(deep);
	two = sleeper(deep);
	cgroups_release(&resources);
	was_killed(one);
	was_killed(two);
	ck_assert(!exists("/redd/web"));
}
END_TEST

START_TEST(it_is_found_again_after_a_rest)
{
	pid_t pid;

	enter();
	ck_assert_int_eq(cgroups_take(&resources, &spec, 0, false), 0);
	pid = sleeper(resources.cgroup_fd);
	cgroups_rest(&resources);
	ck_assert(resources.cgroup_fd < 0 && resources.cgroup_parent_fd < 0);
	cgroups_kill(&resources);
	was_killed(pid);
	cgroups_rest(&resources);
	cgroups_release(&resources);
	ck_assert(!exists("/redd/web"));
}
END_TEST

START_TEST(a_further_start_has_an_empty_one)
{
	autoclose int deep = -EBADF;
	pid_t pid;

	enter();
	ck_assert_int_eq(cgroups_renew(&resources), 0); /* the first start has none yet */
	ck_assert_int_eq(cgroups_take(&resources, &spec, 0, false), 0);
	ck_assert_int_eq(cgroups_renew(&resources), 0);
	deep = cgroup_make(resources.cgroup_fd, "init.scope", true);
	pid = sleeper(deep);
	cgroups_rest(&resources);
	/* PID 1 has ended, and with it all that it left. */
	kill(pid, SIGKILL);
	was_killed(pid);
	ck_assert_int_eq(cgroups_renew(&resources), 0);
	ck_assert_int_ge(resources.cgroup_fd, 0);
	ck_assert(exists("/redd/web/payload") && !exists("/redd/web/payload/init.scope"));
	/* and it is the one that a rest remembers */
	pid = sleeper(resources.cgroup_fd);
	cgroups_rest(&resources);
	cgroups_kill(&resources);
	was_killed(pid);
	cgroups_release(&resources);
	ck_assert(!exists("/redd/web"));
}
END_TEST

START_TEST(a_cgroup_that_was_taken_away_is_told)
{
	enter();
	ck_assert_int_eq(cgroups_take(&resources, &spec, 0, false), 0);
	cgroups_rest(&resources);
	ck_assert_int_eq(rmdir("/sys/fs/cgroup/redd/web/payload"), 0);
	ck_assert_int_eq(cgroups_renew(&resources), -ESTALE);
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "/redd/web/payload"));
	cgroups_release(&resources);
}
END_TEST

START_TEST(another_of_the_same_name_is_a_stranger)
{
	autoclose int web = -EBADF, payload = -EBADF;
	pid_t pid;

	enter();
	ck_assert_int_eq(cgroups_take(&resources, &spec, 0, false), 0);
	cgroups_rest(&resources);
	ck_assert_int_eq(rmdir("/sys/fs/cgroup/redd/web/payload"), 0);
	ck_assert_int_eq(mkdir("/sys/fs/cgroup/redd/web/payload", 0755), 0);
	payload = open("/sys/fs/cgroup/redd/web/payload", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	pid = sleeper(payload);
	cgroups_kill(&resources);
	cgroups_release(&resources);
	ck_assert_int_eq(waitpid(pid, NULL, WNOHANG), 0); /* it lives */
	ck_assert(exists("/redd/web/payload"));
	kill(pid, SIGKILL);
	was_killed(pid);
	web = open("/sys/fs/cgroup/redd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_eq(cgroup_remove(web, "web", 5000), 0);
}
END_TEST

START_TEST(a_leftover_is_replaced_when_it_is_empty)
{
	autoclose int left = -EBADF;
	pid_t pid;

	enter();
	ck_assert_int_eq(mkdir("/sys/fs/cgroup/redd", 0755), 0);
	ck_assert_int_eq(mkdir("/sys/fs/cgroup/redd/web", 0755), 0);
	ck_assert_int_eq(mkdir("/sys/fs/cgroup/redd/web/payload", 0755), 0);
	ck_assert_int_eq(mkdir("/sys/fs/cgroup/redd/web/payload/deep", 0755), 0);
	ck_assert_int_eq(cgroups_take(&resources, &spec, 0, false), 0);
	ck_assert_int_eq(resources.taken.cgroup, CGROUP_OWN);
	ck_assert(!exists("/redd/web/payload/deep"));
	cgroups_release(&resources);

	/* Somebody's who lives is left alone, and said: without one nothing would hold ours. */
	ck_assert_int_eq(mkdir("/sys/fs/cgroup/redd/web", 0755), 0);
	left = open("/sys/fs/cgroup/redd/web", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	pid = sleeper(left);
	ck_assert_int_eq(cgroups_take(&resources, &spec, 0, false), -EBUSY);
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "/redd/web'"));
	cgroups_release(&resources);
	ck_assert_int_eq(waitpid(pid, NULL, WNOHANG), 0);
	kill(pid, SIGKILL);
	was_killed(pid);
}
END_TEST

START_TEST(a_normal_user_gets_one_below_his_own)
{
	enter();
	ck_assert_int_eq(cgroups_take(&resources, &spec, 1000, false), 0);
	ck_assert_str_eq(resources.taken.cgroup_path, "/redd-web/payload");
	ck_assert(exists("/redd-web/payload"));
	cgroups_release(&resources);
	ck_assert(!exists("/redd-web"));
}
END_TEST

START_TEST(a_kept_unit_holds_both_of_us)
{
	char own[64];

	enter();
	spec.keep_unit = true;
	ck_assert_int_eq(cgroups_take(&resources, &spec, 0, false), 0);
	ck_assert_int_eq(resources.taken.cgroup, CGROUP_UNIT);
	ck_assert_str_eq(resources.taken.cgroup_path, "/payload");
	ck_assert_int_eq(cgroup_process_path(own, sizeof(own), 0), 0);
	ck_assert_str_eq(own, "/supervisor");
	cgroups_rest(&resources);
	cgroups_release(&resources);
	ck_assert(!exists("/payload") && !exists("/supervisor"));
	ck_assert_int_eq(cgroup_process_path(own, sizeof(own), 0), 0);
	ck_assert_str_eq(own, "/");
}
END_TEST

START_TEST(a_unit_that_put_us_below_it_already_is_no_other)
{
	autoclose int supervisor = -EBADF;
	char own[64];

	enter();
	ck_assert_int_eq(mkdir("/sys/fs/cgroup/supervisor", 0755), 0);
	supervisor = open("/sys/fs/cgroup/supervisor", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_eq(cgroup_attach(supervisor, 0), 0);
	spec.keep_unit = true;
	ck_assert_int_eq(cgroups_take(&resources, &spec, 0, false), 0);
	ck_assert_str_eq(resources.taken.cgroup_path, "/payload");
	ck_assert(!resources.moved_down);
	cgroups_release(&resources);
	ck_assert_int_eq(cgroup_process_path(own, sizeof(own), 0), 0);
	ck_assert_str_eq(own, "/supervisor");
}
END_TEST

START_TEST(without_a_hierarchy_there_is_none)
{
	enter();
	ck_assert_int_eq(mount("tmpfs", "/sys/fs/cgroup", "tmpfs", 0, NULL), 0);
	ck_assert_int_eq(cgroups_take(&resources, &spec, 0, false), 0);
	ck_assert_int_eq(resources.taken.cgroup, CGROUP_NONE);
	cgroups_kill(&resources);
	cgroups_rest(&resources);
	cgroups_release(&resources);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("cgroups");
	int failed;

	if (!make_top()) {
		puts("skipped: no cgroup can be made here (it needs root and a cgroup2 hierarchy)");
		return 77;
	}
	tcase_set_timeout(cases, 30);
	tcase_add_test(cases, the_payload_gets_a_cgroup_and_the_record_knows_it);
	tcase_add_test(cases, a_plan_makes_nothing);
	tcase_add_test(cases, it_is_the_containers_roots);
	tcase_add_test(cases, nothing_in_it_outlives_it);
	tcase_add_test(cases, it_is_found_again_after_a_rest);
	tcase_add_test(cases, a_further_start_has_an_empty_one);
	tcase_add_test(cases, a_cgroup_that_was_taken_away_is_told);
	tcase_add_test(cases, another_of_the_same_name_is_a_stranger);
	tcase_add_test(cases, a_leftover_is_replaced_when_it_is_empty);
	tcase_add_test(cases, a_normal_user_gets_one_below_his_own);
	tcase_add_test(cases, a_kept_unit_holds_both_of_us);
	tcase_add_test(cases, a_unit_that_put_us_below_it_already_is_no_other);
	tcase_add_test(cases, without_a_hierarchy_there_is_none);
	failed = fixture_run(cases, "engine/cgroups");
	remove_top();
	return failed;
}
