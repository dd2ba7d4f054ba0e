#include "machine/reap.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "base/arena.h"
#include "io/fd.h"
#include "kernel/cgroup.h"
#include "kernel/fixture.h"
#include "kernel/process.h"
#include "machine/network-file.h"
#include "machine/record.h"
#include "machine/state-file.h"
#include "net/pin.h"

#define RUNTIME "/mnt/redd"

static struct arena arena;

/* As a crashed supervisor leaves it. */
static void leave(const char *name, struct record *ret)
{
	*ret = (struct record)RECORD_EMPTY;
	ck_assert_int_eq(record_create(&arena, ret, RUNTIME, name), 0);
}

static pid_t sleeper(uint64_t *ret_start)
{
	pid_t pid = fork();

	if (pid == 0) {
		pause();
		_exit(0);
	}
	ck_assert_int_gt(pid, 1);
	ck_assert_int_eq(process_start_time(pid, ret_start), 0);
	return pid;
}

static bool is_alive(pid_t pid)
{
	return waitpid(pid, NULL, WNOHANG) == 0;
}

static bool exists(const char *path)
{
	return access(path, F_OK) == 0;
}

START_TEST(what_runs_is_left_alone)
{
	struct record record;
	uint64_t start;
	pid_t pid;

	fixture_enter(0);
	pid = sleeper(&start);
	leave("web", &record);
	ck_assert_int_eq(record_leader(&record, pid, start), 0);
	ck_assert_int_eq(reap_one(RUNTIME, "web"), -EBUSY);
	ck_assert_int_eq(reap_all(RUNTIME), 0);
	ck_assert(is_alive(pid));
	record_remove(&record);
	kill(pid, SIGKILL);
}
END_TEST

START_TEST(what_may_outlive_its_supervisor_is_left_alone_while_it_lives)
{
	struct record record;
	const char *keep;
	uint64_t start;
	pid_t pid;

	fixture_enter(0);
	pid = sleeper(&start);
	leave("web", &record);
	keep = arena_format(&arena, "/mnt/%s", record.tag);
	ck_assert_int_eq(record_note(&record, RECORD_KEEP, keep), 0);
	ck_assert_int_eq(mkdir(keep, 0700), 0);
	ck_assert_int_eq(record_leader(&record, pid, start), 0);
	record_close(&record);
	ck_assert_int_eq(reap_one(RUNTIME, "web"), REAP_LIVES);
	ck_assert_int_eq(reap_all(RUNTIME), 0);
	ck_assert_int_eq(record_create(&arena, &record, RUNTIME, "web"), -EBUSY);
	ck_assert(is_alive(pid));

	/* Not reaped by its parent yet, it lives no more. */
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitid(P_PID, (id_t)pid, &(siginfo_t){ 0 }, WEXITED | WNOWAIT), 0);
	ck_assert_int_eq(reap_one(RUNTIME, "web"), 1);
	ck_assert(!exists(keep));
}
END_TEST

START_TEST(a_holder_ends_with_its_machine_but_not_by_its_own_hand)
{
	struct record record;
	uint64_t start;
	pid_t pid;

	fixture_enter(0);
	pid = sleeper(&start);
	leave("web", &record);
	ck_assert_int_eq(record_holder(&record, pid, start), 0);
	record_close(&record);
	ck_assert_int_eq(reap_one(RUNTIME, "web"), 1);
	ck_assert(!is_alive(pid));

	leave("web", &record);
	ck_assert_int_eq(process_start_time(getpid(), &start), 0);
	ck_assert_int_eq(record_holder(&record, getpid(), start), 0);
	record_close(&record);
	ck_assert_int_eq(reap_one(RUNTIME, "web"), 1);
}
END_TEST

START_TEST(a_leader_is_killed_by_its_identity)
{
	struct record record;
	uint64_t start;
	pid_t pid;

	fixture_enter(0);
	pid = sleeper(&start);
	leave("web", &record);
	ck_assert_int_eq(record_leader(&record, pid, start), 0);
	record_close(&record);
	ck_assert_int_eq(reap_one(RUNTIME, "web"), 1);
	ck_assert(!is_alive(pid));
	ck_assert(!exists(RUNTIME "/machines/web"));
	ck_assert_int_eq(reap_one(RUNTIME, "web"), 0);
}
END_TEST

