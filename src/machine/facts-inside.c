#include "machine/facts-inside.h"

#include <stdio.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/text.h"
#include "kernel/process.h"
#include "machine/facts.h"
#include "machine/join.h"

#define ANSWER_MS 1000

/* "": not told. */
struct answer {
	char id[OS_RELEASE_VALUE_MAX + 1], version_id[OS_RELEASE_VALUE_MAX + 1];
	char pretty_name[OS_RELEASE_VALUE_MAX + 1];
};

static void put(char to[OS_RELEASE_VALUE_MAX + 1], const char *value)
{
	snprintf(to, OS_RELEASE_VALUE_MAX + 1, "%s", value == NULL ? "" : value);
}

static const char *get(struct arena *arena, const char *value)
{
	return *value == '\0' ? NULL : arena_text(arena, value);
}

static int look(void *join_, void *answer_)
{
	const struct join *join = join_;
	struct answer *answer = answer_;
	autoarena struct arena arena = { 0 };
	struct os_release os = { 0 };
	int r = join_become_root(join);

	if (r >= 0)
		r = facts_os_release(&arena, &os, NULL, join->root_fd, true);
	put(answer->id, os.id);
	put(answer->version_id, os.version_id);
	put(answer->pretty_name, os.pretty_name);
	return r;
}

int facts_os_release_inside(struct arena *arena, struct os_release *ret,
			    const struct machine *machine)
{
	struct join join = JOIN_EMPTY;
	struct answer answer;
	int r = join_open(&join, machine);

	if (r >= 0)
		r = process_ask(look, &join, &answer, sizeof(answer), ANSWER_MS);
	if (r >= 0)
		*ret = (struct os_release){
			.id = get(arena, answer.id),
			.version_id = get(arena, answer.version_id),
			.pretty_name = get(arena, answer.pretty_name),
		};
	join_done(&join);
	fail_forget();
	return r;
}
