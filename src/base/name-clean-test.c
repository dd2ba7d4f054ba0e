#include "base/arena.h"
#include "base/macros.h"
#include "base/name-clean.h"
#include "base/names.h"
#include "base/unit.h"

START_TEST(a_path_becomes_a_name)
{
	static const struct {
		const char *text, *name;
	} cases[] = {
		{ "/var/lib/machines/web", "web" },
		{ "/srv/web/", "web" },
		{ "/srv/web/.", "web" },
		{ "my_tree", "mytree" },
		{ "a--b", "a--b" },
		{ "..a..b..", "a.b" },
		{ "-a-", "a" },
		{ ".#snap.x", "snap.x" },
		{ "a.-b", "a.b" },
		{ "a-.b", "a-b" },
		{ "caf\xc3\xa9", "caf" },
		{ "a\nb", "ab" },
		{ "/", NULL },
		{ "", NULL },
		{ "___", NULL },
		{ "...", NULL },
		{ "0123456789012345678901234567890123456789012345678901234567890123456789",
		  "0123456789012345678901234567890123456789012345678901234567890123" },
		{ "012345678901234567890123456789012345678901234567890123456789012--x",
		  "012345678901234567890123456789012345678901234567890123456789012" },
	};
	autoarena struct arena arena = {};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char *name = name_clean(&arena, cases[i].text);

		ck_assert_pstr_eq(name, cases[i].name);
		ck_assert(name == NULL || name_is_machine(name));
	}
}
END_TEST

int main(void)
{
	return UNIT_RUN("base/name-clean", a_path_becomes_a_name);
}
