#include "declare/key.h"

#include "base/list.h"
#include "base/macros.h"
#include "base/text.h"
#include "base/unit.h"
#include "spec/settings.h"

/* What machine/service and declare/unit read; limits are the runner's settings. */
static bool is_read_elsewhere(const char *name)
{
	static const char *const names[] = {
		"Restart",	     "RestartSec",  "TimeoutStartSec",
		"TimeoutStopSec",    "Description", "After",
		"Requires",	     "Wants",	    "BindsTo",
		"RequiresMountsFor", "WantedBy",    "ConditionPathExists",
		"Documentation", /* for people */
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (text_equal(names[i], name))
			return true;
	return false;
}

START_TEST(what_is_honoured_is_read_by_somebody)
{
	size_t count = 0;

	for (size_t i = 0; i < key_rows_count; i++) {
		const struct key *row = &key_rows[i];

		if (!key_is_unit_section(row->section) || !(row->flags & KEY_HONOURED))
			continue;
		count++;
		ck_assert_msg(setting_by_key(row->section, row->name) != NULL ||
				      is_read_elsewhere(row->name),
			      "nobody reads %s=", row->name);
	}
	ck_assert_uint_gt(count, 20);
}
END_TEST

int main(void)
{
	return UNIT_RUN("declare/key", what_is_honoured_is_read_by_somebody);
}
