#include "machine/record.h"

#include <stdlib.h>
#include <sys/wait.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/text.h"
#include "io/file.h"
#include "kernel/fixture.h"

#define HEAD "redd-record=1\ntag=0123456789abcdef\nsupervisor=77\n"

static struct arena arena;

static int parse(struct record_content *content, const char *text)
{
	return record_parse(&arena, content, text, strlen(text));
}

static char *content_of(const char *path)
{
	char *text = arena_take(&arena, 4096);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_ge(read(fd, text, 4095), 0);
	close(fd);
	return text;
}

START_TEST(a_record_says_what_was_noted)
{
	struct record record = RECORD_EMPTY;
	struct record_content content;
	uint64_t start;
	pid_t pid;
	char *text;

	fixture_enter(0);
	ck_assert_int_eq(record_create(&arena, &record, "/mnt/redd", "web"), 0);
	record_note_later(&record, RECORD_LOCK, "/a/lock");
	record_note_later(&record, RECORD_LOCK, "/b/lock");
	ck_assert_ptr_null(strstr(content_of("/mnt/redd/machines/web"), "lock"));
	ck_assert_int_eq(record_note(&record, RECORD_TEMPORARY, "/var/tmp/x"), 0);
	ck_assert_int_eq(record_leader(&record, 4711, 99), 0);

	text = content_of("/mnt/redd/machines/web");
	ck_assert_int_eq(parse(&content, text), 0);
	ck_assert_str_eq(content.tag, record.tag);
	ck_assert_int_eq(content.supervisor, getpid());
	ck_assert_uint_eq(content.count, 4);
	ck_assert_int_eq(content.notes[0].kind, RECORD_LOCK);
	ck_assert_str_eq(content.notes[1].value, "/b/lock");
	ck_assert_str_eq(content.notes[2].value, "/var/tmp/x");
	ck_assert_int_eq(record_parse_process(&pid, &start, content.notes[3].value), 0);
	ck_assert(pid == 4711 && start == 99);

	record_remove(&record);
	ck_assert_int_lt(access("/mnt/redd/machines/web", F_OK), 0);
	record_remove(&record);
}
END_TEST

START_TEST(a_machine_that_starts_again_has_one_leader)
{
	struct record record = RECORD_EMPTY;
	struct record_content content;
	uint64_t start;
	pid_t pid;

	fixture_enter(0);
	ck_assert_int_eq(record_create(&arena, &record, "/mnt/redd", "web"), 0);
	for (int i = 2; i < 2000; i++)
		ck_assert_int_eq(record_leader(&record, i, (uint64_t)i * 1000), 0);
	ck_assert_int_eq(record_note(&record, RECORD_TEMPORARY, "/var/tmp/x"), 0);
	ck_assert_int_eq(record_leader(&record, INT32_MAX, UINT64_MAX), 0);
	ck_assert_int_eq(parse(&content, content_of("/mnt/redd/machines/web")), 0);
	ck_assert_uint_eq(content.count, 2);
	ck_assert_int_eq(record_parse_process(&pid, &start, content.notes[0].value), 0);
	ck_assert(pid == INT32_MAX && start == UINT64_MAX);
	ck_assert_str_eq(content.notes[1].value, "/var/tmp/x");
	record_remove(&record);
}
END_TEST

START_TEST(a_name_runs_once)
{
	struct record first = RECORD_EMPTY, second = RECORD_EMPTY;
	struct stat st;

	fixture_enter(0);
	ck_assert_int_eq(record_create(&arena, &first, "/mnt/redd", "web"), 0);
	ck_assert_int_eq(record_create(&arena, &second, "/mnt/redd", "web"), -EBUSY);
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "'web'"));
	ck_assert_int_eq(record_create(&arena, &second, "/mnt/redd", "db"), 0);
	record_remove(&second);
	record_remove(&first);
	ck_assert_int_eq(record_create(&arena, &second, "/mnt/redd", "web"), 0);
	ck_assert_int_eq(stat("/mnt/redd/machines/web", &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0600);
	record_remove(&second);
}
END_TEST

