/* Images, journals and guest users: values whose shape is their own. */
#include "spec/field.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/names.h"
#include "base/parse.h"
#include "base/path.h"
#include "base/text.h"

/* "root=verity+signed:usr=absent:=ignore", or one of the whole policies. */
int field_policy(struct setting_reader *reader, const char *value)
{
	static const char *const partitions[] = {
		"",	      "root",		"usr",	"home",	       "srv",
		"esp",	      "xbootldr",	"swap", "root-verity", "root-verity-sig",
		"usr-verity", "usr-verity-sig", "tmp",	"var",
	};
	struct text_list rules = { 0 };

	if (text_equal(value, "*") || text_equal(value, "-") || text_equal(value, "~"))
		return field_text(reader, value);
	text_split(reader->arena, &rules, value, ":");
	for (size_t i = 0; i < rules.count; i++) {
		const char *equals = strchr(rules.items[i], '=');
		size_t known = 0;

		if (!equals)
			return field_refuse(reader, "a rule has no '=' after its partition");
		while (known < ARRAY_SIZE(partitions) &&
		       !text_equal(text_after(rules.items[i], partitions[known]), equals))
			known++;
		if (known == ARRAY_SIZE(partitions))
			return field_refuse(reader,
					    arena_format(reader->arena, "'%s' names no partition",
							 rules.items[i]));
		for (const char *c = equals + 1; *c; c++)
			if (!islower((unsigned char)*c) && *c != '+' && *c != '-')
				return field_refuse(reader,
						    "a rule is not made of words joined by '+'");
	}
	return field_text(reader, value);
}

int field_root_hash(struct setting_reader *reader, const char *value)
{
	size_t length = strlen(value);

	if (length % 2 != 0 || length < 32 || strspn(value, "0123456789abcdefABCDEF") != length)
		return field_refuse(reader, "not at least 16 bytes in hexadecimal");
	return field_text(reader, value);
}

int field_root_hash_sig(struct setting_reader *reader, const char *value)
{
	const char *inline_data = text_after(value, "base64:");

	if (!inline_data)
		return field_path(reader, value);
	if (!*inline_data ||
	    inline_data[strspn(inline_data, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
					    "0123456789+/=")])
		return field_refuse(reader, "what follows 'base64:' is not base64");
	return field_text(reader, value);
}

/* The middle of an SGR sequence: it goes to the terminal as it is, so nothing else may pass. */
int field_background(struct setting_reader *reader, const char *value)
{
	if (strlen(value) > 64 || value[strspn(value, "0123456789;:")])
		return field_refuse(reader, "not numbers joined by ';'");
	reader->spec->background = arena_text(reader->arena, value);
	return 0;
}

int field_link_journal(struct setting_reader *reader, const char *value)
{
	static const struct {
		const char *word;
		enum link_journal_mode mode;
		bool try;
	} modes[] = {
		{ "no", JOURNAL_NO, false },	    { "auto", JOURNAL_AUTO, false },
		{ "host", JOURNAL_HOST, false },    { "guest", JOURNAL_GUEST, false },
		{ "try-host", JOURNAL_HOST, true }, { "try-guest", JOURNAL_GUEST, true },
	};
	bool on;

	if (parse_bool(&on, value) == 0)
		value = on ? "auto" : "no";
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		if (!text_equal(modes[i].word, value))
			continue;
		reader->spec->link_journal = modes[i].mode;
		reader->spec->link_journal_try = modes[i].try;
		return 0;
	}
	return field_refuse(reader, "this word is not known here");
}

int field_try_guest(struct setting_reader *reader, const char *value)
{
	(void)value;
	return field_link_journal(reader, "try-guest");
}

char *field_print_link_journal(struct arena *arena, const struct setting *row,
			       const struct spec *spec)
{
	static const char *const words[] = {
		[JOURNAL_NO] = "no",
		[JOURNAL_AUTO] = "auto",
		[JOURNAL_HOST] = "host",
		[JOURNAL_GUEST] = "guest",
	};

	(void)row;
	if (spec->group_origin[GROUP_LINK_JOURNAL] == BY_DEFAULT)
		return NULL;
	return arena_format(arena, "%s%s", spec->link_journal_try ? "try-" : "",
			    words[spec->link_journal]);
}

/* The last of the four limits is a number of files, the others are sizes. */
int field_journal_limit(struct setting_reader *reader, const char *value)
{
	uint64_t limit;
	int r = reader->row->constant == 3 ? parse_u64(&limit, value) : parse_size(&limit, value);

	if (r < 0)
		return r;
	if (limit == 0)
		return field_refuse(reader, "zero is no limit");
	reader->spec->forward_journal_limits[reader->row->constant] = limit;
	return 0;
}

char *field_print_journal_limit(struct arena *arena, const struct setting *row,
				const struct spec *spec)
{
	uint64_t limit = spec->forward_journal_limits[row->constant];

	return limit ? arena_format(arena, "%llu", (unsigned long long)limit) : NULL;
}

int field_bind_user(struct setting_reader *reader, const char *value)
{
	struct text_list *list = field_of(reader);

	if (!name_is_user(value))
		return field_refuse(reader, "not the name of a user or group");
	if (!text_list_has(list, value))
		text_list_add(reader->arena, list, arena_text(reader->arena, value));
	return 0;
}

int field_bind_user_shell(struct setting_reader *reader, const char *value)
{
	bool on;

	if (parse_bool(&on, value) == 0) {
		reader->spec->bind_user_shell = on ? "yes" : "no";
		return 0;
	}
	if (!path_is_absolute(value) || !path_is_normal(value))
		return field_refuse(reader,
				    "neither yes, nor no, nor the absolute path of a shell");
	return field_text(reader, value);
}
