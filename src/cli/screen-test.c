#include "cli/screen.h"

#include "base/unit.h"

#define ENVIRONMENT(...) ((const char *const[]){ __VA_ARGS__, NULL })

START_TEST(a_terminal_has_colours_and_a_file_has_none)
{
	ck_assert(screen_has_colour(ENVIRONMENT("TERM=xterm"), true));
	ck_assert(!screen_has_colour(ENVIRONMENT("TERM=xterm"), false));
	ck_assert(screen_has_colour(NULL, true));
	ck_assert(!screen_has_colour(ENVIRONMENT("TERM=dumb"), true));
	ck_assert(screen_has_colour(ENVIRONMENT("TERMINAL=dumb"), true));
}
END_TEST

START_TEST(who_forbids_colours_gets_none)
{
	ck_assert(!screen_has_colour(ENVIRONMENT("NO_COLOR=1"), true));
	ck_assert(screen_has_colour(ENVIRONMENT("NO_COLOR="), true));
	ck_assert(!screen_has_colour(ENVIRONMENT("SYSTEMD_COLORS=no"), true));
}
END_TEST

START_TEST(the_more_particular_variable_goes_first)
{
	ck_assert(screen_has_colour(ENVIRONMENT("NO_COLOR=1", "SYSTEMD_COLORS=yes"), false));
	ck_assert(screen_has_colour(ENVIRONMENT("SYSTEMD_COLORS=256"), true));
	ck_assert(!screen_has_colour(ENVIRONMENT("SYSTEMD_COLORS=256"), false));
}
END_TEST

int main(void)
{
	return UNIT_RUN("cli/screen", a_terminal_has_colours_and_a_file_has_none,
			who_forbids_colours_gets_none, the_more_particular_variable_goes_first);
}
