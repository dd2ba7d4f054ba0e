#include "engine/state.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/unit.h"
#include "io/fd.h"

static struct arena arena;

static struct state example(void)
{
	static const char bytes[] = "a\0b\nc";
	struct state state = {
		.machine = "web",
		.runtime = "/run/redd",
		.tree = "/srv/a tree\nof two lines",
		.pid = 4242,
		.base = UINT32_MAX,
		.inode = UINT64_MAX,
		.to_guest = { bytes, sizeof(bytes) },
	};

	text_list_add(&arena, &state.arguments, arena_text(&arena, "systemd-nspawn"));
	text_list_add(&arena, &state.arguments, arena_text(&arena, ""));
	text_list_add(&arena, &state.arguments, arena_text(&arena, "echo 1\npid 3\n99"));
	return state;
}

START_TEST(what_was_printed_is_read)
{
	struct state state = example(), read;
	size_t size;
	char *text = state_print(&arena, &size, &state);

	ck_assert_int_eq(state_parse(&arena, &read, text, size), 0);
	ck_assert_str_eq(read.machine, "web");
	ck_assert_str_eq(read.tree, state.tree);
	ck_assert_ptr_null(read.program);
	ck_assert_uint_eq(read.pid, 4242);
	ck_assert_uint_eq(read.base, UINT32_MAX);
	ck_assert_uint_eq(read.inode, UINT64_MAX);
	ck_assert_uint_eq(read.arguments.count, 3);
	ck_assert_str_eq(read.arguments.items[1], "");
	ck_assert_str_eq(read.arguments.items[2], "echo 1\npid 3\n99");
	ck_assert_uint_eq(read.to_guest.size, state.to_guest.size);
	ck_assert_mem_eq(read.to_guest.data, state.to_guest.data, state.to_guest.size);
}
END_TEST

START_TEST(a_state_that_is_cut_short_is_none)
{
	struct state state = example(), read = { .pid = 7 };
	size_t size;
	char *text = state_print(&arena, &size, &state);

	/* Where an entry ends, what is left may still be whole: the last are numbers that are 0. */
	for (size_t i = 0; i < size; i++)
		if (text[i - (i > 0)] != '\n')
			ck_assert_int_eq(state_parse(&arena, &read, text, i), -EBADMSG);
	ck_assert_uint_eq(read.pid, 7);
}
END_TEST

START_TEST(another_version_is_told_apart)
{
	static const char newer[] = "redd-state=3\n", none[] = "something else\n";
	struct state read;

	ck_assert_int_eq(state_parse(&arena, &read, newer, strlen(newer)), -EPROTONOSUPPORT);
	ck_assert_int_eq(state_parse(&arena, &read, none, strlen(none)), -EBADMSG);
	ck_assert_int_eq(state_parse(&arena, &read, "", 0), -EBADMSG);
}
END_TEST

START_TEST(what_is_not_known_is_skipped)
{
	static const char text[] = "redd-state=2\nmachine 1\nm\nfuture 3\na\nb\nruntime 2\n/r\n"
				   "tree 2\n/t\npid 2\n12\n";
	struct state read;

	ck_assert_int_eq(state_parse(&arena, &read, text, strlen(text)), 0);
	ck_assert_uint_eq(read.pid, 12);
	ck_assert_str_eq(read.tree, "/t");
}
END_TEST

START_TEST(lengths_that_lie_are_refused)
{
	static const char *const texts[] = {
		"redd-state=2\nmachine 99\nm\n",
		"redd-state=2\nmachine 0\nm\n",
		"redd-state=2\nmachine -1\nm\n",
		"redd-state=2\nmachine 18446744073709551615\nm\n",
		"redd-state=2\nmachine 18446744073709551616\nm\n",
		"redd-state=2\nmachine\nm\n",
		"redd-state=2\npid 3\n1x2\n",
	};
	struct state read;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		ck_assert_int_eq(state_parse(&arena, &read, texts[i], strlen(texts[i])), -EBADMSG);
}
END_TEST

START_TEST(a_file_is_sealed_and_can_be_read_again)
{
	struct state state = example(), read;
	autoclose int fd = state_save(&state);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	ck_assert_int_lt(write(fd, "x", 1), 0);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(state_load(&arena, &read, fd), 0);
		ck_assert_str_eq(read.machine, "web");
	}
}
END_TEST

START_TEST(descriptors_find_their_places)
{
	int fds[STATE_FDS], spread[STATE_FDS];
	const int came[] = { 10, 11, 12 };
	struct state state = { 0 };

	for (int i = 0; i < STATE_FDS; i++)
		fds[i] = -EBADF;
	fds[STATE_PIDFD] = 3;
	fds[STATE_NOTIFY] = 5;
	fds[STATE_HOLDER] = 4;
	state_mark(&state, fds);
	ck_assert_int_eq(state_spread(spread, &state, came, 3), 0);
	ck_assert_int_eq(spread[STATE_PIDFD], 10);
	ck_assert_int_eq(spread[STATE_NOTIFY], 11);
	ck_assert_int_eq(spread[STATE_HOLDER], 12);
	ck_assert_int_lt(spread[STATE_CONSOLE], 0);
	ck_assert_int_eq(state_spread(spread, &state, came, 2), -EBADMSG);
	state.descriptors = 1;
	ck_assert_int_eq(state_spread(spread, &state, came, 3), -EBADMSG);
}
END_TEST

int main(void)
{
	return UNIT_RUN("engine/state", what_was_printed_is_read, a_state_that_is_cut_short_is_none,
			another_version_is_told_apart, what_is_not_known_is_skipped,
			lengths_that_lie_are_refused, a_file_is_sealed_and_can_be_read_again,
			descriptors_find_their_places);
}