START_TEST(a_stranger_with_the_leaders_number_lives)
{
	struct record record;
	uint64_t start;
	pid_t pid;

	fixture_enter(0);
	pid = sleeper(&start);
	leave("web", &record);
	ck_assert_int_eq(record_leader(&record, pid, start + 1), 0);
	record_close(&record);
	ck_assert_int_eq(reap_one(RUNTIME, "web"), 1);
	ck_assert(is_alive(pid));
	kill(pid, SIGKILL);
}
END_TEST

START_TEST(only_what_carries_the_tag_is_removed)
{
	struct record record;
	char path[128], below[160];

	fixture_enter(0);
	ck_assert_int_eq(mkdir("/mnt/precious", 0755), 0);
	leave("web", &record);
	snprintf(path, sizeof(path), "/mnt/.#snapshot.web%s", record.tag);
	ck_assert_int_eq(record_note(&record, RECORD_TEMPORARY, path), 0);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	snprintf(below, sizeof(below), "%s/upper", path);
	ck_assert_int_eq(mkdir(below, 0700), 0);
	record_close(&record);
	ck_assert_int_eq(reap_one(RUNTIME, "web"), 1);
	ck_assert(!exists(path));

	leave("web", &record);
	ck_assert_int_eq(record_note(&record, RECORD_TEMPORARY, "/mnt/precious"), 0);
	record_close(&record);
	ck_assert_int_lt(reap_one(RUNTIME, "web"), 0);
	ck_assert(exists("/mnt/precious"));
	ck_assert(exists(RUNTIME "/machines/web")); /* somebody should look at it */
	ck_assert_int_lt(reap_all(RUNTIME), 0);
}
END_TEST

START_TEST(an_intent_that_came_to_nothing_is_fine)
{
	struct record record;
	char path[128];

	fixture_enter(0);
	leave("web", &record);
	snprintf(path, sizeof(path), "/mnt/gone/%s", record.tag);
	ck_assert_int_eq(record_note(&record, RECORD_TEMPORARY, path), 0);
	ck_assert_int_eq(record_note(&record, RECORD_LOCK, "/mnt/gone/lock"), 0);
	ck_assert_int_eq(record_note(&record, RECORD_CGROUP, "/redd-test-never-made/x"), 0);
	ck_assert_int_eq(record_note(&record, RECORD_MOUNT, "/mnt/gone"), 0);
	record_close(&record);
	ck_assert_int_eq(reap_one(RUNTIME, "web"), 1);
}
END_TEST

START_TEST(a_lock_file_that_is_held_stays)
{
	struct flock range = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct record record;
	int fd;

	fixture_enter(0);
	fixture_write("/mnt/free.lck", "");
	fixture_write("/mnt/held.lck", "");
	fixture_write("/mnt/data", "not a lock file");
	fd = open("/mnt/held.lck", O_RDWR | O_CLOEXEC);
	ck_assert_int_eq(fcntl(fd, F_OFD_SETLK, &range), 0);
	leave("web", &record);
	record_note_later(&record, RECORD_LOCK, "/mnt/free.lck");
	record_note_later(&record, RECORD_LOCK, "/mnt/held.lck");
	ck_assert_int_eq(record_note(&record, RECORD_LOCK, "/mnt/data"), 0);
	record_close(&record);
	ck_assert_int_eq(reap_one(RUNTIME, "web"), 1);
	ck_assert(!exists("/mnt/free.lck"));
	ck_assert(exists("/mnt/held.lck"));
	ck_assert(exists("/mnt/data"));
}
END_TEST

