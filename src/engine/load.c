#include "engine/load.h"

#include <errno.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "engine/root-locate.h"
#include "engine/settings-file.h"
#include "kernel/terminal.h"
#include "spec/readers.h"

int load_rest(struct arena *arena, struct spec *spec, const struct reader_facts *facts)
{
	struct resolve_facts resolve_facts = {
		.uid = facts->uid,
		.stdin_is_terminal = terminal_is(STDIN_FILENO),
		.stdout_is_terminal = terminal_is(STDOUT_FILENO),
		.working_directory = facts->working_directory,
	};
	struct root_place place;
	int r;

	r = root_locate(arena, &place, spec, facts);
	if (r < 0)
		return r;
	r = settings_file_load(arena, spec, facts, &place);
	if (r < 0)
		return r;
	return spec_resolve(arena, spec, &resolve_facts);
}

int load_spec(struct arena *arena, struct spec *spec, const struct reader_facts *facts,
	      const char *const *arguments)
{
	const struct setting *words_of = NULL;
	char **words;
	int count = 0, r;

	while (arguments != NULL && arguments[count] != NULL)
		count++;
	words = arena_take_array(arena, (size_t)count + 1, sizeof(*words));
	for (int i = 0; i < count; i++)
		words[i] = arena_text(arena, arguments[i]);
	spec_init(spec);
	r = args_parse(arena, spec, facts, count, words, &words_of);
	if (r > 0)
		return fail_plain(-EINVAL, "cannot start from a command line that asks for words");
	if (r >= 0)
		r = environment_parse(arena, spec, facts);
	return r < 0 ? r : load_rest(arena, spec, facts);
}
