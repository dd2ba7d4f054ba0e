#include "format/nixos-script.h"

#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/macros.h"
#include "base/names.h"
#include "base/text.h"
#include "format/ini.h"
#include "format/shell-words.h"

#define FLAGS "extraFlags"

struct reader {
	struct arena *arena;
	struct nixos_script *script;
	struct shell_script shell;
	size_t depth; /* of if, for and their like */
	bool started; /* systemd-nspawn was there */
};

static int refuse(struct reader *reader, unsigned int line, const char *why)
{
	reader->script->line = line;
	reader->script->why = why;
	return -EINVAL;
}

/* 1, 0 or an error that is told. */
static int next(struct reader *reader)
{
	int r = shell_script_next(&reader->shell);

	return r < 0 ? refuse(reader, reader->shell.line, "this is no shell script of a known form")
		     : r;
}

static int begin(struct reader *reader, struct arena *arena, struct nixos_script *script,
		 const char *text, size_t size)
{
	*reader = (struct reader){ .arena = arena, .script = script };
	return shell_script_begin(&reader->shell, arena, text, size) < 0
		       ? refuse(reader, 0, "this is no text")
		       : 0;
}

/* ---- options ---- */

static bool is_value(const char *text)
{
	return *text != '\0' && ini_is_line(text);
}

static int add_value(struct reader *reader, struct text_list *list, const struct shell_word *word,
		     const char *value)
{
	if (!word->literal || !is_value(value))
		return refuse(reader, word->line, "an option's value is no literal");
	text_list_add(reader->arena, list, arena_text(reader->arena, value));
	return 0;
}

static int add_link(struct reader *reader, const struct shell_word *word, const char *name)
{
	struct nixos_script *script = reader->script;
	struct nixos_script_link *link;

	if (!word->literal || !name_is_interface(name) ||
	    script->link_count == NIXOS_SCRIPT_LINKS_MAX)
		return refuse(reader, word->line,
			      "a further link has no literal name, or there are too many");
	link = list_grow(reader->arena, (void **)&script->links, &script->link_count,
			 sizeof(*link));
	link->name = name;
	return 0;
}

/* 1: one of those that only the unit has. 0: another one. */
static int take_own(struct reader *reader, const struct shell_word *word)
{
	struct nixos_script *script = reader->script;
	const char *value;
	int r = 0;

	if (text_equal(word->text, "--ephemeral")) {
		script->ephemeral = true;
		return 1;
	}
	if ((value = text_after(word->text, "--capability=")) != NULL)
		r = add_value(reader, &script->capabilities, word, value);
	else if ((value = text_after(word->text, "--tmpfs=")) != NULL)
		r = add_value(reader, &script->tmpfs, word, value);
	else if ((value = text_after(word->text, "--network-veth-extra=")) != NULL)
		r = add_link(reader, word, value);
	else
		return 0;
	return r < 0 ? r : 1;
}

/* What the conf says too is made of it by us. At the top level it would not be the conf's. */
static bool is_of_conf(const struct reader *reader, const char *flag)
{
	static const char *const whole[] = { "--private-network", "--network-veth",
					     "--personality=x86" };
	static const char *const begun[] = {
		"--private-users=$",	 "--port=$",
		"--network-bridge=$",	 "--network-namespace-path=$",
		"--network-interface=$", "--network-macvlan=$",
	};

	for (size_t i = 0; i < ARRAY_SIZE(whole); i++)
		if (text_equal(flag, whole[i]))
			return reader->depth > 0;
	for (size_t i = 0; i < ARRAY_SIZE(begun); i++)
		if (text_after(flag, begun[i]))
			return true;
	return false;
}

static int take_flag(struct reader *reader, const struct shell_word *word)
{
	int r;

	if (*word->text == '\0')
		return 0;
	if (is_of_conf(reader, word->text))
		return 0;
	/* What only sometimes counts cannot be told. */
	r = reader->depth > 0 ? 0 : take_own(reader, word);
	return r == 0 ? refuse(reader, word->line, "an option is none that is known here") : r;
}

/* ---- extraFlags ---- */

static int take_flag_text(struct reader *reader, const struct shell_word *word, const char *text)
{
	struct text_list flags = { 0 };
	int r = 0;

	text_split(reader->arena, &flags, text, " \t\n");
	for (size_t i = 0; i < flags.count && r >= 0; i++) {
		const struct shell_word flag = { .text = flags.items[i],
						 .line = word->line,
						 .literal = word->literal };

		r = take_flag(reader, &flag);
	}
	return r;
}

