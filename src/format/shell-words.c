#include "format/shell-words.h"

#include <errno.h>
#include <string.h>

#include "base/arena.h"

/* A word as it grows, in the script's scratch: it is never longer than what it is written as. */
struct letters {
	size_t size;
	bool literal, bare;
};

int shell_script_begin(struct shell_script *script, struct arena *arena, const char *text,
		       size_t size)
{
	if (memchr(text, '\0', size) != NULL)
		return -EINVAL;
	*script = (struct shell_script){
		.arena = arena,
		.at = text,
		.end = text + size,
		.line = 1,
		.scratch = arena_take(arena, size + 1),
	};
	return 0;
}

static char look(const struct shell_script *script, size_t ahead)
{
	return (size_t)(script->end - script->at) > ahead ? script->at[ahead] : '\0';
}

static char take(struct shell_script *script)
{
	if (*script->at == '\n')
		script->line++;
	return *script->at++;
}

static void keep(struct shell_script *script, struct letters *letters)
{
	script->scratch[letters->size++] = take(script);
}

/* Up to the bracket that closes the one here, whatever stands between. */
static int keep_brackets(struct shell_script *script, struct letters *letters, char open,
			 char close)
{
	size_t depth = 0;

	while (script->at < script->end) {
		char letter = look(script, 0);

		keep(script, letters);
		if (letter == open)
			depth++;
		else if (letter == close && --depth == 0)
			return 0;
	}
	return -EINVAL;
}

/* "$" or a backtick, and what belongs to it. The names of variables are letters like others. */
static int keep_expansion(struct shell_script *script, struct letters *letters)
{
	letters->literal = false;
	if (look(script, 0) == '`')
		return -EINVAL;
	keep(script, letters);
	if (look(script, 0) == '(')
		return keep_brackets(script, letters, '(', ')');
	if (look(script, 0) == '{')
		return keep_brackets(script, letters, '{', '}');
	return 0;
}

static int keep_single(struct shell_script *script, struct letters *letters)
{
	letters->bare = false;
	take(script);
	while (script->at < script->end && look(script, 0) != '\'')
		keep(script, letters);
	if (script->at == script->end)
		return -EINVAL;
	take(script);
	return 0;
}

static int keep_double(struct shell_script *script, struct letters *letters)
{
	int r = 0;

	letters->bare = false;
	take(script);
	while (script->at < script->end && look(script, 0) != '"' && r >= 0) {
		if (look(script, 0) == '\\' && look(script, 1) == '\n') {
			take(script);
			take(script);
		} else if (look(script, 0) == '\\' && look(script, 1) != '\0' &&
			   strchr("$`\"\\", look(script, 1)) != NULL) {
			take(script);
			keep(script, letters);
		} else if (look(script, 0) == '$' || look(script, 0) == '`') {
			r = keep_expansion(script, letters);
		} else {
			keep(script, letters);
		}
	}
	if (r < 0 || script->at == script->end)
		return -EINVAL;
	take(script);
	return 0;
}

static bool ends_word(char letter)
{
	return letter == '\0' || strchr(" \t\n;&|()<>", letter) != NULL;
}

static int keep_part(struct shell_script *script, struct letters *letters)
{
	char letter = look(script, 0);

	switch (letter) {
	case '\'': return keep_single(script, letters);
	case '"': return keep_double(script, letters);
	case '$':
		/* Other kinds of quotes. */
		if (look(script, 1) == '\'' || look(script, 1) == '"')
			return -EINVAL;
		return keep_expansion(script, letters);
	case '`': return -EINVAL;
	case '\\':
		take(script);
		if (script->at == script->end)
			return -EINVAL;
		letters->bare = false;
		if (look(script, 0) == '\n')
			take(script);
		else
			keep(script, letters);
		return 0;
	default:
		/* Patterns, braces and "~" become other words. */
		letters->literal = letters->literal && strchr("*?[]{}~", letter) == NULL;
		keep(script, letters);
		return 0;
	}
}

static int read_word(struct shell_script *script, size_t *room)
{
	struct letters letters = { .literal = true, .bare = true };
	unsigned int line = script->line;
	int r = 0;

	if (script->count == SHELL_WORDS_MAX)
		return -E2BIG;
	/* An operator is a word by itself. */
	if (strchr("()<>", look(script, 0)) != NULL)
		keep(script, &letters);
	else
		while (r >= 0 && !ends_word(look(script, 0)))
			r = keep_part(script, &letters);
	if (r < 0)
		return r;
	if (script->count == *room) {
		struct shell_word *old = script->words;

		*room = *room == 0 ? 16 : 2 * *room;
		script->words = arena_take_array(script->arena, *room, sizeof(*old));
		if (script->count > 0)
			memcpy(script->words, old, script->count * sizeof(*old));
	}
	script->words[script->count++] = (struct shell_word){
		.text = arena_text_n(script->arena, script->scratch, letters.size),
		.line = line,
		.literal = letters.literal,
		.bare = letters.bare,
	};
	return 0;
}

static void skip_comment(struct shell_script *script)
{
	while (script->at < script->end && look(script, 0) != '\n')
		take(script);
}

int shell_script_next(struct shell_script *script)
{
	size_t room = 0;
	int r = 0;

	script->words = NULL;
	script->count = 0;
	while (script->at < script->end && r >= 0) {
		char letter = look(script, 0);

		if (strchr("\n;&|", letter) != NULL) {
			take(script);
			if (script->count > 0)
				return 1;
		} else if (letter == ' ' || letter == '\t') {
			take(script);
		} else if (letter == '\\' && look(script, 1) == '\n') {
			take(script);
			take(script);
		} else if (letter == '#') {
			skip_comment(script);
		} else if (letter == '<' && look(script, 1) == '<') {
			return -EINVAL;
		} else {
			r = read_word(script, &room);
		}
	}
	return r < 0 ? r : script->count > 0;
}