START_TEST(a_dead_record_of_the_name_is_replaced)
{
	struct record record = RECORD_EMPTY;
	struct record_content content;
	char old[RECORD_TAG_ROOM];

	fixture_enter(0);
	ck_assert_int_eq(record_create(&arena, &record, "/mnt/redd", "web"), 0);
	memcpy(old, record.tag, sizeof(old));
	ck_assert_int_eq(record_note(&record, RECORD_DIRECTORY, "/old"), 0);
	record_close(&record); /* as a crash does */
	ck_assert_int_eq(record_create(&arena, &record, "/mnt/redd", "web"), 0);
	ck_assert_int_eq(parse(&content, content_of("/mnt/redd/machines/web")), 0);
	ck_assert_str_ne(content.tag, old);
	ck_assert_uint_eq(content.count, 0);
	record_remove(&record);
}
END_TEST

START_TEST(names_that_lead_elsewhere_are_refused)
{
	static const char *const names[] = {
		"", ".", "..", "../x", "a/b", "-x", ".x", "a\nb", "%n", "web_1", "\xc3\xa9",
	};
	struct record record = RECORD_EMPTY;
	char longest[302];

	fixture_enter(0);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		ck_assert_int_eq(record_create(&arena, &record, "/mnt/redd", names[i]), -EINVAL);
	memset(longest, 'a', 300);
	longest[300] = '\0';
	ck_assert_int_eq(record_create(&arena, &record, "/mnt/redd", longest), -EINVAL);
	ck_assert_int_lt(access("/mnt/redd", F_OK), 0);
}
END_TEST

START_TEST(a_value_cannot_become_two_lines)
{
	struct record record = RECORD_EMPTY;

	fixture_enter(0);
	ck_assert_int_eq(record_create(&arena, &record, "/mnt/redd", "web"), 0);
	ck_assert_int_eq(record_note(&record, RECORD_DIRECTORY, "/a\nlock=/etc/passwd"), -EINVAL);
	record_note_later(&record, RECORD_LOCK, "/a\nlock=/etc/passwd");
	ck_assert_int_eq(record_note(&record, RECORD_DIRECTORY, "/a"), 0);
	ck_assert_ptr_null(strstr(content_of("/mnt/redd/machines/web"), "passwd"));
	record_remove(&record);
}
END_TEST

START_TEST(a_torn_last_line_is_dropped)
{
	struct record_content content;

	ck_assert_int_eq(parse(&content, HEAD "directory=/a\ntemporary=/va"), 0);
	ck_assert_uint_eq(content.count, 1);
	ck_assert_int_eq(parse(&content, "redd-rec"), -EBADMSG);
	ck_assert_int_eq(parse(&content, "redd-record=1\ntag=0123"), -EBADMSG);
	ck_assert_int_eq(parse(&content, ""), -EBADMSG);
}
END_TEST

START_TEST(a_hostile_record_is_none)
{
	struct record_content content;
	char *many = arena_take(&arena, RECORD_SIZE_MAX + 2);
	size_t used;

	ck_assert_int_eq(parse(&content, "redd-record=2\ntag=0123456789abcdef\n"), -EBADMSG);
	ck_assert_int_eq(parse(&content, "redd-record=1\ntag=../../../../etcx\n"), -EBADMSG);
	ck_assert_int_eq(parse(&content, "redd-record=1\ntag=0123456789ABCDEF\n"), -EBADMSG);
	ck_assert_int_eq(parse(&content, HEAD "tag=fedcba9876543210\n"), -EBADMSG);
	ck_assert_int_eq(parse(&content, HEAD "supervisor=-1\n"), -EBADMSG);
	ck_assert_int_eq(record_parse(&arena, &content, HEAD "directory=\0x\n",
				      sizeof(HEAD "directory=\0x\n") - 1),
			 -EBADMSG);
	ck_assert_int_eq(parse(&content, HEAD "something=new\n\n=\nlock\n"), 0);
	ck_assert_uint_eq(content.count, 0);

	used = (size_t)snprintf(many, RECORD_SIZE_MAX, HEAD);
	for (int i = 0; i <= RECORD_NOTES_MAX; i++)
		used += (size_t)snprintf(many + used, RECORD_SIZE_MAX - used, "lock=/x\n");
	ck_assert_int_eq(parse(&content, many), -EBADMSG);
	memset(many, 'a', RECORD_SIZE_MAX + 1);
	ck_assert_int_eq(record_parse(&arena, &content, many, RECORD_SIZE_MAX + 1), -EBADMSG);
}
END_TEST

