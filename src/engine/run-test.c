#include "engine/run.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "io/fd.h"
#include "io/file.h"
#include "kernel/fixture.h"
#include "kernel/syscall.h"
#include "machine/record.h"
#include "spec/readers.h"
#include "spec/spec.h"

#define BUSYBOX "/usr/bin/busybox"
#define FAILED 250 /* no status that a payload of these tests has */

static struct arena arena;
static struct spec spec;
static int output = -EBADF; /* what payload and supervisor write */
static pid_t supervisor;
static int passed = -EBADF; /* becomes descriptor 3, as a service manager passes a socket */
static int opener = -EBADF; /* the gate's other end, which a container does not have */

static void copy_busybox(void)
{
	autoclose int from = open("/bin/busybox", O_RDONLY | O_CLOEXEC);
	autoclose int to = open("/mnt/tree" BUSYBOX, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);

	ck_assert_int_eq(file_copy_fd(to, from), 0);
}

/* A tree with one program, and a spec that no argv was read for. */
static void enter(void)
{
	ck_assert(fixture_enter_as_root());
	ck_assert_int_eq(mount("tmpfs", "/run", "tmpfs", 0, "mode=0755"), 0);
	ck_assert_int_eq(mkdir("/mnt/tree", 0755), 0);
	ck_assert_int_eq(mkdir("/mnt/tree/usr", 0755), 0);
	ck_assert_int_eq(mkdir("/mnt/tree/usr/bin", 0755), 0);
	copy_busybox();
	spec_init(&spec);
	spec.directory = "/mnt/tree";
	spec.machine = "run-test";
	spec.console = CONSOLE_PIPE;
	spec.registration = REGISTER_NO;
	spec.link_journal = JOURNAL_NO;
}

static void command(const char *script)
{
	text_list_add(&arena, &spec.parameters, arena_text(&arena, BUSYBOX));
	text_list_add(&arena, &spec.parameters, arena_text(&arena, "sh"));
	text_list_add(&arena, &spec.parameters, arena_text(&arena, "-c"));
	text_list_add(&arena, &spec.parameters, arena_text(&arena, script));
	ck_assert_int_eq(spec_resolve(&arena, &spec,
				      &(struct resolve_facts){ .working_directory = "/" }),
			 0);
}

/* The supervisor is a process of its own: it closes what it does not know, also Check's. */
static void start(int gate, const char *const *environment)
{
	static const char *const none[] = { NULL };
	struct run_request request = {
		.spec = &spec,
		.environment = environment ? environment : none,
		.gate_fd = gate,
		.listen_fds = passed >= 0,
	};
	int out[2];

	ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
	output = out[0];
	supervisor = fork();
	if (supervisor == 0) {
		int r;

		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		fd_close(&opener);
		dup2(out[1], STDOUT_FILENO);
		dup2(out[1], STDERR_FILENO);
		if (passed >= 0)
			dup2(passed, 3);
		log_set_level(LOG_LEVEL_ERROR);
		r = container_run(&arena, &request);
		if (r < 0)
			log_error("%s", fail_recorded()->text);
		_exit(r < 0 ? FAILED : r);
	}
	ck_assert_int_gt(supervisor, 0);
	close(out[1]);
}

/* All that was written, to the end of the container. */
static const char *read_output(void)
{
	static char text[8192];
	size_t used = 0;
	ssize_t n;

	while ((n = read(output, text + used, sizeof(text) - 1 - used)) > 0)
		used += (size_t)n;
	text[used] = '\0';
	return text;
}

static int finish(void)
{
	int status;

	ck_assert_int_eq(waitpid(supervisor, &status, 0), supervisor);
	ck_assert_msg(WIFEXITED(status), "%x", status);
	/* Nothing is left of it. */
	ck_assert_int_lt(access("/run/redd/machines/run-test", F_OK), 0);
	ck_assert_int_lt(access("/sys/fs/cgroup/unified/redd/run-test", F_OK), 0);
	ck_assert_int_lt(access("/sys/fs/cgroup/redd/run-test", F_OK), 0);
	return WEXITSTATUS(status);
}

static void ends_with(int code, const char *expected)
{
	const char *text = read_output();
	int status = finish();

	ck_assert_msg(status == code && strcmp(text, expected) == 0, "%d: %s", status, text);
}

START_TEST(a_spec_filled_by_code_runs)
{
	enter();
	if (_i)
		spec.userns = USERNS_NO;
	command("echo pid $$ uid $(busybox id -u) in $PWD; exit 7");
	start(-EBADF, NULL);
	ends_with(7, "pid 1 uid 0 in /\n");
	/* and the tree is as it was, but for what every tree gets */
	ck_assert_int_eq(access("/mnt/tree" BUSYBOX, X_OK), 0);
	ck_assert_int_lt(access("/mnt/tree/proc/1", F_OK), 0);
}
END_TEST

