#include "declare/generation.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "base/arena.h"
#include "base/macros.h"
#include "base/path.h"
#include "base/text.h"
#include "declare/generation-text.h"
#include "io/fd.h"
#include "io/file.h"
#include "io/scratch.h"

#define STEPS_MAX 2000

static struct generation_machine machine(const char *name, const char *text, const char *digest)
{
	return (struct generation_machine){ .name = name,
					    .text = text,
					    .size = strlen(text),
					    .source = "tar:/a b\tc.tar",
					    .digest = digest,
					    .file = name,
					    .target = "../../../roots/x" };
}

static void make(struct arena *arena, const struct generations *all, struct generation *ret,
		 const char *text, unsigned int previous)
{
	static struct generation_machine machines[2];

	machines[0] = machine("web", text, text);
	machines[1] = machine("db", "[Exec]\n", "sha256:1");
	*ret = (struct generation){
		.previous = previous, .reason = "apply", .machines = machines, .count = 2
	};
	ck_assert_int_eq(generation_make(arena, all, ret), 0);
}

static struct generations begin(struct arena *arena, const char *name)
{
	struct generations all = GENERATIONS_EMPTY;

	ck_assert_int_eq(generations_open(arena, &all, path_join(arena, scratch_path, name), true),
			 0);
	ck_assert_int_eq(generations_lock(&all), 0);
	return all;
}

START_TEST(what_was_written_is_read)
{
	autoarena struct arena arena = { 0 };
	struct generations all CLEANUP(generations_done) = begin(&arena, "read");
	const struct generation_machine *web;
	struct generation made, read;

	ck_assert_int_eq(generations_current(&all), 0);
	make(&arena, &all, &made, "[Exec]\nBoot=yes\n", 0);
	ck_assert_uint_eq(made.number, 1);
	ck_assert_int_eq(generations_current(&all), 0);
	ck_assert_int_eq(generations_switch(&all, 1), 0);
	ck_assert_int_eq(generations_current(&all), 1);
	ck_assert_int_eq(generation_read(&arena, &read, &all, 1), 0);
	ck_assert_uint_eq(read.count, 2);
	ck_assert_str_eq(read.machines[0].name, "db");
	web = generation_find(&read, "web");
	ck_assert_str_eq(web->text, "[Exec]\nBoot=yes\n");
	ck_assert_str_eq(web->source, "tar:/a b\\x09c.tar");
	ck_assert_str_eq(web->target, "../../../roots/x");
	ck_assert_ptr_null(generation_find(&read, "other"));
	ck_assert_str_eq(read.reason, "apply");
	ck_assert_int_eq(read.end, GENERATION_OPEN);
	ck_assert_uint_eq(read.created_us, made.created_us);
}
END_TEST

START_TEST(machines_are_the_same_if_all_of_them_is)
{
	const struct generation_machine web = machine("web", "[Exec]\n", "sha256:1");
	struct generation_machine other[] = { web, web, web, web, web };

	other[0].text = "[EXEC]\n";
	other[1].source = "tar:/other";
	other[2].digest = "sha256:2";
	other[3].file = "web.mstack";
	other[4].target = "../../../roots/y";
	ck_assert(generation_same(&web, &(struct generation_machine){
						web.name, "[Exec]\n", web.size, "tar:/a b\tc.tar",
						"sha256:1", "web", "../../../roots/x" }));
	for (size_t i = 0; i < ARRAY_SIZE(other); i++)
		ck_assert_msg(!generation_same(&web, &other[i]), "%zu", i);
	ck_assert(!generation_same(&web, NULL));
	ck_assert(!generation_same(NULL, &web));
	ck_assert(generation_same(NULL, NULL));
}
END_TEST

START_TEST(the_log_tells_how_it_ended)
{
	autoarena struct arena arena = { 0 };
	struct generations all CLEANUP(generations_done) = begin(&arena, "log");
	struct generation made, read;

	make(&arena, &all, &made, "a", 7);
	ck_assert_uint_eq(made.number, 8);
	ck_assert_int_eq(generation_note(&arena, &all, 8, "restart", "web\nend done"), 0);
	ck_assert_int_eq(generation_read(&arena, &read, &all, 8), 0);
	ck_assert_int_eq(read.end, GENERATION_OPEN);
	ck_assert_uint_eq(read.previous, 7);
	ck_assert_int_eq(generation_end(&arena, &all, 8, GENERATION_REVERTED), 0);
	ck_assert_int_eq(generation_read(&arena, &read, &all, 8), 0);
	ck_assert_int_eq(read.end, GENERATION_REVERTED);
	ck_assert_int_eq(generation_end(&arena, &all, 8, GENERATION_DONE), 0);
	ck_assert_int_eq(generation_note(&arena, &all, 8, "start", "web"), 0);
	ck_assert_int_eq(generation_read(&arena, &read, &all, 8), 0);
	ck_assert_int_eq(read.end, GENERATION_DONE);
}
END_TEST

