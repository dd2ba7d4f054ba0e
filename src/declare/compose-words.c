/* What words mean in a compose file: variables are replaced, paths are relative to the file. */
#include "declare/compose.h"

#include <string.h>

#include "base/arena.h"
#include "base/parse.h"
#include "base/path.h"
#include "base/text.h"
#include "declare/import-words.h"
#include "declare/yaml.h"

#define TEXT_MAX (64 * 1024) /* of one value with its variables replaced */
#define NESTING_MAX 8	     /* of variables in defaults of others */

struct import_at compose_at(struct compose *compose, struct import_at at, const char *key,
			    const struct yaml_node *node)
{
	return (struct import_at){ at.file, node->line,
				   arena_format(compose->import->arena, "%s.%s", at.key, key) };
}

/* ---- variables ---- */

static const char *variable(const struct compose *compose, const char *name)
{
	const char *value = text_variable(compose->import->environment, name);

	for (size_t i = compose->variables.count; i > 0 && !value; i--)
		value = text_assigned(compose->variables.items[i - 1], name);
	return value;
}

static char *replace(struct compose *compose, const char *text, struct import_at at,
		     unsigned int depth);

/* "NAME", "NAME:-DEFAULT" and so on, which stand between braces. */
static const char *braced(struct compose *compose, const char *text, struct import_at at,
			  unsigned int depth)
{
	struct arena *arena = compose->import->arena;
	size_t length = strspn(text,
			       "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789");
	char *name = arena_text_n(arena, text, length);
	const char *value = variable(compose, name), *rest = text + length;
	bool set = value != NULL;

	if (*rest == ':') {
		set = !text_empty(value);
		rest++;
	}
	if (*rest == '\0' && rest == text + length && length > 0) {
		if (!value)
			import_note(compose->import, compose->machine, at,
				    "the variable '%s' is not set, so it is empty", name);
		return value ? value : "";
	}
	switch (length > 0 ? *rest : '\0') {
	case '-': return set ? value : replace(compose, rest + 1, at, depth + 1);
	case '+': return set ? replace(compose, rest + 1, at, depth + 1) : "";
	case '?':
		if (!set)
			import_refuse(compose->import, at, "the variable '%s' must be set: %.80s",
				      name, text_printable(arena, rest + 1));
		return set ? value : "";
	default:
		import_refuse(compose->import, at, "'${%.80s}' is no variable",
			      text_printable(arena, text));
		return "";
	}
}

/* Up to the brace that closes; NULL: there is none. */
static const char *closing(const char *text)
{
	unsigned int open = 1;

	for (; *text; text++) {
		if (text[0] == '$' && text[1] == '{')
			open++;
		else if (*text == '}' && --open == 0)
			return text;
	}
	return NULL;
}

/* What follows a '$'; *REST is set behind it. */
static const char *dollar(struct compose *compose, const char **rest, struct import_at at,
			  unsigned int depth)
{
	struct arena *arena = compose->import->arena;
	const char *text = *rest;
	size_t length = strspn(text,
			       "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789");

	if (*text == '$') {
		*rest = text + 1;
		return "$";
	}
	if (*text == '{' && closing(text + 1)) {
		*rest = closing(text + 1) + 1;
		return braced(compose, arena_text_n(arena, text + 1, (size_t)(*rest - text) - 2),
			      at, depth);
	}
	if (length == 0) {
		import_refuse(compose->import, at, "a '$' that begins no variable is written '$$'");
		return "";
	}
	*rest = text + length;
	return braced(compose, arena_text_n(arena, text, length), at, depth);
}

static char *replace(struct compose *compose, const char *text, struct import_at at,
		     unsigned int depth)
{
	struct arena *arena = compose->import->arena;
	struct text_list pieces = { 0 };
	size_t size = 1;
	char *whole, *end;

	if (depth > NESTING_MAX) {
		import_refuse(compose->import, at, "variables are nested too deeply");
		return arena_text(arena, "");
	}
	while (*text && compose->import->status >= 0) {
		size_t length = strcspn(text, "$");
		const char *piece;

		if (length > 0) {
			piece = arena_text_n(arena, text, length);
			text += length;
		} else {
			text++;
			piece = dollar(compose, &text, at, depth);
		}
		size += strlen(piece);
		if (size > TEXT_MAX) {
			import_refuse(compose->import, at, "the value is too long");
			break;
		}
		text_list_add(arena, &pieces, arena_text(arena, piece));
	}
	whole = end = arena_take(arena, size);
	if (size > TEXT_MAX || compose->import->status < 0)
		return whole;
	for (size_t i = 0; i < pieces.count; i++)
		end = stpcpy(end, pieces.items[i]);
	return whole;
}

