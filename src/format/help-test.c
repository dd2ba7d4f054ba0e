#include "format/help.h"

#include "base/arena.h"
#include "base/unit.h"

static struct arena arena;

static struct help begin(bool colour)
{
	struct help help;

	help_init(&help, &arena, colour, "prog", "[WORDS]", "Does things.");
	return help;
}

START_TEST(entries_stand_below_headings)
{
	struct help help = begin(false);

	help_heading(&help, "Image");
	help_entry(&help, "  -a, --all", "Show all");
	ck_assert_str_eq(help_done(&help, "man prog"),
			 "prog [WORDS]\n\nDoes things.\n\nImage:\n"
			 "  -a, --all                   Show all\n\nMore: man prog");
}
END_TEST

START_TEST(colours_are_asked_for)
{
	struct help help = begin(true);

	help_heading(&help, "Image");
	ck_assert_str_eq(help_done(&help, "man prog"),
			 "\033[1mprog\033[0m [WORDS]\n\nDoes things.\n\n\033[1mImage:\033[0m\n\n"
			 "More: man prog");
}
END_TEST

START_TEST(long_leads_stand_alone_and_long_texts_are_filled)
{
	struct help help = begin(false);

	help_entry(&help, "  --twenty-nine-places-are-long", "one");
	help_entry(&help, "  x",
		   "0123456789 0123456789 0123456789 0123456789 012345 7890 \xe2\x80\xa6");
	ck_assert_str_eq(
		help_done(&help, "-"),
		"prog [WORDS]\n\nDoes things.\n"
		"  --twenty-nine-places-are-long\n"
		"                              one\n"
		"  x                           0123456789 0123456789 0123456789 0123456789 "
		"012345\n"
		"                              7890 \xe2\x80\xa6\n\nMore: -");
}
END_TEST

START_TEST(an_options_lead_has_its_letter_and_value)
{
	ck_assert_str_eq(help_option(&arena, 'p', "property", "NAME", false),
			 "  -p, --property=NAME");
	ck_assert_str_eq(help_option(&arena, 0, "volatile", "MODE", true),
			 "      --volatile[=MODE]");
	ck_assert_str_eq(help_option(&arena, 'P', NULL, "NAME", false), "  -P NAME");
	ck_assert_str_eq(help_option(&arena, 'U', NULL, NULL, false), "  -U");
}
END_TEST

int main(void)
{
	return UNIT_RUN("format/help", entries_stand_below_headings, colours_are_asked_for,
			long_leads_stand_alone_and_long_texts_are_filled,
			an_options_lead_has_its_letter_and_value);
}