START_TEST(as_the_second_process)
{
	enter();
	spec.as_pid2 = TRISTATE_YES;
	command("echo pid $$; exit 8");
	start(-EBADF, NULL);
	ends_with(8, "pid 2\n");
}
END_TEST

START_TEST(nothing_of_the_callers_environment_is_seen)
{
	static const char *const environment[] = { "SECRET=canary", "PATH=/evil",
						   "LD_PRELOAD=/evil.so", "HOME=/evil", NULL };
	const char *seen;

	enter();
	ck_assert_int_eq(setenv("OTHER", "canary", 1), 0);
	text_list_add(&arena, &spec.environment, arena_text(&arena, "GIVEN=yes"));
	command("busybox env; busybox cat /proc/1/environ");
	start(-EBADF, environment);
	seen = read_output();
	ck_assert_ptr_nonnull(strstr(seen, "GIVEN=yes"));
	ck_assert_msg(!strstr(seen, "canary") && !strstr(seen, "evil"), "%s", seen);
	ck_assert_int_eq(finish(), 0);
}
END_TEST

START_TEST(a_program_that_is_not_there_is_told)
{
	enter();
	text_list_add(&arena, &spec.parameters, arena_text(&arena, "/usr/bin/nothing"));
	ck_assert_int_eq(spec_resolve(&arena, &spec,
				      &(struct resolve_facts){ .working_directory = "/" }),
			 0);
	start(-EBADF, NULL);
	ck_assert_ptr_nonnull(strstr(read_output(), "/usr/bin/nothing"));
	ck_assert_int_eq(finish(), FAILED);
}
END_TEST

/* ---- the gate, as an OCI runtime's "start" opens it ---- */

static int make_gate(int flags)
{
	int pair[2];

	ck_assert_int_eq(pipe2(pair, flags), 0);
	opener = pair[1];
	return pair[0];
}

/* The payload as the host sees it, from the machine's record; 0: not yet. */
static pid_t leader(void)
{
	struct arena scratch = { 0 };
	struct record_content content;
	uint64_t start_time;
	pid_t pid = 0;
	size_t size;
	char *text;

	if (file_read(&scratch, &text, &size, AT_FDCWD, "/run/redd/machines/run-test", 65536) ==
		    0 &&
	    record_parse(&scratch, &content, text, size) == 0)
		for (size_t i = 0; i < content.count; i++)
			if (content.notes[i].kind == RECORD_LEADER)
				record_parse_process(&pid, &start_time, content.notes[i].value);
	arena_done(&scratch);
	return pid;
}

/* It is blocked in read(2) on the gate: /proc/PID/syscall has the call's number and arguments. */
static bool is_at_gate(pid_t pid, int gate)
{
	char path[32], line[256];
	unsigned long fd;
	long number;

	snprintf(path, sizeof(path), "/proc/%d/syscall", (int)pid);
	return file_read_line(line, sizeof(line), AT_FDCWD, path) >= 0 &&
	       sscanf(line, "%ld 0x%lx", &number, &fd) == 2 && number == SYS_read &&
	       fd == (unsigned long)gate;
}

/* Nothing tells when it gets there, so it is looked at. */
static pid_t wait_at_gate(int gate)
{
	for (;;) {
		struct pollfd closed = { .fd = output, .events = 0 };
		pid_t pid = leader();

		if (pid > 0 && is_at_gate(pid, gate))
			return pid;
		ck_assert_int_eq(poll(&closed, 1, 1), 0);
	}
}

static bool runs_busybox(pid_t pid)
{
	char path[32], target[256] = "";

	snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	ck_assert_int_gt(readlink(path, target, sizeof(target) - 1), 0);
	return strstr(target, "busybox");
}

START_TEST(the_payload_waits_for_another_process)
{
	int gate, status;
	char said[16] = "";
	pid_t pid, other;

	enter();
	if (_i)
		spec.as_pid2 = TRISTATE_YES;
	command("echo runs; exit 5");
	gate = make_gate(O_CLOEXEC);
	start(gate, NULL);
	close(gate);
	if (!_i) {
		pid = wait_at_gate(gate);
		ck_assert(!runs_busybox(pid));
	}
	/* By whoever has the other end; all of it is ordered by the one pipe that is written to. */
	other = fork();
	if (other == 0) {
		struct pollfd readable = { .fd = output, .events = POLLIN };

		_exit(poll(&readable, 1, 0) != 0 || write(opener, "s", 1) != 1);
	}
	fd_close(&opener);
	ck_assert_int_eq(waitpid(other, &status, 0), other);
	ck_assert_int_eq(status, 0);
	ck_assert_int_eq(read(output, said, sizeof(said) - 1), 5);
	ck_assert_str_eq(said, "runs\n");
	ends_with(5, "");
}
END_TEST

