#include "format/specifier.h"

#include <string.h>

#include "base/arena.h"
#include "base/unit.h"

static const struct specifiers known = { .machine = "web", .host = "box" };

static const char *expand(const char *text)
{
	static struct arena arena;

	return specifier_expand(&arena, text, &known);
}

START_TEST(what_is_known_is_replaced)
{
	ck_assert_str_eq(expand("/srv/%i"), "/srv/web");
	ck_assert_str_eq(expand("%i.%H"), "web.box");
	ck_assert_str_eq(expand("100%%"), "100%");
	ck_assert_str_eq(expand("%%i"), "%i");
}
END_TEST

START_TEST(a_text_without_any_stays_as_it_is)
{
	const char *text = "MemoryMax=1G";

	ck_assert_ptr_eq(expand(text), text);
	ck_assert_str_eq(expand(""), "");
}
END_TEST

START_TEST(what_is_not_known_stays)
{
	ck_assert_str_eq(expand("50%"), "50%");
	ck_assert_str_eq(expand("date +%s of %i %m"), "date +%s of web %m");
}
END_TEST

/* Half a million of them, in one piece: the arena keeps all that was taken. */
START_TEST(many_are_replaced_at_once)
{
	static char text[1024 * 1024 + 1];
	const char *expanded;
	long before;

	for (size_t i = 0; i + 2 < sizeof(text); i += 2)
		memcpy(text + i, "%i", 2);
	before = unit_peak();
	expanded = expand(text);
	ck_assert_int_lt(unit_peak() - before, 64 * 1024);
	ck_assert_uint_eq(strlen(expanded), strlen(text) / 2 * 3);
	ck_assert_str_eq(expanded + strlen(expanded) - 6, "webweb");
}
END_TEST

int main(void)
{
	return UNIT_RUN("format/specifier", what_is_known_is_replaced,
			a_text_without_any_stays_as_it_is, what_is_not_known_stays,
			many_are_replaced_at_once);
}
