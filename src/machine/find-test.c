#include "machine/find.h"

#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/unit.h"
#include "io/fd.h"
#include "kernel/capability.h"
#include "kernel/fixture.h"
#include "kernel/process.h"
#include "kernel/syscall.h"
#include "machine/reap.h"

#define RUNTIME "/mnt/redd"

static struct arena arena;

static pid_t sleeper(uint64_t *ret_start)
{
	pid_t pid = fork();

	if (pid == 0) {
		pause();
		_exit(0);
	}
	ck_assert_int_eq(process_start_time(pid, ret_start), 0);
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void make(struct record *ret, const char *name, pid_t leader, uint64_t start)
{
	*ret = (struct record)RECORD_EMPTY;
	ck_assert_int_eq(record_create(&arena, ret, RUNTIME, name), 0);
	if (leader > 0)
		ck_assert_int_eq(record_leader(ret, leader, start), 0);
}

START_TEST(a_held_record_is_a_running_machine)
{
	struct machine machine, now;
	struct record record;
	uint64_t start;
	pid_t pid;

	fixture_enter(0);
	pid = sleeper(&start);
	make(&record, "web", 0, 0);
	ck_assert_int_eq(machine_open(&arena, &machine, RUNTIME, "web"), 0);
	ck_assert_int_eq(machine.state, MACHINE_OPENING);
	ck_assert_int_eq(machine_open_leader(&machine), -ENXIO);
	ck_assert_int_eq(record_leader(&record, pid, start), 0);
	ck_assert_int_eq(machine_open(&arena, &machine, RUNTIME, "web"), 0);
	ck_assert_int_eq(machine.state, MACHINE_RUNNING);
	ck_assert_int_eq(machine.supervisor, getpid());
	ck_assert_int_ge(machine_open_leader(&machine), 0);
	ck_assert_int_ge(machine_open_proc(&machine), 0);
	ck_assert_int_ge(machine_open_supervisor(&arena, &machine), 0);
	ck_assert(machine_is_there(&arena, &now, &machine));
	record_remove(&record);
	ck_assert(!machine_is_there(&arena, &now, &machine));
	ck_assert_int_eq(machine_open_supervisor(&arena, &machine), -ENXIO);
	end(pid);
}
END_TEST

START_TEST(without_a_supervisor_it_is_abandoned_until_it_ends)
{
	struct machine machine;
	struct record record;
	uint64_t start;
	pid_t pid;

	fixture_enter(0);
	pid = sleeper(&start);
	make(&record, "web", pid, start);
	record_close(&record);
	ck_assert_int_eq(machine_open(&arena, &machine, RUNTIME, "web"), 0);
	ck_assert_int_eq(machine.state, MACHINE_ABANDONED);
	ck_assert_int_eq(machine.supervisor, 0);
	ck_assert_int_eq(machine_open_supervisor(&arena, &machine), -ENXIO);
	end(pid);
	ck_assert_int_eq(machine_open_leader(&machine), -ENXIO);
	ck_assert_int_eq(machine_open(&arena, &machine, RUNTIME, "web"), -ENXIO);
}
END_TEST

/* A machine "web" that has outlived its supervisor; its leader. */
static pid_t abandon(void)
{
	struct record record;
	const char *keep;
	uint64_t start;
	pid_t pid = sleeper(&start);

	make(&record, "web", pid, start);
	keep = arena_format(&arena, "/mnt/%s", record.tag);
	ck_assert_int_eq(mkdir(keep, 0700), 0);
	ck_assert_int_eq(record_note(&record, RECORD_KEEP, keep), 0);
	record_close(&record);
	return pid;
}

START_TEST(without_proc_nobody_is_taken_for_dead)
{
	struct machine machine;
	pid_t pid;

	fixture_enter(0);
	pid = abandon();
	ck_assert_int_eq(mount("tmpfs", "/proc", "tmpfs", 0, NULL), 0);
	ck_assert_int_eq(machine_open(&arena, &machine, RUNTIME, "web"), 0);
	ck_assert_int_eq(machine.state, MACHINE_ABANDONED);
	ck_assert_int_eq(machine_open_leader(&machine), -ENOENT);
	ck_assert_int_eq(machine_open_proc(&machine), -ENOENT);
	ck_assert_int_eq(reap_one(RUNTIME, "web"), REAP_LIVES);
	ck_assert_int_eq(kill(pid, 0), 0);
	end(pid);
	ck_assert_int_eq(machine_open(&arena, &machine, RUNTIME, "web"), -ENXIO);
	ck_assert_int_eq(umount2("/proc", MNT_DETACH), 0); /* for the leak checker */
}
END_TEST

START_TEST(without_descriptors_nobody_is_taken_for_dead)
{
	struct machine machine;
	pid_t pid;

	fixture_enter(0);
	pid = abandon();
	fixture_deny(SYS_pidfd_open, EMFILE);
	ck_assert_int_eq(reap_one(RUNTIME, "web"), REAP_LIVES);
	ck_assert_int_eq(machine_open(&arena, &machine, RUNTIME, "web"), 0);
	ck_assert_int_eq(machine.state, MACHINE_ABANDONED);
	ck_assert_int_eq(machine_open_leader(&machine), -EMFILE);
	ck_assert(machine_is_there(&arena, &machine, &machine));
	end(pid);
	ck_assert_int_eq(machine_open(&arena, &machine, RUNTIME, "web"), -ENXIO);
}
END_TEST

START_TEST(a_number_that_was_used_again_is_no_leader)
{
	struct machine machine;
	struct record record;
	uint64_t start;
	pid_t pid;

	fixture_enter(0);
	pid = sleeper(&start);
	make(&record, "web", pid, start - 1);
	ck_assert_int_eq(machine_open(&arena, &machine, RUNTIME, "web"), 0);
	ck_assert_int_eq(machine_open_leader(&machine), -ENXIO);
	ck_assert_int_eq(machine_open_proc(&machine), -ENXIO);
	ck_assert_int_eq(machine_open_root(&machine), -ENXIO);
	record_close(&record);
	ck_assert_int_eq(machine_open(&arena, &machine, RUNTIME, "web"), -ENXIO);
	end(pid);
}
END_TEST

START_TEST(the_kernels_number_of_the_leader_is_believed_before_its_start)
{
	autoclose int pidfd = -EBADF, leader = -EBADF;
	struct machine machine;
	struct record record;
	uint64_t start, id;
	pid_t pid;

	fixture_enter(0);
	pid = sleeper(&start);
	pidfd = sys_pidfd_open(pid, 0);
	id = process_id(pidfd);
	make(&record, "web", pid, start);
	/* A restart notes it first: then it is not of this leader. */
	ck_assert_int_eq(record_leader_id(&record, pid + 1, id + 1), 0);
	ck_assert_int_eq(machine_open(&arena, &machine, RUNTIME, "web"), 0);
	ck_assert_uint_eq(machine.leader_id, 0);
	leader = machine_open_leader(&machine);
	ck_assert_int_ge(leader, 0);
	ck_assert_int_eq(record_leader_id(&record, pid, id + 1), 0);
	ck_assert_int_eq(machine_open(&arena, &machine, RUNTIME, "web"), 0);
	ck_assert_int_eq(machine_open_leader(&machine), -ENXIO);
	fd_close(&leader);
	ck_assert_int_eq(record_leader_id(&record, pid, id), 0);
	ck_assert_int_eq(machine_open(&arena, &machine, RUNTIME, "web"), 0);
	ck_assert_uint_eq(machine.leader_id, id);
	leader = machine_open_leader(&machine);
	ck_assert_int_ge(leader, 0);
	end(pid);
	ck_assert_int_eq(machine_open_leader(&machine), -ENXIO);
	record_remove(&record);
}
END_TEST

START_TEST(a_leader_that_has_the_number_of_the_one_before_is_still_starting)
{
	struct machine machine;
	struct record record;
	uint64_t start;
	off_t size;
	pid_t pid;

	fixture_enter(0);
	pid = sleeper(&start);
	make(&record, "web", 0, 0);
	ck_assert_int_eq(record_runs(&record, 0), 0);
	ck_assert_int_eq(record_leader(&record, pid, start - 1), 0);
	ck_assert_int_eq(record_runs(&record, pid), 0);
	ck_assert_int_eq(machine_open(&arena, &machine, RUNTIME, "web"), 0);
	ck_assert_int_eq(machine.state, MACHINE_RUNNING);
	size = lseek(record.fd, 0, SEEK_END);
	ck_assert_int_eq(record_runs(&record, 0), 0);
	ck_assert_int_eq(record_leader(&record, pid, start), 0);
	ck_assert_int_eq(lseek(record.fd, 0, SEEK_END), size);
	ck_assert_int_eq(machine_open(&arena, &machine, RUNTIME, "web"), 0);
	ck_assert_int_eq(machine.state, MACHINE_OPENING);
	ck_assert(machine.begins);
	ck_assert_int_eq(record_runs(&record, pid), 0);
	ck_assert_int_eq(machine_open(&arena, &machine, RUNTIME, "web"), 0);
	ck_assert_int_eq(machine.state, MACHINE_RUNNING);
	ck_assert(!machine.begins);
	record_remove(&record);
	end(pid);
}
END_TEST

/* Whoever watches its record waits for us. */
static void await_watcher(pid_t pid)
{
	char path[64], line[256];
	bool found = false;

	snprintf(path, sizeof(path), "/proc/%d/wchan", pid);
	while (!found) {
		FILE *file = fopen(path, "re");

		ck_assert_ptr_nonnull(file);
		found = fgets(line, sizeof(line), file) != NULL && strstr(line, "poll") != NULL;
		fclose(file);
	}
}

/* ENDS: it does not come to run. */
static void ask_while_it_begins(bool ends)
{
	struct machine machine;
	struct record record;
	uint64_t start;
	int status;
	pid_t pid = sleeper(&start), asks;

	make(&record, "web", 0, 0);
	ck_assert_int_eq(record_runs(&record, 0), 0);
	ck_assert_int_eq(record_leader(&record, pid, start), 0);
	asks = fork();
	if (asks == 0) {
		int r = machine_open_begun(&arena, &machine, RUNTIME, "web");

		_exit(ends ? r != -ENXIO : r < 0 || machine.state != MACHINE_RUNNING);
	}
	await_watcher(asks);
	if (!ends)
		ck_assert_int_eq(record_runs(&record, pid), 0);
	else
		record_remove(&record);
	ck_assert_int_eq(waitpid(asks, &status, 0), asks);
	ck_assert_int_eq(status, 0);
	if (!ends)
		record_remove(&record);
	end(pid);
}

START_TEST(whoever_needs_the_program_waits_until_it_is_noted_or_the_machine_ends)
{
	fixture_enter(0);
	ask_while_it_begins(false);
	ask_while_it_begins(true);
}
END_TEST

START_TEST(another_machine_of_the_same_name_is_not_the_one)
{
	struct machine machine, now;
	struct record record;

	fixture_enter(0);
	make(&record, "web", 0, 0);
	ck_assert_int_eq(machine_open(&arena, &machine, RUNTIME, "web"), 0);
	record_remove(&record);
	make(&record, "web", 0, 0);
	ck_assert(!machine_is_there(&arena, &now, &machine));
	record_remove(&record);
}
END_TEST

START_TEST(machines_are_listed_by_name_and_nothing_else_is)
{
	struct machine *machines;
	struct record first, second, dead;
	size_t count = 7;

	fixture_enter(0);
	ck_assert_int_eq(machine_list(&arena, &machines, &count, RUNTIME), 0);
	ck_assert_uint_eq(count, 0);
	make(&first, "web", 0, 0);
	make(&second, "db", 0, 0);
	make(&dead, "dead", 0, 0);
	record_close(&dead);
	fixture_write(RUNTIME "/machines/torn", "redd-rec");
	fixture_write(RUNTIME "/machines/.hidden", "redd-record=1\ntag=0123456789abcdef\n");
	ck_assert_int_eq(mkfifo(RUNTIME "/machines/fifo", 0600), 0);
	ck_assert_int_eq(machine_list(&arena, &machines, &count, RUNTIME), 0);
	ck_assert_uint_eq(count, 2);
	ck_assert_str_eq(machines[0].name, "db");
	ck_assert_str_eq(machines[1].name, "web");
}
END_TEST

/* What cannot be read may be anything. */
START_TEST(a_whole_list_lacks_nobody)
{
	const uint64_t read = CAPABILITY_BIT(CAP_DAC_OVERRIDE) |
			      CAPABILITY_BIT(CAP_DAC_READ_SEARCH);
	struct machine *machines;
	struct record record;
	uint64_t all;
	size_t count;

	fixture_enter(0);
	make(&record, "web", 0, 0);
	ck_assert_int_eq(machine_list_whole(&arena, &machines, &count, RUNTIME), 0);
	ck_assert_uint_eq(count, 1);
	ck_assert_int_eq(chmod(RUNTIME "/machines/web", 0), 0);
	ck_assert_int_eq(capability_get(NULL, &all, NULL), 0);
	ck_assert_int_eq(capability_set(all & ~read, all, 0), 0);
	ck_assert_int_eq(machine_list(&arena, &machines, &count, RUNTIME), 0);
	ck_assert_uint_eq(count, 0);
	ck_assert_int_eq(machine_list_whole(&arena, &machines, &count, RUNTIME), -EACCES);
	ck_assert_str_eq(fail_recorded()->text,
			 "cannot read the record of machine 'web': Permission denied");
	record_remove(&record);
}
END_TEST

START_TEST(what_is_no_name_is_no_path)
{
	static const char *const names[] = { "", ".", "..", "../x", "a/b", ".host", "-a", "a_b" };
	struct machine machine;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		ck_assert_int_eq(machine_open(&arena, &machine, "/", names[i]), -EINVAL);
}
END_TEST

START_TEST(the_host_is_process_1)
{
	struct machine host;

	machine_host(&host);
	ck_assert(host.is_host);
	ck_assert_int_eq(host.leader, 1);
	ck_assert_str_eq(host.name, ".host");
}
END_TEST

int main(void)
{
	int status = UNIT_RUN("machine/find", a_held_record_is_a_running_machine,
			      without_a_supervisor_it_is_abandoned_until_it_ends,
			      without_proc_nobody_is_taken_for_dead,
			      without_descriptors_nobody_is_taken_for_dead,
			      a_number_that_was_used_again_is_no_leader,
			      the_kernels_number_of_the_leader_is_believed_before_its_start,
			      a_leader_that_has_the_number_of_the_one_before_is_still_starting,
			      whoever_needs_the_program_waits_until_it_is_noted_or_the_machine_ends,
			      another_machine_of_the_same_name_is_not_the_one,
			      machines_are_listed_by_name_and_nothing_else_is,
			      a_whole_list_lacks_nobody, what_is_no_name_is_no_path,
			      the_host_is_process_1);

	arena_done(&arena);
	return status;
}
