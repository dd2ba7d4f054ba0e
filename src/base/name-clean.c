#include "base/name-clean.h"

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/names.h"
#include "base/path.h"

static bool is_letter_or_digit(char c)
{
	const char name[] = { c, '\0' };

	return name_is_machine(name);
}

char *name_clean(struct arena *arena, const char *text)
{
	const char *from = path_name(path_simplify(arena, text));
	char *name = arena_take(arena, NAME_MAX_LENGTH + 1);
	size_t used = 0;

	/* A good name comes out as it went in; so "a--b" keeps its hyphens. */
	for (; *from != '\0' && used < NAME_MAX_LENGTH; from++) {
		char before = used == 0 ? '.' : name[used - 1];

		if (*from == '.' && (before == '.' || before == '-'))
			continue;
		if (*from == '-' && before == '.')
			continue;
		if (*from == '.' || *from == '-' || is_letter_or_digit(*from))
			name[used++] = *from;
	}
	while (used > 0 && (name[used - 1] == '.' || name[used - 1] == '-'))
		used--;
	name[used] = '\0';
	return used == 0 ? NULL : name;
}