static void append(const struct generations *all, const char *path, const char *text)
{
	autoclose int fd = openat(all->all_fd, path, O_WRONLY | O_APPEND | O_CLOEXEC);

	ck_assert_int_eq(fd_write_all(fd, text, strlen(text)), 0);
}

START_TEST(of_a_long_log_both_ends_are_read)
{
	autoarena struct arena arena = { 0 };
	struct generations all CLEANUP(generations_done) = begin(&arena, "long");
	struct generation made, read;
	char *many = arena_take(&arena, GENERATION_LOG_TAIL + 1);

	memset(many, 'x', GENERATION_LOG_TAIL);
	many[GENERATION_LOG_TAIL] = '\0';
	make(&arena, &all, &made, "a", 0);
	ck_assert_int_eq(generation_note(&arena, &all, 1, "start", many), 0);
	ck_assert_int_eq(generation_end(&arena, &all, 1, GENERATION_FAILED), 0);
	ck_assert_int_eq(generation_read(&arena, &read, &all, 1), 0);
	ck_assert_int_eq(read.end, GENERATION_FAILED);
	ck_assert_str_eq(read.reason, "apply");
	ck_assert_uint_eq(read.created_us, made.created_us);

	/* The end that is read begins at "1 end done". */
	make(&arena, &all, &made, "b", 1);
	ck_assert_int_eq(generation_note(&arena, &all, 2, "start", "web 1 end done"), 0);
	many[GENERATION_LOG_TAIL - strlen("1 end done\n")] = '\0';
	append(&all, "2/log", many);
	ck_assert_int_eq(generation_read(&arena, &read, &all, 2), 0);
	ck_assert_int_eq(read.end, GENERATION_OPEN);
}
END_TEST

START_TEST(a_torn_line_of_the_log_is_dropped)
{
	autoarena struct arena arena = { 0 };
	struct generation read = { 0 };
	const char *torn = "5 begin 3 apply\n6 end done\n7 resu";

	ck_assert_int_eq(generation_text_parse_log(&arena, &read, torn, strlen(torn)), 0);
	ck_assert_int_eq(read.end, GENERATION_DONE);
	ck_assert_uint_eq(read.previous, 3);
	ck_assert_int_eq(generation_text_parse_log(&arena, &read, "", 0), -EBADMSG);
	ck_assert_int_eq(generation_text_parse_log(&arena, &read, "5 end done\n", 11), -EBADMSG);
}
END_TEST

START_TEST(a_lock_that_nobody_wrote_is_refused)
{
	static const char *const texts[] = { "web\ta\tb\tc\n", "web\ta\tb\tc\td\te\n",
					     "other\ta\tb\tc\td\n" };
	autoarena struct arena arena = { 0 };
	struct generation_machine machines[] = { machine("web", "", "") };
	struct generation read = { .machines = machines, .count = 1 };
	const char *good = "web\ts\t\t\t\n";

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		ck_assert_int_eq(generation_text_parse_lock(&arena, &read, texts[i],
							    strlen(texts[i])),
				 -EBADMSG);
	ck_assert_int_eq(generation_text_parse_lock(&arena, &read, good, strlen(good)), 0);
	ck_assert_str_eq(machines[0].source, "s");
	ck_assert_str_eq(machines[0].digest, "");
}
END_TEST

START_TEST(the_current_one_is_not_removed)
{
	autoarena struct arena arena = { 0 };
	struct generations all CLEANUP(generations_done) = begin(&arena, "remove");
	struct generation made;
	unsigned int *numbers;
	size_t count;

	make(&arena, &all, &made, "a", 0);
	ck_assert_int_eq(generations_switch(&all, 1), 0);
	make(&arena, &all, &made, "b", 1);
	ck_assert_int_eq(generation_remove(&all, 1), -EBUSY);
	ck_assert_int_eq(generations_switch(&all, 2), 0);
	ck_assert_int_eq(generation_remove(&all, 1), 0);
	ck_assert_int_eq(generations_list(&arena, &all, &numbers, &count), 0);
	ck_assert_uint_eq(count, 1);
	ck_assert_uint_eq(numbers[0], 2);
}
END_TEST

