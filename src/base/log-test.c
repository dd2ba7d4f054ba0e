#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/unit.h"

/* Every case runs in a child of its own, so stderr may be replaced. */
static int capture(void)
{
	int ends[2];

	ck_assert_int_eq(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	ck_assert_int_eq(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
	return ends[0];
}

static const char *captured(int fd)
{
	static char text[8192];
	ssize_t n = read(fd, text, sizeof(text) - 1);

	text[n < 0 ? 0 : n] = '\0';
	return text;
}

START_TEST(a_line_is_one_write)
{
	int fd = capture();

	log_info("Spawning container %s.", "web");
	ck_assert_str_eq(captured(fd), "Spawning container web.\n");
}
END_TEST

START_TEST(what_is_above_the_level_is_not_said)
{
	int fd = capture();

	log_debug("no");
	log_set_level(LOG_LEVEL_WARNING);
	ck_assert_int_eq(log_level(), LOG_LEVEL_WARNING);
	log_info("no");
	log_notice("no");
	log_warning("yes");
	ck_assert_str_eq(captured(fd), "yes\n");
}
END_TEST

START_TEST(control_characters_of_guests_are_shown)
{
	int fd = capture();

	log_info("a\x1b]0;x\ab\rc\x7f\xc2\x9b"
		 "d\te \xc3\xa9");
	ck_assert_str_eq(captured(fd), "a\\x1b]0;x\\x07b\\x0dc\\x7f\\xc2\\x9bd\te \xc3\xa9\n");
}
END_TEST

START_TEST(bytes_that_are_no_text_are_shown_and_so_is_a_turn)
{
	int fd = capture();

	log_info("a\x9b"
		 "2J \xe2\x80\xae \xc3");
	ck_assert_str_eq(captured(fd), "a\\x9b2J \\xe2\\x80\\xae \\xc3\n");
}
END_TEST

START_TEST(colours_only_when_asked)
{
	int fd = capture();

	log_set_colour(true);
	log_error("bad");
	log_info("plain");
	ck_assert_str_eq(captured(fd), "\x1b[0;1;31mbad\x1b[0m\nplain\n");
}
END_TEST

START_TEST(long_lines_are_cut)
{
	int fd = capture();
	char text[6000];

	memset(text, '\x1b', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	log_set_colour(true);
	log_error("%s", text);
	ck_assert_uint_lt(strlen(captured(fd)), 2200);
}
END_TEST

int main(void)
{
	return UNIT_RUN("base/log", a_line_is_one_write, what_is_above_the_level_is_not_said,
			control_characters_of_guests_are_shown,
			bytes_that_are_no_text_are_shown_and_so_is_a_turn, colours_only_when_asked,
			long_lines_are_cut);
}
