#include "base/version.h"

#include "base/arena.h"

char *version_text(struct arena *arena, const char *program)
{
	return arena_format(arena, "%s (Redd) %s", program, version_number);
}
