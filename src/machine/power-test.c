#include "machine/power.h"

#include <signal.h>
#include <sys/wait.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/unit.h"
#include "kernel/fixture.h"
#include "kernel/process.h"
#include "machine/find.h"
#include "machine/processes.h"

#define RUNTIME "/mnt/redd"

static struct arena arena;

/* A machine whose supervisor is gone; INIT may be NULL. */
static pid_t abandon(struct machine *ret, const char *init, int ignored)
{
	struct record record = RECORD_EMPTY;
	uint64_t start;
	pid_t pid;

	fixture_enter(0);
	pid = fork();
	if (pid == 0) {
		if (ignored > 0)
			signal(ignored, SIG_IGN);
		pause();
		_exit(0);
	}
	ck_assert_int_eq(process_start_time(pid, &start), 0);
	ck_assert_int_eq(record_create(&arena, &record, RUNTIME, "web"), 0);
	if (init != NULL)
		ck_assert_int_eq(record_note(&record, RECORD_INIT, init), 0);
	ck_assert_int_eq(record_leader(&record, pid, start), 0);
	record_close(&record);
	ck_assert_int_eq(machine_open(&arena, ret, RUNTIME, "web"), 0);
	ck_assert_int_eq(ret->state, MACHINE_ABANDONED);
	return pid;
}

static int signal_that_ended(pid_t pid)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

START_TEST(an_init_gets_the_signal_that_was_noted)
{
	struct machine machine;
	pid_t pid = abandon(&machine, "unknown init 1 12 15", 0);

	ck_assert_int_eq(power_ask(&arena, &machine, false), 0);
	ck_assert_int_eq(signal_that_ended(pid), 12);
	ck_assert_int_eq(power_ask(&arena, &machine, false), -ENXIO);
}
END_TEST

START_TEST(what_cannot_be_asked_is_refused)
{
	static const char *const bad[] = { NULL,	"systemd",   "systemd 1 2", "s 1 0 0",
					   "s 1 999 1", "s 1 -9 1",  "s 1 2x 15",   "",
					   " 1 1",	"s 1 1 1000" };
	struct machine machine;
	pid_t pid = abandon(&machine, NULL, 0);

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		machine.init = bad[i];
		ck_assert_int_eq(power_ask(&arena, &machine, false), -EOPNOTSUPP);
	}
	/* Nobody would start it again. */
	machine.init = "systemd 37 38 39";
	ck_assert_int_eq(power_ask(&arena, &machine, true), -EOPNOTSUPP);
	ck_assert_int_eq(waitpid(pid, NULL, WNOHANG), 0);
	kill(pid, SIGKILL);
}
END_TEST

START_TEST(a_signal_reaches_the_leader_or_is_an_error)
{
	struct machine machine;
	pid_t pid = abandon(&machine, NULL, 0);

	ck_assert_int_eq(power_signal(&arena, &machine, POWER_SUPERVISOR, SIGTERM), -ENXIO);
	/* It has no pid namespace of its own: who else would be meant? */
	ck_assert_int_eq(power_signal(&arena, &machine, POWER_ALL, SIGTERM), -EOPNOTSUPP);
	fail_forget();
	ck_assert_int_eq(power_signal(&arena, &machine, POWER_LEADER, SIGUSR1), 0);
	ck_assert_int_eq(signal_that_ended(pid), SIGUSR1);
	ck_assert_int_lt(power_signal(&arena, &machine, POWER_LEADER, SIGUSR1), 0);
}
END_TEST

/* Its parent is not the test, which would be its reaper otherwise: SIGCHLD is ignored. */
START_TEST(an_abandoned_machine_is_ended_and_cleaned_up)
{
	struct machine machine;
	pid_t pid;

	signal(SIGCHLD, SIG_IGN);
	pid = abandon(&machine, NULL, SIGTERM);
	ck_assert_int_eq(power_terminate(&arena, &machine), 0);
	ck_assert_int_lt(kill(pid, 0), 0);
	ck_assert_int_lt(access(RUNTIME "/machines/web", F_OK), 0);
	ck_assert_int_eq(power_wait(&arena, &machine), 0);
}
END_TEST

START_TEST(a_number_that_was_used_again_is_not_killed)
{
	struct machine machine;
	pid_t pid = abandon(&machine, "systemd 1 2 3", 0);

	machine.leader_start--;
	ck_assert_int_lt(power_ask(&arena, &machine, false), 0);
	ck_assert_int_lt(power_signal(&arena, &machine, POWER_LEADER, SIGKILL), 0);
	ck_assert_int_eq(waitpid(pid, NULL, WNOHANG), 0);
	kill(pid, SIGKILL);
}
END_TEST

START_TEST(the_host_is_left_alone)
{
	struct machine host;

	machine_host(&host);
	ck_assert_int_eq(power_ask(&arena, &host, false), -EOPNOTSUPP);
	ck_assert_int_eq(power_signal(&arena, &host, POWER_ALL, 0), -EOPNOTSUPP);
	ck_assert_int_eq(power_terminate(&arena, &host), -EOPNOTSUPP);
	ck_assert_int_eq(power_wait(&arena, &host), -EOPNOTSUPP);
}
END_TEST

START_TEST(without_a_cgroup_the_descendants_are_told)
{
	struct machine machine;
	struct processes processes;
	pid_t pid = abandon(&machine, NULL, 0);

	ck_assert_int_eq(machine_open_cgroup(&arena, &machine, true), -ENOENT);
	processes_read(&arena, &processes, &machine, -EBADF);
	ck_assert_uint_eq(processes.total, 1);
	ck_assert_int_eq(processes.top.processes[0].pid, pid);
	ck_assert_str_ne(processes.top.processes[0].command, "");
	kill(pid, SIGKILL);
}
END_TEST

int main(void)
{
	int status = UNIT_RUN("machine/power", an_init_gets_the_signal_that_was_noted,
			      what_cannot_be_asked_is_refused,
			      a_signal_reaches_the_leader_or_is_an_error,
			      an_abandoned_machine_is_ended_and_cleaned_up,
			      a_number_that_was_used_again_is_not_killed, the_host_is_left_alone,
			      without_a_cgroup_the_descendants_are_told);

	arena_done(&arena);
	return status;
}