START_TEST(a_link_to_somewhere_else_is_refused)
{
	autoarena struct arena arena = { 0 };
	struct generations all CLEANUP(generations_done) = begin(&arena, "foreign");

	ck_assert_int_eq(symlinkat("generations/0", all.fd, "current"), 0);
	ck_assert_int_eq(generations_current(&all), -EBADMSG);
	ck_assert_int_eq(unlinkat(all.fd, "current", 0), 0);
	ck_assert_int_eq(symlinkat("/etc/1", all.fd, "current"), 0);
	ck_assert_int_eq(generations_current(&all), -EBADMSG);
}
END_TEST

/* ---- killed at every step ---- */

static void advance(const char *name)
{
	autoarena struct arena arena = { 0 };
	struct generations all CLEANUP(generations_done) = begin(&arena, name);
	struct generation made;

	make(&arena, &all, &made, "new", 1);
	ck_assert_int_eq(generations_switch(&all, made.number), 0);
	ck_assert_int_eq(generation_remove(&all, 1), 0);
}

/* Whether the child was killed at its step, and did not end before. */
static bool killed_at(const char *name, int step)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		advance(name);
		_exit(EXIT_SUCCESS);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	for (int i = 0; i < step && !WIFEXITED(status); i++) {
		ptrace(PTRACE_SYSCALL, child, NULL, NULL);
		ck_assert_int_eq(waitpid(child, &status, 0), child);
	}
	if (WIFEXITED(status)) {
		ck_assert_int_eq(WEXITSTATUS(status), EXIT_SUCCESS);
		return false;
	}
	kill(child, SIGKILL);
	while (waitpid(child, &status, 0) == child && !WIFSIGNALED(status) && !WIFEXITED(status))
		ptrace(PTRACE_SYSCALL, child, NULL, NULL);
	return true;
}

/* The old one or the new one, whole; and the next one begins as if nothing had been. */
static void look_after(const char *name, int step)
{
	autoarena struct arena arena = { 0 };
	struct generations all CLEANUP(generations_done) = GENERATIONS_EMPTY;
	struct generation read, made;
	const char *text;
	int current;

	ck_assert_int_eq(
		generations_open(&arena, &all, path_join(&arena, scratch_path, name), true), 0);
	current = generations_current(&all);
	ck_assert_msg(current == 1 || current == 2, "step %d: current is %d", step, current);
	ck_assert_int_eq(generation_read(&arena, &read, &all, (unsigned int)current), 0);
	text = generation_find(&read, "web")->text;
	ck_assert_str_eq(text, current == 1 ? "old" : "new");
	ck_assert_str_eq(generation_find(&read, "web")->digest, text);
	ck_assert_int_eq(generations_lock(&all), 0);
	make(&arena, &all, &made, "newer", (unsigned int)current);
	ck_assert_int_eq(generations_switch(&all, made.number), 0);
	ck_assert_int_eq(generations_current(&all), (int)made.number);
	ck_assert_int_ne(faccessat(all.all_fd, "2.tmp", F_OK, 0), 0);
	ck_assert_int_ne(faccessat(all.all_fd, "1.tmp", F_OK, 0), 0);
}

START_TEST(killed_at_any_step_it_is_the_old_or_the_new)
{
	int step;

	for (step = 1; step < STEPS_MAX; step++) {
		autoarena struct arena arena = { 0 };
		struct generations all = begin(&arena, "killed");
		struct generation made;
		bool killed;

		make(&arena, &all, &made, "old", 0);
		ck_assert_int_eq(generations_switch(&all, 1), 0);
		generations_done(&all);
		killed = killed_at("killed", step);
		if (killed)
			look_after("killed", step);
		ck_assert_int_eq(dir_remove_all(scratch_fd, "killed"), 0);
		if (!killed)
			break;
	}
	ck_assert_int_gt(step, 50);
	ck_assert_int_lt(step, STEPS_MAX);
}
END_TEST

int main(void)
{
	/* Some thousand fsync(2) that nobody needs. */
	if (access("/dev/shm", W_OK) == 0)
		memcpy(scratch_path, "/dev/shm/redd-XXXXXX", sizeof("/dev/shm/redd-XXXXXX"));
	return SCRATCH_RUN("declare/generation", what_was_written_is_read,
			   machines_are_the_same_if_all_of_them_is, the_log_tells_how_it_ended,
			   of_a_long_log_both_ends_are_read, a_torn_line_of_the_log_is_dropped,
			   a_lock_that_nobody_wrote_is_refused, the_current_one_is_not_removed,
			   a_link_to_somewhere_else_is_refused,
			   killed_at_any_step_it_is_the_old_or_the_new);
}
