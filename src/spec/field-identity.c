/* Who runs in the container, under which names and ids (reference, sections 2.2, 2.3, 6.1 and
 * 11.2). */
#include "spec/field.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/id128.h"
#include "base/names.h"
#include "base/parse.h"
#include "base/path.h"
#include "base/text.h"

#define ID_RANGE 65536

const char *const field_signal_words[] = {
	"SIGHUP",      "SIGINT",      "SIGQUIT",     "SIGILL",	    "SIGTRAP",	   "SIGABRT",
	"SIGBUS",      "SIGFPE",      "SIGKILL",     "SIGUSR1",	    "SIGSEGV",	   "SIGUSR2",
	"SIGPIPE",     "SIGALRM",     "SIGTERM",     "SIGSTKFLT",   "SIGCHLD",	   "SIGCONT",
	"SIGSTOP",     "SIGTSTP",     "SIGTTIN",     "SIGTTOU",	    "SIGURG",	   "SIGXCPU",
	"SIGXFSZ",     "SIGVTALRM",   "SIGPROF",     "SIGWINCH",    "SIGIO",	   "SIGPWR",
	"SIGSYS",      "SIGRTMIN",    "SIGRTMIN+1",  "SIGRTMIN+2",  "SIGRTMIN+3",  "SIGRTMIN+4",
	"SIGRTMIN+5",  "SIGRTMIN+6",  "SIGRTMIN+7",  "SIGRTMIN+8",  "SIGRTMIN+9",  "SIGRTMIN+10",
	"SIGRTMIN+11", "SIGRTMIN+12", "SIGRTMIN+13", "SIGRTMIN+14", "SIGRTMIN+15", "SIGRTMIN+16",
	"SIGRTMIN+17", "SIGRTMIN+18", "SIGRTMIN+19", "SIGRTMIN+20", "SIGRTMIN+21", "SIGRTMIN+22",
	"SIGRTMIN+23", "SIGRTMIN+24", "SIGRTMIN+25", "SIGRTMIN+26", "SIGRTMIN+27", "SIGRTMIN+28",
	"SIGRTMIN+29", "SIGRTMAX",    NULL
};

int field_chdir(struct setting_reader *reader, const char *value)
{
	if (!path_is_absolute(value) || !path_is_normal(value))
		return field_refuse(reader, "not an absolute path without '.' and '..'");
	if (path_is_below(value, "/proc") || path_is_below(value, "/sys") ||
	    path_is_below(value, "/dev"))
		return field_refuse(reader, "the directory is below /proc, /sys or /dev");
	return field_text(reader, value);
}

int field_pivot_root(struct setting_reader *reader, const char *value)
{
	struct text_list paths = { 0 };

	if (text_split_escaped(reader->arena, &paths, value, ':') < 0 || paths.count < 1 ||
	    paths.count > 2)
		return field_refuse(reader, "not one path or two with ':' between them");
	for (size_t i = 0; i < paths.count; i++)
		if (!path_is_absolute(paths.items[i]) || !path_is_normal(paths.items[i]))
			return field_refuse(reader, "not an absolute path without '.' and '..'");
	/* The root becoming the root is nothing to do. */
	reader->spec->pivot_root_new = text_equal(paths.items[0], "/") ? NULL : paths.items[0];
	reader->spec->pivot_root_old = paths.count > 1 && reader->spec->pivot_root_new
					       ? paths.items[1]
					       : NULL;
	return 0;
}

char *field_print_pivot(struct arena *arena, const struct setting *row, const struct spec *spec)
{
	(void)row;
	if (!spec->pivot_root_new)
		return NULL;
	return spec->pivot_root_old
		       ? arena_format(arena, "%s:%s", spec->pivot_root_new, spec->pivot_root_old)
		       : arena_text(arena, spec->pivot_root_new);
}

static const char *find_in_environment(const struct setting_reader *reader, const char *name)
{
	for (const char *const *entry = reader->environment; entry && *entry; entry++) {
		const char *rest = text_after(*entry, name);

		if (rest && *rest == '=')
			return *entry;
	}
	return NULL;
}

static void drop_variable(struct text_list *list, const char *name)
{
	size_t kept = 0;

	for (size_t i = 0; i < list->count; i++) {
		const char *rest = text_after(list->items[i], name);

		if (!rest || *rest != '=')
			list->items[kept++] = list->items[i];
	}
	if (list->items)
		list->items[kept] = NULL;
	list->count = kept;
}

static int add_variable(struct setting_reader *reader, const char *value)
{
	struct text_list *list = &reader->spec->environment;
	const char *entry = value;

	/* A file of unknown origin must not read the environment of whoever starts it. */
	if (!strchr(value, '=') && reader->origin != BY_FILE) {
		if (!name_is_environment(arena_format(reader->arena, "%s=", value)))
			return field_refuse(reader, "not the name of an environment variable");
		entry = find_in_environment(reader, value);
		if (!entry) {
			drop_variable(list, value);
			return 0;
		}
	}
	if (!name_is_environment(entry))
		return field_refuse(reader, "not an assignment to an environment variable");
	text_list_add(reader->arena, list, arena_text(reader->arena, entry));
	return 0;
}