START_TEST(a_mount_is_known_by_its_source)
{
	struct record record;
	char source[64];

	fixture_enter(0);
	ck_assert_int_eq(mkdir("/mnt/mine", 0755), 0);
	ck_assert_int_eq(mkdir("/mnt/other", 0755), 0);
	leave("web", &record);
	snprintf(source, sizeof(source), "redd-%s", record.tag);
	ck_assert_int_eq(mount(source, "/mnt/mine", "tmpfs", 0, NULL), 0);
	ck_assert_int_eq(mount("else", "/mnt/other", "tmpfs", 0, NULL), 0);
	fixture_write("/mnt/mine/x", "");
	fixture_write("/mnt/other/x", "");
	ck_assert_int_eq(record_note(&record, RECORD_MOUNT, "/mnt/mine"), 0);
	ck_assert_int_eq(record_note(&record, RECORD_MOUNT, "/mnt/other"), 0);
	record_close(&record);
	ck_assert_int_eq(reap_one(RUNTIME, "web"), 1);
	ck_assert(!exists("/mnt/mine/x"));
	ck_assert(exists("/mnt/other/x"));
}
END_TEST

START_TEST(the_state_file_goes_if_it_names_the_leader)
{
	struct state_file file = { .name = "web", .unit = "web.scope", .leader_fd = -EBADF };
	struct record record;
	uint64_t start;
	pid_t pid;

	fixture_enter(0);
	for (int own = 1; own >= 0; own--) {
		pid = sleeper(&start);
		leave("web", &record);
		ck_assert_int_eq(record_leader(&record, pid, start), 0);
		ck_assert_int_eq(record_note(&record, RECORD_STATE, "/mnt/state/web"), 0);
		file.leader = own ? pid : pid + 1;
		ck_assert_int_eq(state_file_write(&arena, "/mnt/state", &file), 0);
		record_close(&record);
		ck_assert_int_eq(reap_one(RUNTIME, "web"), 1);
		ck_assert_int_eq(exists("/mnt/state/web"), !own);
		ck_assert_int_eq(exists("/mnt/state/unit:web.scope"), !own);
	}
}
END_TEST

START_TEST(a_bounded_number_is_looked_at)
{
	struct record record;
	char name[16];

	fixture_enter(0);
	for (int i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "web%d", i);
		leave(name, &record);
		record_close(&record);
	}
	fixture_write(RUNTIME "/machines/empty", "");
	fixture_write(RUNTIME "/machines/not_a_name", "");
	ck_assert_int_eq(reap_some(RUNTIME, 0), 0);
	ck_assert_int_le(reap_some(RUNTIME, 4), 4);
	ck_assert_int_ge(reap_all(RUNTIME), 6);
	ck_assert(!exists(RUNTIME "/machines/empty"));
	ck_assert(exists(RUNTIME "/machines/not_a_name"));
	ck_assert_int_eq(reap_all("/mnt/nowhere"), 0);
}
END_TEST

/* A group of its own below the v2 root; -EBADF: this host lets us make none. */
static int make_group(const char *name)
{
	autoclose int root = -EBADF;
	const char *path;

	if (geteuid() != 0 || cgroup_open_root(&root, &path) < 0)
		return -EBADF;
	return cgroup_make(root, name, true);
}

static void run_group(bool right_inode, bool noted)
{
	char name[64], path[80], inode[32];
	struct record record;
	autoclose int group = -EBADF, root = -EBADF;
	const char *ignored;
	uint64_t start;
	pid_t pid;

	ck_assert(fixture_enter_as_root());
	snprintf(name, sizeof(name), "redd-reap-test-%d", (int)getpid());
	group = make_group(name);
	if (group < 0)
		return;
	pid = sleeper(&start);
	ck_assert_int_eq(cgroup_attach(group, pid), 0);
	leave("web", &record);
	snprintf(path, sizeof(path), "/%s", name);
	ck_assert_int_eq(record_note(&record, RECORD_CGROUP, path), 0);
	snprintf(inode, sizeof(inode), "%llu",
		 (unsigned long long)cgroup_inode(group) + (right_inode ? 0 : 1));
	if (noted)
		ck_assert_int_eq(record_note(&record, RECORD_CGROUP_ID, inode), 0);
	record_close(&record);
	fd_close(&group);
	ck_assert_int_eq(reap_one(RUNTIME, "web"), 1);
	ck_assert_int_eq(is_alive(pid), !right_inode || !noted);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	ck_assert_int_eq(cgroup_open_root(&root, &ignored), 0);
	ck_assert_int_eq(faccessat(root, name, F_OK, 0) == 0, !right_inode || !noted);
	ck_assert_int_eq(cgroup_remove(root, name, 2000), 0);
}

