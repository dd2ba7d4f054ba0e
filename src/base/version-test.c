#include "base/version.h"

#include "base/arena.h"
#include "base/text.h"
#include "base/unit.h"

START_TEST(the_version_names_program_and_project)
{
	autoarena struct arena arena = {};

	ck_assert_str_eq(text_after(version_text(&arena, "machinectl"), "machinectl (Redd) "),
			 version_number);
	ck_assert(!text_empty(version_number));
}
END_TEST

int main(void)
{
	return UNIT_RUN("base/version", the_version_names_program_and_project);
}