START_TEST(only_a_process_that_may_be_killed_is_a_leader)
{
	static const char *const bad[] = {
		"",
		"5",
		"5 ",
		" 5",
		"0 1",
		"1 1",
		"-1 1",
		"-5 1",
		"4294967296 1",
		"2147483648 1",
		"5 x",
		"5 -1",
		"0x5 1",
		"99999999999999999999 1",
	};
	uint64_t start;
	pid_t pid = 0;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(record_parse_process(&pid, &start, bad[i]) == -EBADMSG, "%s", bad[i]);
	ck_assert_int_eq(pid, 0);
}
END_TEST

START_TEST(who_only_holds_the_lock_is_not_running)
{
	struct record record = RECORD_EMPTY;
	int fd;

	fixture_enter(0);
	ck_assert_int_eq(record_create(&arena, &record, "/mnt/redd", "web"), 0);
	ck_assert_int_eq(record_create(&arena, &(struct record)RECORD_EMPTY, "/mnt/redd", "web"),
			 -EBUSY);
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "is running"));
	record_remove(&record);

	/* As one that reaps it does: first it is empty, then it is of a supervisor that died. */
	fixture_write("/mnt/redd/machines/web", "");
	fd = open("/mnt/redd/machines/web", O_RDWR | O_CLOEXEC);
	ck_assert_int_eq(record_try_lock(fd), 0);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(record_create(&arena, &record, "/mnt/redd", "web"), -EBUSY);
		ck_assert_ptr_null(strstr(fail_recorded()->text, "is running"));
		ck_assert_int_gt(dprintf(fd, "redd-record=1\ntag=0123456789abcdef\n"
					     "supervisor=2147483646\n"),
				 0);
	}
	close(fd);
	ck_assert_int_eq(record_create(&arena, &record, "/mnt/redd", "web"), 0);
	record_remove(&record);
}
END_TEST

static struct record_content read_web(void)
{
	struct record_content content;
	char *text;
	size_t size;

	ck_assert_int_ge(file_read(&arena, &text, &size, AT_FDCWD, "/mnt/redd/machines/web",
				   RECORD_SIZE_MAX),
			 0);
	ck_assert_int_eq(record_parse(&arena, &content, text, size), 0);
	return content;
}

/* There is exactly one. */
static const char *value_of(const struct record_content *content, enum record_kind kind)
{
	const char *value = NULL;

	for (size_t i = 0; i < content->count; i++) {
		if (content->notes[i].kind != kind)
			continue;
		ck_assert_ptr_null(value);
		value = content->notes[i].value;
	}
	return value;
}