/* extraFlags+=(WORD...), extraFlags+="WORD...", and where they begin. */
static int take_flags(struct reader *reader, const struct shell_word *words, size_t count)
{
	const char *text = text_after(words[0].text, FLAGS "+=");
	int r = 0;

	if (text == NULL)
		text = text_after(words[0].text, FLAGS "=");
	if (count == 1)
		return take_flag_text(reader, &words[0], text);
	if (*text != '\0' || !text_equal(words[1].text, "(") ||
	    !text_equal(words[count - 1].text, ")"))
		return refuse(reader, words[0].line, "options are gathered in an unknown way");
	for (size_t i = 2; i + 1 < count && r >= 0; i++)
		r = take_flag(reader, &words[i]);
	return r;
}

static bool assigns_flags(const char *text)
{
	return text_after(text, FLAGS "+=") != NULL || text_after(text, FLAGS "=") != NULL;
}

/* ---- the command ---- */

/* How many words: 0: it is none of those that mean nothing new. */
static size_t is_usual(const struct shell_word *word, bool last)
{
	static const char *const alone[] = {
		"--keep-unit",	       "${extraFlags[@]}",	 "$extraFlags",
		"$EXTRA_NSPAWN_FLAGS", "${EXTRA_NSPAWN_FLAGS-}", "${EXTRA_NSPAWN_FLAGS:-}",
	};
	static const char *const begun[] = {
		"--notify-ready=",	 "--kill-signal=",
		"--link-journal=",	 "--setenv=",
		"--bind-ro=/nix/store:", "--bind-ro=/nix/var/nix/",
		"--bind=/nix/var/nix/",
	};
	static const char *const pairs[] = { "-M", "-D", "--setenv" };

	for (size_t i = 0; i < ARRAY_SIZE(alone); i++)
		if (text_equal(word->text, alone[i]))
			return 1;
	for (size_t i = 0; i < ARRAY_SIZE(begun); i++)
		if (text_after(word->text, begun[i]) != NULL)
			return 1;
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++)
		if (!last && text_equal(word->text, pairs[i]))
			return 2;
	return 0;
}

static int take_options(struct reader *reader, const struct shell_word *words, size_t count)
{
	for (size_t i = 0; i < count;) {
		const struct shell_word *word = &words[i];
		size_t usual = is_usual(word, i + 1 == count);
		int r;

		if (usual > 0) {
			i += usual;
			continue;
		}
		r = take_own(reader, word);
		if (r < 0)
			return r;
		if (r > 0) {
			i++;
			continue;
		}
		if (!word->literal || word->text[0] != '/' || !is_value(word->text))
			return refuse(reader, word->line,
				      "an option of systemd-nspawn is none that is known here");
		reader->script->init = word->text;
		return 0;
	}
	return 0;
}

static bool is_nspawn(const struct shell_word *word)
{
	return text_equal(word->text, "systemd-nspawn") || text_ends(word->text, "/systemd-nspawn");
}

/* ---- commands ---- */

/* The language's own words at the head of a command; what follows is one, too. */
static size_t take_structure(struct reader *reader, const struct shell_word *words, size_t count)
{
	static const char *const opens[] = { "if", "for", "while", "until", "case", "{" };
	static const char *const closes[] = { "fi", "done", "esac", "}" };
	static const char *const others[] = { "then", "else", "elif", "do", "!" };
	size_t at = 0;

	for (; at < count && words[at].bare; at++) {
		bool known = false;

		for (size_t i = 0; i < ARRAY_SIZE(opens); i++)
			if (text_equal(words[at].text, opens[i])) {
				reader->depth++;
				known = true;
			}
		for (size_t i = 0; i < ARRAY_SIZE(closes); i++)
			if (text_equal(words[at].text, closes[i]) && reader->depth > 0) {
				reader->depth--;
				known = true;
			}
		for (size_t i = 0; i < ARRAY_SIZE(others); i++)
			known |= text_equal(words[at].text, others[i]);
		if (!known)
			break;
	}
	return at;
}

/* Others are none of ours as long as they do not touch what is. */
static int pass_over(struct reader *reader, const struct shell_word *words, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		bool declares = text_equal(words[i].text, FLAGS) && i > 0 &&
				(text_equal(words[0].text, "declare") ||
				 text_equal(words[0].text, "local"));

		if (strstr(words[i].text, "systemd-nspawn") != NULL ||
		    (strstr(words[i].text, FLAGS) != NULL && !declares))
			return refuse(reader, words[i].line,
				      "the options are used in an unknown way");
	}
	return 0;
}