int field_setenv(struct setting_reader *reader, const char *value)
{
	struct text_list words = { 0 };

	if (reader->origin != BY_FILE)
		return add_variable(reader, value);
	if (text_split_quoted(reader->arena, &words, value) < 0)
		return field_refuse(reader, "the quotes are not balanced");
	for (size_t i = 0; i < words.count; i++) {
		int r = add_variable(reader, words.items[i]);

		if (r < 0)
			return r;
	}
	return 0;
}

/* A name or a number of the container. Names there may be looser than ours, but never a path or
 * a field end. */
int field_user(struct setting_reader *reader, const char *value)
{
	if (strlen(value) > 255 || value[0] == '-')
		return field_refuse(reader, "not the name of a user");
	for (const char *c = value; *c; c++)
		if (*c == ':' || *c == '/' || iscntrl((unsigned char)*c) ||
		    isspace((unsigned char)*c))
			return field_refuse(reader, "not the name of a user");
	return field_text(reader, value);
}

/* --user alone chooses a scope; --user=NAME is how --uid=NAME was once spelled. */
int field_scope(struct setting_reader *reader, const char *value)
{
	if (value)
		return field_user(reader, value);
	reader->spec->scope_user = reader->row->constant == 'u';
	reader->spec->scope_system = reader->row->constant == 's';
	return 0;
}

char *field_print_scope(struct arena *arena, const struct setting *row, const struct spec *spec)
{
	bool chosen = row->constant == 'u' ? spec->scope_user : spec->scope_system;

	return chosen ? arena_text(arena, "yes") : NULL;
}

int field_signal(struct setting_reader *reader, const char *value)
{
	if (parse_signal(&reader->spec->kill_signal, value) < 0)
		return field_refuse(reader, "this signal is not known");
	return 0;
}

char *field_print_signal(struct arena *arena, const struct setting *row, const struct spec *spec)
{
	(void)row;
	return spec->kill_signal ? arena_text(arena, parse_signal_name(spec->kill_signal)) : NULL;
}

int field_machine(struct setting_reader *reader, const char *value)
{
	if (!text_empty(value) && !name_is_machine(value))
		return field_refuse(
			reader,
			"a name has 1 to 64 letters, digits, '-' and '.', and no part between "
			"dots is empty or begins or ends with '-'");
	return field_text(reader, value);
}

int field_uuid(struct setting_reader *reader, const char *value)
{
	if (parse_id128(reader->spec->machine_id, value) < 0)
		return field_refuse(reader, "not 32 hexadecimal digits or a UUID, or all zero");
	reader->spec->has_machine_id = true;
	return 0;
}

char *field_print_uuid(struct arena *arena, const struct setting *row, const struct spec *spec)
{
	char *text = arena_take(arena, ID128_HEX_ROOM);

	(void)row;
	if (!spec->has_machine_id)
		return NULL;
	id128_hex(text, spec->machine_id);
	return text;
}

int field_slice(struct setting_reader *reader, const char *value)
{
	if (text_empty(value))
		return field_text(reader, value);
	if (strlen(value) > 249 || value[0] == '-' || strstr(value, ".."))
		return field_refuse(reader, "not the name of a slice");
	for (const char *c = value; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("-_.:\\@", *c))
			return field_refuse(reader, "not the name of a slice");
	reader->spec->slice = arena_format(reader->arena, "%s%s", value,
					   text_ends(value, ".slice") ? "" : ".slice");
	return 0;
}

int field_property(struct setting_reader *reader, const char *value)
{
	size_t name = strspn(value,
			     "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789");

	if (name == 0 || value[name] != '=')
		return field_refuse(reader, "not of the form NAME=VALUE");
	text_list_add(reader->arena, &reader->spec->properties, arena_text(reader->arena, value));
	return 0;
}

static int read_id_range(struct setting_reader *reader, const char *value)
{
	const char *colon = strchr(value, ':');
	uint32_t base, range = ID_RANGE;

	if (parse_u32(&base, arena_text_n(reader->arena, value,
					  colon ? (size_t)(colon - value) : strlen(value))) < 0 ||
	    (colon && parse_u32(&range, colon + 1) < 0))
		return field_refuse(reader, "neither a word nor BASE[:RANGE] with decimal numbers");
	/* 2^32 - 1 means "no id" to the kernel and can be no one's. */
	if (range == 0 || (uint64_t)base + range > UINT32_MAX)
		return field_refuse(reader, "the range is empty or passes the last id");
	reader->spec->userns = USERNS_FIXED;
	reader->spec->uid_base = base;
	reader->spec->uid_range = range;
	return 0;
}