/* ---- values ---- */

const char *compose_text(struct compose *compose, const struct yaml_node *node, struct import_at at)
{
	const char *text = yaml_text(node);

	if (yaml_is_null(node))
		return "";
	if (!text) {
		import_refuse(compose->import, at, "this is not one word");
		return "";
	}
	return strchr(text, '$') ? replace(compose, text, at, 0) : text;
}

void compose_words(struct compose *compose, struct text_list *list, const struct yaml_node *node,
		   struct import_at at, bool split)
{
	struct arena *arena = compose->import->arena;
	const char *text;

	if (yaml_is_null(node))
		return;
	if (node->kind == YAML_SEQUENCE) {
		for (size_t i = 0; i < node->count; i++) {
			at.line = node->items[i]->line;
			text = compose_text(compose, node->items[i], at);
			text_list_add(arena, list, arena_text(arena, text));
		}
		return;
	}
	text = compose_text(compose, node, at);
	if (!split)
		text_list_add(arena, list, arena_text(arena, text));
	else if (text_split_quoted(arena, list, text) < 0)
		import_refuse(compose->import, at, "a quote is open, or an escape is not known");
}

bool compose_bool(struct compose *compose, const struct yaml_node *node, struct import_at at)
{
	bool value = false;

	if (parse_bool(&value, compose_text(compose, node, at)) < 0)
		import_refuse(compose->import, at, "this is neither true nor false");
	return value;
}

const char *compose_path(struct compose *compose, const char *path)
{
	struct arena *arena = compose->import->arena;

	if (*path == '~' && (path[1] == '/' || path[1] == '\0') && compose->home)
		return arena_format(arena, "%s%s", compose->home, path + 1);
	return path_is_absolute(path) ? path
				      : path_simplify(arena, path_join(arena, compose->base, path));
}

/* ---- environment ---- */

static void from_caller(struct compose *compose, struct import_at at, const char *name)
{
	const char *value = variable(compose, name);

	if (value)
		import_environment(compose->import, &compose->environment, at,
				   arena_format(compose->import->arena, "%s=%s", name, value));
	else
		import_note(compose->import, compose->machine, at,
			    "the variable '%.80s' is not set here, so it is left out",
			    text_printable(compose->import->arena, name));
}

void compose_environment(struct compose *compose, const struct yaml_node *node, struct import_at at)
{
	struct text_list words = { 0 };

	if (node->kind != YAML_MAPPING)
		compose_words(compose, &words, node, at, false);
	for (size_t i = 0; i < words.count; i++) {
		if (strchr(words.items[i], '='))
			import_environment(compose->import, &compose->environment, at,
					   words.items[i]);
		else
			from_caller(compose, at, words.items[i]);
	}
	for (size_t i = 0; node->kind == YAML_MAPPING && i < node->count; i++) {
		at.line = node->keys[i]->line;
		if (yaml_is_null(node->items[i]))
			from_caller(compose, at, node->keys[i]->text);
		else
			import_environment(compose->import, &compose->environment, at,
					   arena_format(compose->import->arena, "%s=%s",
							node->keys[i]->text,
							compose_text(compose, node->items[i], at)));
	}
}

/* ---- the file as a whole ---- */

/* Letters, digits and hyphens of what compose would call the project. */
static const char *project_name(struct compose *compose)
{
	struct import_at at = { compose->path, 1, "name" };
	const struct yaml_node *node = yaml_find(compose->top, "name");
	const char *text = node ? compose_text(compose, node, at) : path_name(compose->base);
	char *name = import_name(compose->import, text);

	return name ? name : "compose";
}

void compose_begin(struct compose *compose)
{
	struct import *import = compose->import;
	const char *path = path_join(import->arena, compose->base, ".env");

	compose->home = text_variable(import->environment, "HOME");
	if (import->read)
		import_environment_file(import, NULL, &compose->variables,
					(struct import_at){ path, 1, ".env" }, path, false);
	/* That there is none is the usual case. */
	import->note_count = 0;
	compose->project = project_name(compose);
}
