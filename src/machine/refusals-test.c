#include "machine/refusals.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/macros.h"
#include "io/scratch.h"
#include "machine/record.h"

static struct refusals writer = REFUSALS_EMPTY;
static struct refusals_reader reader = REFUSALS_READER_EMPTY;

/* The records' directory is there. */
static void begin(void)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/machines", scratch_path);
	ck_assert(mkdir(path, 0755) == 0 || errno == EEXIST);
	writer.runtime = scratch_path;
	writer.machine = "web";
}

static struct refusal packet(const char *address, uint16_t port)
{
	struct refusal refusal = { .protocol = IPPROTO_TCP, .port = port };

	ck_assert_int_eq(ip_parse(&refusal.address, address), 0);
	return refusal;
}

static struct refusal name(const char *text)
{
	struct refusal refusal = { 0 };

	snprintf(refusal.name, sizeof(refusal.name), "%s", text);
	return refusal;
}

static void add(struct refusal refusal)
{
	refusals_add(&writer, &refusal);
}

static int next(struct refusal *ret)
{
	return refusals_read(&reader, ret, scratch_path, "web");
}

static const char *print(const struct refusal *refusal)
{
	static char line[REFUSALS_LINE_MAX];

	ck_assert_uint_eq(refusals_print(line, refusal), strlen(line));
	return line;
}

static int parse(struct refusal *ret, const char *line)
{
	return refusals_parse(ret, line, strlen(line));
}

START_TEST(lines_are_read_as_they_are_written)
{
	static const char *const lines[] = {
		"1700000000000001 6 203.0.113.7 443",
		"1700000000000001 17 2001:db8::7 53",
		"1700000000000001 1 203.0.113.7 0",
		"1700000000000001 name evil.example",
		"1700000000000001 name rebind.example 127.0.0.1",
		"18446744073709551615 name \\000\\255.a-b_c ::1",
	};

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		struct refusal refusal;
		char line[128];

		ck_assert_int_eq(parse(&refusal, lines[i]), 0);
		snprintf(line, sizeof(line), "%s\n", lines[i]);
		ck_assert_str_eq(print(&refusal), line);
	}
}
END_TEST

START_TEST(the_longest_name_has_room)
{
	struct refusal refusal = packet("2001:db8:1111:2222:3333:4444:5555:6666", 0), read;
	char line[REFUSALS_LINE_MAX];

	refusal.realtime_us = UINT64_MAX;
	memset(refusal.name, 'x', sizeof(refusal.name) - 1);
	memcpy(line, print(&refusal), sizeof(line));
	ck_assert_ptr_nonnull(strchr(line, '\n'));
	*strchr(line, '\n') = '\0';
	ck_assert_int_eq(parse(&read, line), 0);
	ck_assert_str_eq(read.name, refusal.name);
}
END_TEST

START_TEST(other_lines_are_none)
{
	static const char *const lines[] = {
		"",
		"1",
		"1 6",
		"1 6 203.0.113.7",
		"1 6 203.0.113.7 443 more",
		"1 256 203.0.113.7 443",
		"1 6 203.0.113.7 65536",
		"1 6 203.0.113 443",
		"x 6 203.0.113.7 443",
		"-1 6 203.0.113.7 443",
		"1 name",
		"1 name evil.example 203.0.113",
		"1 name evil.example ::1 more",
		"1 tcp 203.0.113.7 443",
	};
	struct refusal refusal = { .port = 77 };

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		ck_assert_msg(parse(&refusal, lines[i]) == -EBADMSG, "'%s'", lines[i]);
	ck_assert_int_eq(refusals_parse(&refusal, "1 name a\0b", 10), -EBADMSG);
	ck_assert_uint_eq(refusal.port, 77);
}
END_TEST

START_TEST(files_are_of_machines)
{
	char file[REFUSALS_ROOM], machine[REFUSALS_ROOM], longest[65];

	memset(longest, 'a', 64);
	longest[64] = '\0';
	refusals_name(file, longest);
	ck_assert_int_eq(refusals_machine(machine, file), 0);
	ck_assert_str_eq(machine, longest);
	ck_assert_int_eq(refusals_machine(machine, ".web.refused"), 0);
	ck_assert_str_eq(machine, "web");
	ck_assert_int_eq(refusals_machine(machine, "web"), -EINVAL);
	ck_assert_int_eq(refusals_machine(machine, "web.refused"), -EINVAL);
	ck_assert_int_eq(refusals_machine(machine, ".web.network"), -EINVAL);
	ck_assert_int_eq(refusals_machine(machine, ".refused"), -EINVAL);
	ck_assert_int_eq(refusals_machine(machine, "..refused"), -EINVAL);
	ck_assert_int_eq(refusals_machine(machine, ".a b.refused"), -EINVAL);
	ck_assert_str_eq(machine, "web");
}
END_TEST

