#include "declare/unit.h"

#include <string.h>

#include "base/arena.h"
#include "base/unit.h"

static struct arena arena;

static const char *drop_in(const char *text)
{
	return unit_drop_in(&arena, text, strlen(text), "/x/web.nspawn", "/usr/bin");
}

START_TEST(systemds_sections_are_passed_on)
{
	ck_assert_str_eq(drop_in("[Exec]\nBoot=yes\n"
				 "[X-Unit]\nRequires=db.nspawn network.target\nAfter=%i-db.nspawn\n"
				 "RequiresMountsFor=/srv/a.nspawn /b\n"
				 "[X-Service]\nMemoryMax=512M\nExecStartPre=\n"
				 "[X-Install]\nWantedBy=machines.target\n"),
			 "# Made from /x/web.nspawn when systemd looked at its units.\n\n"
			 "[Unit]\nRequires=container@db.service network.target\n"
			 "After=container@%i-db.service\nRequiresMountsFor=/srv/a.nspawn /b\n"
			 "[Service]\nMemoryMax=512M\nExecStartPre=\n");
}
END_TEST

START_TEST(what_names_no_unit_stays_as_it_is)
{
	ck_assert_str_eq(drop_in("[X-Unit]\nDescription=\"two  blanks\" of web.nspawn\n"
				 "OnFailure=mail.nspawn  x.target\nConditionPathExists=/a.nspawn\n"
				 "[X-Service]\nExecStartPre=/bin/echo  'a  b' db.nspawn\n"
				 "After=db.nspawn\n"),
			 "# Made from /x/web.nspawn when systemd looked at its units.\n\n"
			 "[Unit]\nDescription=\"two  blanks\" of web.nspawn\n"
			 "OnFailure=container@mail.service x.target\n"
			 "ConditionPathExists=/a.nspawn\n"
			 "[Service]\nExecStartPre=/bin/echo  'a  b' db.nspawn\n"
			 "After=db.nspawn\n");
}
END_TEST

/* The generator runs at each boot, for whatever is there. */
START_TEST(a_long_file_is_copied_once)
{
	static char text[160000] = "[X-Service]\n";
	size_t size = strlen(text);
	const char *made;
	long before;

	for (; size + 4 < sizeof(text); size += 4)
		memcpy(text + size, "A=b\n", 4);
	before = unit_peak();
	made = drop_in(text);
	ck_assert_int_lt(unit_peak() - before, 64 * 1024);
	ck_assert_uint_gt(strlen(made), size - strlen("[X-Service]\n"));
}
END_TEST

START_TEST(a_reload_command_is_run_in_the_machine)
{
	ck_assert_str_eq(drop_in("[X-Reload]\nCommand=/bin/sh -c 'date +%s > $HOME/x'\n"),
			 "# Made from /x/web.nspawn when systemd looked at its units.\n\n"
			 "[Service]\nExecReload=/usr/bin/machinectl --quiet exec %i -- "
			 "\"/bin/sh\" \"-c\" \"date +%%s > $$HOME/x\"\n");
	/* A bare semicolon would begin a command of the host's. */
	ck_assert_str_eq(drop_in("[X-Reload]\nCommand=/bin/echo a ; /x \"b\\n\" '\"\\'\n"),
			 "# Made from /x/web.nspawn when systemd looked at its units.\n\n"
			 "[Service]\nExecReload=/usr/bin/machinectl --quiet exec %i -- "
			 "\"/bin/echo\" \"a\" \";\" \"/x\" \"b\\x0a\" \"\\\"\\\\\"\n");
	ck_assert_ptr_null(drop_in("[X-Reload]\nCommand=/bin/echo 'a\n"));
}
END_TEST

START_TEST(what_says_nothing_of_a_unit_makes_none)
{
	static const char install[] = "[X-Install]\nWantedBy=x\n";
	static const char empty[] = "[X-Install]\nWantedBy=x\nWantedBy=\n";

	ck_assert_ptr_null(drop_in("[Exec]\nBoot=yes\n[X-Image]\nSource=dir:/x\n"));
	ck_assert_ptr_null(drop_in(install));
	ck_assert(unit_starts_at_boot(&arena, install, strlen(install)));
	ck_assert(!unit_starts_at_boot(&arena, empty, strlen(empty)));
	ck_assert(!unit_starts_at_boot(&arena, "", 0));
}
END_TEST

int main(void)
{
	return UNIT_RUN("declare/unit", systemds_sections_are_passed_on,
			what_names_no_unit_stays_as_it_is, a_long_file_is_copied_once,
			a_reload_command_is_run_in_the_machine,
			what_says_nothing_of_a_unit_makes_none);
}