START_TEST(the_gate_stays_outside)
{
	int gate;

	enter();
	command("busybox ls /proc/self/fd");
	gate = make_gate(0); /* by a careless caller: not closed on exec */
	start(gate, NULL);
	ck_assert_int_eq(write(opener, "s", 1), 1);
	/* 3 is the directory that ls reads. */
	ends_with(0, "0\n1\n2\n3\n");
}
END_TEST

START_TEST(passed_descriptors_are_there_after_a_reboot)
{
	enter();
	fixture_write("/mnt/passed", "socket");
	passed = open("/mnt/passed", O_RDONLY | O_CLOEXEC);
	ck_assert_int_gt(passed, 3);
	command("busybox head -c 3 <&3; [ -e /again ] && exit $LISTEN_FDS; : >/again; busybox "
		"reboot -f");
	start(-EBADF, NULL);
	ends_with(1, "socket");
}
END_TEST

/* The gate is for the first start; a reboot inside goes through without. */
START_TEST(a_reboot_does_not_wait_again)
{
	int gate;

	enter();
	command("if [ -e /again ]; then echo again; exit 6; fi; : >/again; busybox reboot -f");
	gate = make_gate(O_CLOEXEC);
	start(gate, NULL);
	ck_assert_int_eq(write(opener, "s", 1), 1);
	ends_with(6, "again\n");
}
END_TEST

START_TEST(a_container_that_is_given_up_never_runs)
{
	int gate;

	enter();
	command("echo runs");
	gate = make_gate(O_CLOEXEC);
	start(gate, NULL);
	wait_at_gate(gate);
	fd_close(&opener);
	ck_assert_ptr_nonnull(strstr(read_output(), "given up before its start"));
	ck_assert_int_eq(finish(), FAILED);
}
END_TEST

START_TEST(it_can_be_stopped_at_the_gate)
{
	int gate;

	enter();
	command("echo runs");
	gate = make_gate(O_CLOEXEC);
	start(gate, NULL);
	wait_at_gate(gate);
	ck_assert_int_eq(kill(supervisor, SIGTERM), 0);
	ck_assert_ptr_null(strstr(read_output(), "runs"));
	ck_assert_int_eq(finish(), FAILED);
}
END_TEST

START_TEST(it_dies_with_its_supervisor_at_the_gate)
{
	struct pollfd ended = { .events = POLLIN };
	int gate, status;
	pid_t pid;

	enter();
	command("echo runs");
	gate = make_gate(O_CLOEXEC);
	start(gate, NULL);
	pid = wait_at_gate(gate);
	ended.fd = sys_pidfd_open(pid, 0);
	ck_assert_int_ge(ended.fd, 0);
	ck_assert_int_eq(kill(supervisor, SIGKILL), 0);
	ck_assert_int_eq(waitpid(supervisor, &status, 0), supervisor);
	ck_assert_int_eq(poll(&ended, 1, 10000), 1);
	ck_assert_str_eq(read_output(), "");
	/* What is left is cleaned up by the next of this name. */
	start(gate, NULL);
	ck_assert_int_eq(write(opener, "s", 1), 1);
	ends_with(0, "runs\n");
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("run");

	if (geteuid() != 0 || access("/bin/busybox", X_OK) < 0) {
		puts("skipped: it needs root and a static /bin/busybox");
		return 77;
	}
	tcase_set_timeout(cases, 30);
	tcase_add_loop_test(cases, a_spec_filled_by_code_runs, 0, 2);
	tcase_add_test(cases, as_the_second_process);
	tcase_add_test(cases, nothing_of_the_callers_environment_is_seen);
	tcase_add_test(cases, a_program_that_is_not_there_is_told);
	tcase_add_loop_test(cases, the_payload_waits_for_another_process, 0, 2);
	tcase_add_test(cases, the_gate_stays_outside);
	tcase_add_test(cases, passed_descriptors_are_there_after_a_reboot);
	tcase_add_test(cases, a_reboot_does_not_wait_again);
	tcase_add_test(cases, a_container_that_is_given_up_never_runs);
	tcase_add_test(cases, it_can_be_stopped_at_the_gate);
	tcase_add_test(cases, it_dies_with_its_supervisor_at_the_gate);
	return fixture_run(cases, "engine/run");
}
