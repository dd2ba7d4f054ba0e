#include "cli/screen.h"

#include "base/parse.h"
#include "base/text.h"

bool screen_has_colour(const char *const *environment, bool is_terminal)
{
	const char *wanted = text_variable(environment, "SYSTEMD_COLORS");
	bool colour;

	if (wanted && parse_bool(&colour, wanted) == 0)
		return colour;
	if (!text_empty(text_variable(environment, "NO_COLOR")))
		return false;
	return is_terminal && !text_equal(text_variable(environment, "TERM"), "dumb");
}