static int take_command(struct reader *reader, const struct shell_word *words, size_t count)
{
	size_t at = take_structure(reader, words, count);

	words += at;
	count -= at;
	if (count == 0)
		return 0;
	if (reader->started)
		return refuse(reader, words[0].line, "it goes on behind systemd-nspawn");
	if (assigns_flags(words[0].text))
		return take_flags(reader, words, count);
	at = count > 1 && text_equal(words[0].text, "exec") ? 1 : 0;
	if (!is_nspawn(&words[at]))
		return pass_over(reader, words, count);
	if (reader->depth > 0)
		return refuse(reader, words[at].line, "systemd-nspawn runs only sometimes");
	reader->started = true;
	return take_options(reader, words + at + 1, count - at - 1);
}

int nixos_script_start(struct arena *arena, struct nixos_script *script, const char *text,
		       size_t size)
{
	struct reader reader;
	int r;

	*script = (struct nixos_script){ 0 };
	r = begin(&reader, arena, script, text, size);
	if (r < 0)
		return r;
	while ((r = next(&reader)) > 0) {
		r = take_command(&reader, reader.shell.words, reader.shell.count);
		if (r < 0)
			return r;
	}
	if (r == 0 && !reader.started)
		return refuse(&reader, reader.shell.line, "there is no systemd-nspawn in it");
	return r;
}

/* ---- links ---- */

static struct nixos_script_link *find_link(const struct nixos_script *script,
					   const struct shell_word *word)
{
	for (size_t i = 0; word->literal && i < script->link_count; i++)
		if (text_equal(script->links[i].name, word->text))
			return &script->links[i];
	return NULL;
}

/* ip link set dev NAME [up | master BRIDGE]... */
static int take_link(struct reader *reader, struct nixos_script_link *link,
		     const struct shell_word *words, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (text_equal(words[i].text, "up"))
			continue;
		if (!text_equal(words[i].text, "master") || i + 1 == count ||
		    !words[i + 1].literal || !name_is_interface(words[i + 1].text))
			return refuse(reader, words[i].line, "a link is set up in an unknown way");
		link->bridge = words[++i].text;
	}
	return 0;
}

static void add_once(struct arena *arena, struct text_list *list, const char *text)
{
	if (!text_list_has(list, text))
		text_list_add(arena, list, arena_text(arena, text));
}

/* WORDS: behind "ip" and "-4" or "-6". About no link of ours: passed over. */
static int take_ip(struct reader *reader, const struct shell_word *words, size_t count, bool inside)
{
	struct nixos_script_link *link = NULL;
	bool route;

	if (count >= 4 && text_equal(words[0].text, "link") && text_equal(words[1].text, "set") &&
	    text_equal(words[2].text, "dev") && (link = find_link(reader->script, &words[3])))
		return take_link(reader, link, words + 4, count - 4);
	for (size_t i = 0; i < count; i++) {
		link = find_link(reader->script, &words[i]);
		if (link != NULL)
			break;
	}
	if (link == NULL)
		return 0;
	route = text_equal(words[0].text, "route");
	if (count != 5 || !(route || text_equal(words[0].text, "addr")) ||
	    !text_equal(words[1].text, "add") || !text_equal(words[3].text, "dev") ||
	    find_link(reader->script, &words[4]) == NULL || !words[2].literal ||
	    !is_value(words[2].text) || strpbrk(words[2].text, " \t") != NULL)
		return refuse(reader, words[0].line,
			      "a link's addresses are set in an unknown way");
	/* A route leads to the other end. */
	add_once(reader->arena, inside != route ? &link->local : &link->host, words[2].text);
	return 0;
}

int nixos_script_links(struct arena *arena, struct nixos_script *script, const char *text,
		       size_t size, bool inside)
{
	struct reader reader;
	int r = begin(&reader, arena, script, text, size);

	if (r < 0)
		return r;
	while ((r = next(&reader)) > 0) {
		const struct shell_word *words = reader.shell.words;
		size_t count = reader.shell.count, at = take_structure(&reader, words, count);

		if (at == count || !text_equal(words[at].text, "ip"))
			continue;
		at++;
		if (at < count &&
		    (text_equal(words[at].text, "-6") || text_equal(words[at].text, "-4")))
			at++;
		r = take_ip(&reader, words + at, count - at, inside);
		if (r < 0)
			return r;
	}
	return r;
}