START_TEST(who_follows_is_told_each_once)
{
	struct refusal refusal;

	begin();
	ck_assert_int_eq(next(&refusal), 0);
	add(packet("203.0.113.7", 443));
	add(name("evil.example"));
	ck_assert_int_eq(next(&refusal), 1);
	ck_assert_uint_eq(refusal.port, 443);
	ck_assert_uint_gt(refusal.realtime_us, 0);
	ck_assert_int_eq(next(&refusal), 1);
	ck_assert_str_eq(refusal.name, "evil.example");
	ck_assert_int_eq(next(&refusal), 0);
	add(packet("203.0.113.7", 444));
	ck_assert_int_eq(next(&refusal), 1);
	ck_assert_uint_eq(refusal.port, 444);
}
END_TEST

START_TEST(what_was_there_can_be_left_out)
{
	struct refusal refusal;

	begin();
	add(packet("203.0.113.7", 1));
	refusals_skip(&reader, scratch_path, "web");
	ck_assert_int_eq(next(&refusal), 0);
	add(packet("203.0.113.7", 2));
	ck_assert_int_eq(next(&refusal), 1);
	ck_assert_uint_eq(refusal.port, 2);
}
END_TEST

START_TEST(both_families_of_one_name_are_one_question)
{
	struct refusal refusal, with_address = name("evil.example");

	begin();
	refusals_skip(&reader, scratch_path, "web");
	add(name("evil.example"));
	add(name("evil.example"));
	ck_assert_int_eq(ip_parse(&with_address.address, "127.0.0.1"), 0);
	add(with_address);
	add(name("other.example"));
	ck_assert_int_eq(next(&refusal), 1);
	ck_assert_int_eq(refusal.address.family, 0);
	ck_assert_int_eq(next(&refusal), 1);
	ck_assert_int_eq(refusal.address.family, AF_INET);
	ck_assert_int_eq(next(&refusal), 1);
	ck_assert_str_eq(refusal.name, "other.example");
	ck_assert_int_eq(next(&refusal), 0);
}
END_TEST

/* 1000 bytes each: 66 of them do not fit. */
static struct refusal long_name(int number)
{
	struct refusal refusal = name("");

	snprintf(refusal.name, sizeof(refusal.name), "%04d.%0990d", number, 0);
	return refusal;
}

START_TEST(a_full_file_makes_place_and_nothing_is_missed)
{
	char file[96];
	struct refusal refusal;
	struct stat st;
	int seen = 0;

	begin();
	refusals_skip(&reader, scratch_path, "web");
	for (int i = 0; i < 80; i++)
		add(long_name(i));
	snprintf(file, sizeof(file), "%s/machines/.web.refused", scratch_path);
	ck_assert_int_eq(stat(file, &st), 0);
	ck_assert_int_lt(st.st_size, REFUSALS_SIZE_MAX);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	while (next(&refusal) > 0)
		ck_assert_int_eq(atoi(refusal.name), seen++);
	ck_assert_int_eq(seen, 80);
	/* Another supervisor goes on where this one was. */
	refusals_done(&writer);
	writer = (struct refusals)REFUSALS_EMPTY;
	begin();
	add(packet("203.0.113.7", 9));
	ck_assert_int_eq(next(&refusal), 1);
	ck_assert_uint_eq(refusal.port, 9);
}
END_TEST

START_TEST(a_guest_that_tries_without_end_fills_nothing)
{
	struct refusal refusal;
	int seen = 0;

	begin();
	refusals_skip(&reader, scratch_path, "web");
	for (int i = 0; i < 5000; i++)
		add(packet("203.0.113.7", (uint16_t)(i + 1)));
	while (next(&refusal) > 0)
		seen++;
	ck_assert_int_ge(seen, REFUSALS_BURST);
	ck_assert_int_le(seen, REFUSALS_BURST + 10 * REFUSALS_PER_SECOND);
}
END_TEST

START_TEST(a_line_that_is_none_is_passed_over)
{
	char junk[3 * REFUSALS_LINE_MAX];
	struct refusal refusal;

	begin();
	memset(junk, 'x', sizeof(junk));
	snprintf(junk + sizeof(junk) - 60, 60, "\nnothing\n5 6 203.0.113.7 443\n7 6 203.0.1");
	scratch_put("machines/.web.refused", junk);
	ck_assert_int_eq(next(&refusal), 1);
	ck_assert_uint_eq(refusal.realtime_us, 5);
	ck_assert_int_eq(next(&refusal), 0);
}
END_TEST

START_TEST(it_goes_with_the_record)
{
	char file[96];
	autoarena struct arena arena = { 0 };
	struct record record;

	begin();
	ck_assert_int_eq(record_create(&arena, &record, scratch_path, "web"), 0);
	add(packet("203.0.113.7", 1));
	snprintf(file, sizeof(file), "%s/machines/.web.refused", scratch_path);
	ck_assert_int_eq(access(file, F_OK), 0);
	record_remove(&record);
	ck_assert_int_lt(access(file, F_OK), 0);
}
END_TEST

int main(void)
{
	return SCRATCH_RUN("machine/refusals", lines_are_read_as_they_are_written,
			   the_longest_name_has_room, other_lines_are_none, files_are_of_machines,
			   who_follows_is_told_each_once, what_was_there_can_be_left_out,
			   both_families_of_one_name_are_one_question,
			   a_full_file_makes_place_and_nothing_is_missed,
			   a_guest_that_tries_without_end_fills_nothing,
			   a_line_that_is_none_is_passed_over, it_goes_with_the_record);
}