START_TEST(a_record_is_taken_over_by_another_supervisor)
{
	struct record record = RECORD_EMPTY, other = RECORD_EMPTY;
	struct record_content content;
	pid_t pid;
	int status;

	fixture_enter(0);
	ck_assert_int_eq(record_create(&arena, &record, "/mnt/redd", "web"), 0);
	ck_assert_int_eq(record_runs(&record, 0), 0);
	ck_assert_int_eq(record_leader_id(&record, 77, 66), 0);
	ck_assert_int_eq(record_leader(&record, 77, 88), 0);
	ck_assert_int_eq(record_reexec(&record, -EPERM), 0);
	ck_assert_int_eq(record_network(&record, -EPERM), 0);
	ck_assert_int_eq(record_adopt(&arena, &other, "/mnt/redd", "web"), -EBUSY);
	ck_assert_int_eq(record_adopt(&arena, &other, "/mnt/redd", "none"), -ENXIO);
	record_close(&record);

	pid = fork();
	if (pid == 0) {
		ck_assert_int_eq(record_adopt(&arena, &other, "/mnt/redd", "web"), 0);
		ck_assert_int_eq(record_leader_id(&other, 99, 22), 0);
		ck_assert_int_eq(record_leader(&other, 99, 11), 0);
		ck_assert_int_eq(record_runs(&other, 99), 0);
		ck_assert_int_eq(record_reexec(&other, 0), 0);
		ck_assert_int_eq(record_network(&other, 0), 0);
		_exit(strcmp(record.tag, other.tag) != 0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	content = read_web();
	ck_assert_int_eq(content.supervisor, pid);
	ck_assert_uint_eq(content.count, 5);
	ck_assert_str_eq(value_of(&content, RECORD_LEADER), "0000000099 00000000000000000011");
	ck_assert_str_eq(value_of(&content, RECORD_LEADER_ID), "0000000099 00000000000000000022");
	ck_assert_str_eq(value_of(&content, RECORD_RUNS), "0000000099");
	ck_assert_str_eq(value_of(&content, RECORD_REEXEC), "0000000002 00000");
	ck_assert_str_eq(value_of(&content, RECORD_NETWORK), "0000000002 00000");
}
END_TEST

/* The last counts. */
static const char *last_of(const struct record_content *content, enum record_kind kind)
{
	const char *value = NULL;

	for (size_t i = 0; i < content->count; i++)
		if (content->notes[i].kind == kind)
			value = content->notes[i].value;
	return value;
}

START_TEST(the_shorter_line_of_an_earlier_program_is_not_written_over)
{
	struct record record = RECORD_EMPTY;
	struct record_content content;

	fixture_enter(0);
	ck_assert_int_eq(record_create(&arena, &record, "/mnt/redd", "web"), 0);
	ck_assert_int_eq(record_note(&record, RECORD_NETWORK, "0000000007"), 0);
	ck_assert_int_eq(record_note(&record, RECORD_DIRECTORY, "/a"), 0);
	record_close(&record);
	ck_assert_int_eq(record_adopt(&arena, &record, "/mnt/redd", "web"), 0);
	ck_assert_int_eq(record_network(&record, -EPERM), 0);
	ck_assert_int_eq(record_network(&record, -EIO), 0);
	content = read_web();
	ck_assert_uint_eq(content.count, 3);
	ck_assert_str_eq(value_of(&content, RECORD_DIRECTORY), "/a");
	ck_assert_str_eq(last_of(&content, RECORD_NETWORK), "0000000009 00005");
	record_remove(&record);
}
END_TEST

START_TEST(the_result_of_a_line_is_told)
{
	ck_assert_int_eq(record_parse_result("0000000009 00005"), -5);
	ck_assert_int_eq(record_parse_result("0000000009 00000"), 0);
	ck_assert_int_eq(record_parse_result("0000000009"), 0);
	ck_assert_int_eq(record_parse_result(NULL), 0);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("record");

	tcase_add_test(cases, a_record_says_what_was_noted);
	tcase_add_test(cases, a_machine_that_starts_again_has_one_leader);
	tcase_add_test(cases, a_name_runs_once);
	tcase_add_test(cases, a_dead_record_of_the_name_is_replaced);
	tcase_add_test(cases, names_that_lead_elsewhere_are_refused);
	tcase_add_test(cases, a_value_cannot_become_two_lines);
	tcase_add_test(cases, a_torn_last_line_is_dropped);
	tcase_add_test(cases, a_hostile_record_is_none);
	tcase_add_test(cases, only_a_process_that_may_be_killed_is_a_leader);
	tcase_add_test(cases, who_only_holds_the_lock_is_not_running);
	tcase_add_test(cases, a_record_is_taken_over_by_another_supervisor);
	tcase_add_test(cases, the_shorter_line_of_an_earlier_program_is_not_written_over);
	tcase_add_test(cases, the_result_of_a_line_is_told);
	return fixture_run(cases, "machine/record");
}
