#include "format/help.h"

#include <string.h>

#include "base/arena.h"
#include "base/text.h"

#define PAGE_WIDTH 80
#define TEXT_COLUMN 30

static void add_line(struct help *help, char *line)
{
	text_list_add(help->arena, &help->lines, line);
}

static const char *bold(const struct help *help, const char *text)
{
	return help->colour ? arena_format(help->arena, "\033[1m%s\033[0m", text) : text;
}

void help_init(struct help *help, struct arena *arena, bool colour, const char *program,
	       const char *arguments, const char *summary)
{
	*help = (struct help){ .arena = arena, .colour = colour };
	add_line(help, arena_format(arena, "%s %s\n\n%s", bold(help, program), arguments, summary));
}

void help_heading(struct help *help, const char *title)
{
	title = bold(help, arena_format(help->arena, "%s:", title));
	add_line(help, arena_format(help->arena, "\n%s", title));
}

/* Characters, not bytes: continuation bytes of UTF-8 take no room. */
static size_t text_width(const char *text, size_t length)
{
	size_t width = 0;

	for (size_t i = 0; i < length; i++)
		width += ((unsigned char)text[i] & 0xC0) != 0x80;
	return width;
}

void help_entry(struct help *help, const char *lead, const char *text)
{
	struct arena *arena = help->arena;
	size_t used = text_width(lead, strlen(lead));
	const char *line = lead;
	bool empty = true;

	if (used + 2 > TEXT_COLUMN) {
		add_line(help, arena_text(arena, lead));
		line = "";
		used = 0;
	}
	line = arena_format(arena, "%s%*s", line, (int)(TEXT_COLUMN - used), "");
	used = TEXT_COLUMN;
	while (*text) {
		size_t length = strcspn(text, " "), width = text_width(text, length);

		if (!empty && used + 1 + width > PAGE_WIDTH) {
			add_line(help, arena_text(arena, line));
			line = arena_format(arena, "%*s", TEXT_COLUMN, "");
			used = TEXT_COLUMN;
			empty = true;
		}
		line = arena_format(arena, "%s%s%.*s", line, empty ? "" : " ", (int)length, text);
		used += width + !empty;
		empty = false;
		text += length;
		text += strspn(text, " ");
	}
	add_line(help, arena_text(arena, line));
}

char *help_option(struct arena *arena, char letter, const char *name, const char *value,
		  bool optional)
{
	char *lead = letter ? arena_format(arena, "  -%c", letter) : arena_text(arena, "     ");

	if (name == NULL)
		return value == NULL ? lead : arena_format(arena, "%s %s", lead, value);
	lead = arena_format(arena, "%s%s--%s", lead, letter ? ", " : " ", name);
	if (value == NULL)
		return lead;
	return arena_format(arena, optional ? "%s[=%s]" : "%s=%s", lead, value);
}

char *help_done(struct help *help, const char *more)
{
	char *text = arena_text(help->arena, "");

	add_line(help, arena_format(help->arena, "\nMore: %s", more));
	for (size_t i = 0; i < help->lines.count; i++)
		text = arena_format(help->arena, "%s%s%s", text, i == 0 ? "" : "\n",
				    help->lines.items[i]);
	return text;
}