int field_private_users(struct setting_reader *reader, const char *value)
{
	struct spec *spec = reader->spec;
	bool on = true;

	/* Digits are always a base: "0" and "1" are no booleans here. */
	if (value && isdigit((unsigned char)value[0]))
		return read_id_range(reader, value);
	if (text_equal(value, "identity"))
		return read_id_range(reader, "0:65536");
	if (text_equal(value, "pick"))
		spec->userns = USERNS_PICK;
	else if (text_equal(value, "managed"))
		spec->userns = USERNS_MANAGED;
	else if (value && parse_bool(&on, value) < 0)
		return field_refuse(reader, "neither a word nor BASE[:RANGE] with decimal numbers");
	else
		spec->userns = on ? USERNS_FROM_TREE : USERNS_NO;
	return 0;
}

int field_pick(struct setting_reader *reader, const char *value)
{
	(void)value;
	reader->spec->userns = USERNS_PICK;
	reader->spec->ownership = OWNERSHIP_AUTO;
	return 0;
}

int field_legacy_chown(struct setting_reader *reader, const char *value)
{
	bool on = true;

	/* The option's value was never looked at; the key's is a boolean. */
	if (reader->origin == BY_FILE && parse_bool(&on, value) < 0)
		return field_refuse(reader, "not a boolean");
	reader->spec->ownership = on ? OWNERSHIP_CHOWN : OWNERSHIP_OFF;
	return 0;
}

char *field_print_private_users(struct arena *arena, const struct setting *row,
				const struct spec *spec)
{
	static const char *const words[] = {
		[USERNS_NO] = "no",
		[USERNS_FROM_TREE] = "yes",
		[USERNS_PICK] = "pick",
		[USERNS_MANAGED] = "managed",
	};

	(void)row;
	if (spec->userns == USERNS_UNSET)
		return NULL;
	if (spec->userns == USERNS_FIXED)
		return arena_format(arena, "%u:%u", spec->uid_base, spec->uid_range);
	return arena_text(arena, words[spec->userns]);
}

int field_delegate(struct setting_reader *reader, const char *value)
{
	uint32_t count;

	if (parse_u32(&count, value) < 0 || count > 16)
		return field_refuse(reader, "not a number from 0 to 16");
	reader->spec->userns_delegate = count;
	return 0;
}

char *field_print_delegate(struct arena *arena, const struct setting *row, const struct spec *spec)
{
	(void)row;
	return spec->userns_delegate ? arena_format(arena, "%u", spec->userns_delegate) : NULL;
}

/* One parser for both options: row->constant tells that the value is a path. */
int field_credential(struct setting_reader *reader, const char *value)
{
	struct credential_list *list = &reader->spec->credentials;
	const char *colon = strchr(value, ':');
	struct credential credential = { 0 }, *added;
	char *data = NULL;

	if (!colon)
		return field_refuse(reader, "no ':' follows the credential's name");
	credential.id = arena_text_n(reader->arena, value, (size_t)(colon - value));
	if (!name_is_credential(credential.id))
		return field_refuse(reader, "not a name for a credential");
	for (size_t i = 0; i < list->count; i++)
		if (text_equal(list->items[i].id, credential.id))
			return field_refuse(reader, "this credential was given before");

	if (reader->row->constant) {
		credential.path = strchr(colon + 1, '/') ? field_absolute(reader, colon + 1)
							 : arena_text(reader->arena, colon + 1);
		if (!strchr(credential.path, '/') && !name_is_credential(credential.path))
			return field_refuse(
				reader,
				"neither a path nor the name of one of our own credentials");
	} else {
		if (text_unescape(reader->arena, &data, &credential.size, colon + 1) < 0)
			return field_refuse(reader, "a backslash begins no known escape");
		credential.data = data;
	}
	added = list_grow(reader->arena, (void **)&list->items, &list->count, sizeof(*added));
	*added = credential;
	return 0;
}

/* Secrets stay out of what is printed. */
char *field_print_secrets(struct arena *arena, const struct setting *row, const struct spec *spec)
{
	struct text_list lines = { 0 };

	for (size_t i = 0; i < spec->credentials.count; i++) {
		const struct credential *credential = &spec->credentials.items[i];

		if ((credential->path != NULL) != (row->constant != 0))
			continue;
		text_list_add(arena, &lines,
			      arena_format(arena, "%s:%s", credential->id,
					   credential->path ? credential->path : "…"));
	}
	return field_join(arena, &lines, "\n");
}

int field_share_system(struct setting_reader *reader, const char *value)
{
	(void)value;
	reader->spec->share_ipc = reader->spec->share_pid = reader->spec->share_uts = true;
	return 0;
}
