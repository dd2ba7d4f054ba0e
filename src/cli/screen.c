#include "cli/screen.h"

#include <stddef.h>

#include "base/parse.h"
#include "base/text.h"

static const char *find_variable(const char *const *environment, const char *name)
{
	for (; environment && *environment; environment++) {
		const char *rest = text_after(*environment, name);

		if (rest && *rest == '=')
			return rest + 1;
	}
	return NULL;
}

bool screen_has_colour(const char *const *environment, bool is_terminal)
{
	const char *wanted = find_variable(environment, "SYSTEMD_COLORS");
	bool colour;

	if (wanted && parse_bool(&colour, wanted) == 0)
		return colour;
	if (!text_empty(find_variable(environment, "NO_COLOR")))
		return false;
	return is_terminal && !text_equal(find_variable(environment, "TERM"), "dumb");
}
