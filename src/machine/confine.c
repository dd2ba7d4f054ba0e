#include "machine/confine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/text.h"
#include "kernel/seccomp.h"

static char *append(struct arena *arena, char *text, const char *word, bool wanted)
{
	return wanted ? arena_format(arena, "%s %s", text, word) : text;
}

static char *append_list(struct arena *arena, char *text, const char *word,
			 const struct text_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		text = arena_format(arena, "%s %s%s", text, word, list->items[i]);
	return text;
}

char *confine_print(struct arena *arena, const struct confine *confine)
{
	char *text = arena_format(arena, "%llx", (unsigned long long)confine->capabilities);

	text = append(arena, text, "no-new-privileges", confine->no_new_privileges);
	text = append(arena, text, "no-filter", confine->no_seccomp);
	text = append(arena, text, "suppress-sync", confine->suppress_sync);
	text = append(arena, text, "nesting", confine->nesting);
	text = append_list(arena, text, "allow:", &confine->allow);
	text = append_list(arena, text, "deny:", &confine->deny);
	text = append(arena, text, "families", confine->families_set);
	text = append(arena, text, "families-deny", confine->families_deny);
	text = append_list(arena, text, "family:", &confine->families);
	if (confine->personality_set)
		text = arena_format(arena, "%s personality:%lx", text, confine->personality);
	/* Last, because a label may have blanks. */
	if (confine->selinux != NULL)
		text = arena_format(arena, "%s selinux:%s", text, confine->selinux);
	return text;
}

static int parse_hex(unsigned long long *ret, const char *text)
{
	char *end;

	if (*text == '\0' || strlen(text) > 16 || strspn(text, "0123456789abcdef") != strlen(text))
		return -EBADMSG;
	*ret = strtoull(text, &end, 16);
	return *end == '\0' ? 0 : -EBADMSG;
}

static int parse_word(struct arena *arena, struct confine *confine, char *word)
{
	static const char *const list_words[] = { "allow:", "deny:", "family:" };
	struct text_list *const lists[] = { &confine->allow, &confine->deny, &confine->families };
	const struct {
		const char *word;
		bool *flag;
	} flags[] = {
		{ "no-new-privileges", &confine->no_new_privileges },
		{ "no-filter", &confine->no_seccomp },
		{ "suppress-sync", &confine->suppress_sync },
		{ "nesting", &confine->nesting },
		{ "families", &confine->families_set },
		{ "families-deny", &confine->families_deny },
	};
	unsigned long long number;
	const char *value;

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		if (text_equal(word, flags[i].word)) {
			*flags[i].flag = true;
			return 0;
		}
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		value = text_after(word, list_words[i]);
		if (value == NULL)
			continue;
		text_list_add(arena, lists[i], arena_text(arena, value));
		return 0;
	}
	value = text_after(word, "personality:");
	if (value == NULL || parse_hex(&number, value) < 0)
		return -EBADMSG;
	confine->personality_set = true;
	confine->personality = (unsigned long)number;
	return 0;
}

int confine_parse(struct arena *arena, struct confine *ret, const char *text)
{
	struct confine confine = { 0 };
	char *copy = arena_text(arena, text);
	char *label = strstr(copy, " selinux:");
	struct text_list words = { 0 };
	unsigned long long number;
	int r;

	if (label != NULL) {
		confine.selinux = label + strlen(" selinux:");
		*label = '\0';
	}
	text_split(arena, &words, copy, " ");
	if (words.count == 0 || parse_hex(&number, words.items[0]) < 0)
		return -EBADMSG;
	confine.capabilities = number;
	for (size_t i = 1; i < words.count; i++) {
		r = parse_word(arena, &confine, words.items[i]);
		if (r < 0)
			return r;
	}
	*ret = confine;
	return 0;
}

int confine_filter(struct arena *arena, struct seccomp_filter *ret, const struct confine *confine,
		   const char **ret_unknown)
{
	struct seccomp_request request = {
		.capabilities = confine->capabilities,
		.allow = &confine->allow,
		.deny = &confine->deny,
		.suppress_sync = confine->suppress_sync,
		.keyring = confine->nesting,
		.families = confine->families_set ? &confine->families : NULL,
		.families_deny = confine->families_deny,
	};

	*ret = (struct seccomp_filter){ 0 };
	*ret_unknown = NULL;
	return confine->no_seccomp ? 0 : seccomp_select(arena, ret, &request, ret_unknown);
}
