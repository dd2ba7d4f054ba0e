#include "transfer/behind.h"

#include <errno.h>
#include <unistd.h>

#include "base/unit.h"

START_TEST(it_begins_when_it_is_worth_it)
{
	struct behind behind;

	behind_start(&behind, STDIN_FILENO);
	behind_note(&behind, 0);
	behind_note(&behind, BEHIND_BYTES - 1);
	ck_assert(!behind.runs);
	behind_note(&behind, BEHIND_BYTES);
	ck_assert(behind.runs);
	behind_stop(&behind);
}
END_TEST

START_TEST(it_may_never_have_begun)
{
	struct behind behind;

	behind_start(&behind, -EBADF);
	behind_stop(&behind);
}
END_TEST

START_TEST(it_goes_on_whatever_the_disk_says)
{
	struct behind behind;

	behind_start(&behind, -EBADF);
	for (uint64_t i = 1; i < 100; i++)
		behind_note(&behind, i * BEHIND_BYTES);
	behind_stop(&behind);
}
END_TEST

int main(void)
{
	return UNIT_RUN("transfer/behind", it_begins_when_it_is_worth_it, it_may_never_have_begun,
			it_goes_on_whatever_the_disk_says);
}
