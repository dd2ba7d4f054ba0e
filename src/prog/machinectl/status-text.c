#include "prog/machinectl/status-text.h"

#include <inttypes.h>
#include <string.h>

#include "base/arena.h"
#include "base/macros.h"
#include "base/text.h"
#include "machine/processes.h"

#define MS UINT64_C(1000)
#define SECOND (1000 * MS)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define WEEK (7 * DAY)
#define MONTH (UINT64_C(2629800) * SECOND)
#define YEAR (UINT64_C(31557600) * SECOND)

#define BRANCH "├─"
#define LAST "└─"
#define BAR "│ "
#define INDENT "\t\t  "
#define INDENT_WIDTH 18

static char *two(struct arena *arena, uint64_t a, const char *name_a, uint64_t b,
		 const char *name_b)
{
	const char *first = arena_format(arena, "%" PRIu64 " %s%s", a, name_a, a == 1 ? "" : "s");

	if (b == 0)
		return arena_format(arena, "%s ago", first);
	return arena_format(arena, "%s %" PRIu64 " %s%s ago", first, b, name_b, b == 1 ? "" : "s");
}

char *status_ago(struct arena *arena, uint64_t now_us, uint64_t then_us)
{
	uint64_t past = now_us > then_us ? now_us - then_us : 0;

	if (past >= YEAR)
		return two(arena, past / YEAR, "year", past % YEAR / MONTH, "month");
	if (past >= MONTH)
		return two(arena, past / MONTH, "month", past % MONTH / DAY, "day");
	if (past >= WEEK)
		return two(arena, past / WEEK, "week", past % WEEK / DAY, "day");
	if (past >= 2 * DAY)
		return two(arena, past / DAY, "day", 0, "");
	if (past >= 25 * HOUR)
		return arena_format(arena, "1 day %" PRIu64 "h ago", (past - DAY) / HOUR);
	if (past >= 6 * HOUR)
		return arena_format(arena, "%" PRIu64 "h ago", past / HOUR);
	if (past >= HOUR)
		return arena_format(arena, "%" PRIu64 "h %" PRIu64 "min ago", past / HOUR,
				    past % HOUR / MINUTE);
	if (past >= 5 * MINUTE)
		return arena_format(arena, "%" PRIu64 "min ago", past / MINUTE);
	if (past >= MINUTE)
		return arena_format(arena, "%" PRIu64 "min %" PRIu64 "s ago", past / MINUTE,
				    past % MINUTE / SECOND);
	if (past >= SECOND)
		return arena_format(arena, "%" PRIu64 "s ago", past / SECOND);
	if (past >= MS)
		return arena_format(arena, "%" PRIu64 "ms ago", past / MS);
	return past > 0 ? arena_format(arena, "%" PRIu64 "us ago", past) : arena_text(arena, "now");
}

char *status_span(struct arena *arena, uint64_t us)
{
	const char *days = us < DAY ? "" : arena_format(arena, "%" PRIu64 "d ", us / DAY);
	const char *hours = us < HOUR ? "" : arena_format(arena, "%" PRIu64 "h ", us % DAY / HOUR);

	if (us < SECOND)
		return arena_format(arena, "%" PRIu64 "ms", us / MS);
	if (us < MINUTE)
		return arena_format(arena, "%" PRIu64 ".%03" PRIu64 "s", us / SECOND,
				    us % SECOND / MS);
	return arena_format(arena, "%s%s%" PRIu64 "min %" PRIu64 "s", days, hours,
			    us % HOUR / MINUTE, us % MINUTE / SECOND);
}

/* ---- the tree ---- */

struct tree {
	FILE *out;
	struct arena *arena;
	size_t width;
};

/* Cut after WIDTH characters, the last of which says so. TEXT is well-formed: it was escaped. */
static char *shorten(struct arena *arena, const char *text, size_t width)
{
	size_t at = 0, keep = 0, count = 0;

	for (; text[at] != '\0'; at++) {
		if (((unsigned char)text[at] & 0xc0) == 0x80)
			continue;
		if (++count == width)
			keep = at;
	}
	if (count <= width)
		return arena_text(arena, text);
	return arena_format(arena, "%.*s…", (int)keep, text);
}

static int digits(pid_t pid)
{
	int count = 1;

	for (; pid >= 10; pid /= 10)
		count++;
	return count;
}

static void put_group(const struct tree *tree, const struct process_group *group,
		      const char *before, unsigned int depth)
{
	int width = group->count == 0 ? 0 : digits(group->processes[group->count - 1].pid);
	size_t used = INDENT_WIDTH + 2 * depth + 2 + (size_t)width + 1;

	for (size_t i = 0; i < group->count; i++) {
		const struct process *process = &group->processes[i];
		bool last = i + 1 == group->count && group->group_count == 0;
		char *command = text_printable(tree->arena, process->command);

		if (tree->width > 0)
			command = shorten(tree->arena, command,
					  tree->width > used + 10 ? tree->width - used : 10);
		fprintf(tree->out, INDENT "%s%s%*d %s\n", before, last ? LAST : BRANCH, width,
			(int)process->pid, command);
	}
	for (size_t i = 0; i < group->group_count; i++) {
		const struct process_group *below = &group->groups[i];
		bool last = i + 1 == group->group_count;

		fprintf(tree->out, INDENT "%s%s%s\n", before, last ? LAST : BRANCH,
			text_printable(tree->arena, below->name));
		put_group(tree, below, arena_format(tree->arena, "%s%s", before, last ? "  " : BAR),
			  depth + 1);
	}
}

void status_tree(FILE *out, struct arena *arena, const struct processes *processes, size_t width)
{
	const struct tree tree = { out, arena, width };

	put_group(&tree, &processes->top, "", 0);
	if (processes->more)
		fputs(INDENT "(and more)\n", out);
}