START_TEST(a_cgroup_is_killed_and_removed_by_its_inode)
{
	run_group(true, true);
}
END_TEST

START_TEST(a_cgroup_of_the_name_alone_is_not_ours)
{
	run_group(false, true);
}
END_TEST

START_TEST(a_cgroup_that_was_only_intended_is_not_killed)
{
	run_group(true, false);
}
END_TEST

START_TEST(a_namespace_that_is_held_for_an_interface_is_let_go)
{
	struct facts_made made = { .kind = FACTS_INTERFACE, .inside = 999, .name = "eth1" };
	struct facts facts = { .made = &made, .made_count = 1 };
	autoclose int netns = -EBADF;
	struct record record;

	fixture_enter(CLONE_NEWNET);
	netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	leave("web", &record);
	facts.tag = record.tag;
	ck_assert_int_eq(network_file_write(&arena, record.dir_fd, "web", &facts), 0);
	ck_assert_int_eq(pin_make(RUNTIME, record.tag, netns), 0);
	record_close(&record);
	ck_assert_int_eq(reap_one(RUNTIME, "web"), 1);
	ck_assert_int_eq(pin_open(RUNTIME, record.tag), -ENOENT);
	ck_assert(!exists(RUNTIME "/machines/.web.network"));
}
END_TEST

START_TEST(a_link_is_ours_by_the_tag_and_a_zone_by_its_name)
{
	struct record record;

	fixture_enter(CLONE_NEWNET);
	leave("web", &record);
	ck_assert_int_eq(record_note(&record, RECORD_LINK, "redd-fedcba9876543210-0"), 0);
	record_close(&record);
	ck_assert_int_eq(reap_one(RUNTIME, "web"), -EBADMSG);
	ck_assert_int_eq(unlink(RUNTIME "/machines/web"), 0);
	leave("web", &record);
	ck_assert_int_eq(record_note(&record, RECORD_ZONE, "br0"), 0);
	record_close(&record);
	ck_assert_int_eq(reap_one(RUNTIME, "web"), -EBADMSG);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("reap");

	tcase_add_test(cases, what_runs_is_left_alone);
	tcase_add_test(cases, what_may_outlive_its_supervisor_is_left_alone_while_it_lives);
	tcase_add_test(cases, a_holder_ends_with_its_machine_but_not_by_its_own_hand);
	tcase_add_test(cases, a_leader_is_killed_by_its_identity);
	tcase_add_test(cases, a_stranger_with_the_leaders_number_lives);
	tcase_add_test(cases, only_what_carries_the_tag_is_removed);
	tcase_add_test(cases, an_intent_that_came_to_nothing_is_fine);
	tcase_add_test(cases, a_lock_file_that_is_held_stays);
	tcase_add_test(cases, a_mount_is_known_by_its_source);
	tcase_add_test(cases, the_state_file_goes_if_it_names_the_leader);
	tcase_add_test(cases, a_bounded_number_is_looked_at);
	tcase_add_test(cases, a_namespace_that_is_held_for_an_interface_is_let_go);
	tcase_add_test(cases, a_link_is_ours_by_the_tag_and_a_zone_by_its_name);
	if (geteuid() == 0) {
		tcase_add_test(cases, a_cgroup_is_killed_and_removed_by_its_inode);
		tcase_add_test(cases, a_cgroup_of_the_name_alone_is_not_ours);
		tcase_add_test(cases, a_cgroup_that_was_only_intended_is_not_killed);
	}
	return fixture_run(cases, "machine/reap");
}
