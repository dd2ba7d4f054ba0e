#include "declare/import-words.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/arena.h"
#include "base/hash.h"
#include "base/names.h"
#include "base/parse.h"
#include "base/path.h"
#include "base/text.h"
#include "format/envfile.h"
#include "format/imageref.h"
#include "spec/field.h"

#define ZONE_MAX 12 /* with "vz-" it is an interface's name */

/* ---- nodes ---- */

bool import_is_kind(struct import *import, struct import_at at, const struct yaml_node *node,
		    enum yaml_kind kind)
{
	if (yaml_is_null(node))
		return false;
	if (node->kind != kind)
		import_refuse(import, at, "this is no %s",
			      kind == YAML_SEQUENCE ? "list" : "mapping");
	return node->kind == kind;
}

void import_note_others(struct import *import, const struct import_machine *machine,
			struct import_at at, const struct yaml_node *node, const char *const *known)
{
	for (size_t i = 0; node && node->kind == YAML_MAPPING && i < node->count; i++) {
		const struct yaml_node *key = node->keys[i], *item = node->items[i];
		bool says = item->kind == YAML_SCALAR ? !yaml_is_null(item) : item->count > 0;
		size_t n = 0;

		while (known[n] && !text_equal(key->text, known[n]))
			n++;
		if (!known[n] && says)
			import_note(import, machine,
				    (struct import_at){ at.file, key->line,
							arena_format(import->arena, "%s.%s", at.key,
								     key->text) },
				    text_equal(key->text, "initContainers")
					    ? "nothing is run once before a machine"
					    : "there is no setting for it");
	}
}

/* ---- image ---- */

void import_image(struct import *import, struct import_machine *machine, struct import_at at,
		  const char *reference)
{
	struct imageref ref;
	const char *why = NULL, *bare = text_after(reference, "docker://");

	bare = bare ? bare : reference;
	if (imageref_parse(&ref, bare, &why) < 0) {
		import_refuse(import, at, "'%.200s' names no image: %s",
			      text_printable(import->arena, reference), why ? why : "malformed");
		return;
	}
	import_set(import, machine, at, "Exec", "PrivateUsers", "pick");
	import_setf(import, machine, at, "X-Image", "Source", "oci:%s", bare);
	import_set(import, machine, at, "X-Image", "Root", "overlay");
}

/* ---- network ---- */

/* Cut off what stands before the first ':' (behind a bracket, the one after it); NULL: none. */
static char *cut_field(char **rest)
{
	char *start = *rest, *colon = strchr(start, ':');

	if (*start == '[' && strchr(start, ']'))
		colon = strchr(strchr(start, ']'), ':');
	if (!colon)
		return NULL;
	*colon = '\0';
	*rest = colon + 1;
	return start;
}

void import_port(struct import *import, struct import_machine *machine, struct import_at at,
		 const char *text)
{
	char *rest = arena_text(import->arena, text), *first, *second;
	char *slash = strchr(rest, '/');
	const char *protocol = "tcp", *address = "";

	if (slash) {
		*slash = '\0';
		protocol = slash + 1;
	}
	if (!text_equal(protocol, "tcp") && !text_equal(protocol, "udp")) {
		import_note(import, machine, at, "ports of '%.20s' are not led on",
			    text_printable(import->arena, protocol));
		return;
	}
	first = cut_field(&rest);
	second = first ? cut_field(&rest) : NULL;
	if (second) {
		address = text_equal(first, "0.0.0.0") || text_equal(first, "")
				  ? ""
				  : arena_format(import->arena, "%s:", first);
		first = second;
	}
	if (text_empty(first)) {
		import_note(import, machine, at,
			    "port %.20s has no port of the host: none is chosen here", rest);
		return;
	}
	import_setf(import, machine, at, "Network", "Port", "%s:%s%s:%s", protocol, address, first,
		    rest);
}

void import_zone(struct import *import, struct import_machine *machine, struct import_at at,
		 const char *network)
{
	static const uint8_t key[16] = { 0 }; /* nothing secret: the same name, the same zone */
	size_t keep = ZONE_MAX - 5;
	uint64_t hash = hash_siphash24(network, strlen(network), key);

	if (strlen(network) <= ZONE_MAX) {
		import_set(import, machine, at, "Network", "Zone", network);
		return;
	}
	while (keep > 1 && strchr(".-", network[keep - 1]))
		keep--;
	import_setf(import, machine, at, "Network", "Zone", "%.*s-%04x", (int)keep, network,
		    (unsigned int)(hash & 0xffff));
}

/* ---- environment ---- */

void import_environment(struct import *import, struct text_list *list, struct import_at at,
			const char *assignment)
{
	if (!name_is_environment(assignment))
		import_refuse(import, at, "'%.200s' is no variable",
			      text_printable(import->arena, assignment));
	else
		text_list_assign(import->arena, list, arena_text(import->arena, assignment));
}

void import_environment_file(struct import *import, struct import_machine *machine,
			     struct text_list *list, struct import_at at, const char *path,
			     bool required)
{
	struct envfile file;
	char *text, *name, *value;
	size_t size;
	int r = import->read ? import->read(import->read_context, import->arena, path, &text, &size)
			     : -ENOENT;

	if (r < 0 && required)
		import_refuse(import, at, "cannot read '%s': %s", path, strerror(-r));
	if (r == -ENOENT && !required)
		import_note(import, machine, at, "there is no '%s', so nothing is taken from it",
			    path);
	if (r < 0)
		return;
	if (envfile_start(&file, import->arena, text, size) < 0) {
		import_refuse(import, at, "'%s' is no file of variables", path);
		return;
	}
	while (envfile_next(&file, &name, &value) > 0)
		import_environment(import, list, at,
				   arena_format(import->arena, "%s=%s", name, value));
}

void import_environment_set(struct import *import, struct import_machine *machine,
			    struct import_at at, const struct text_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		import_set(import, machine, at, "Exec", "Environment",
			   import_word(import->arena, list->items[i]));
}

/* ---- what runs ---- */

void import_command(struct import *import, struct import_machine *machine, struct import_at at,
		    const struct text_list *entrypoint, bool has_entrypoint,
		    const struct text_list *command)
{
	struct text_list words = { 0 };

	for (size_t i = 0; i < entrypoint->count; i++)
		text_list_add(import->arena, &words, entrypoint->items[i]);
	for (size_t i = 0; i < command->count; i++)
		text_list_add(import->arena, &words, command->items[i]);
	if (words.count == 0)
		return;
	if (!has_entrypoint)
		import_note(import, machine, at,
			    "if the image has an entrypoint, it stands no longer before the "
			    "command: write it into Parameters=");
	if (!import_get(machine, "Exec", "ProcessTwo"))
		import_set(import, machine, at, "Exec", "Boot", "no");
	import_set(import, machine, at, "Exec", "Parameters",
		   import_words(import->arena, &words, 0));
}

/* ---- files ---- */

/* What the kernel makes up has no owners to map. */
static bool is_of_the_kernel(const char *path)
{
	return path_is_below(path, "/proc") || path_is_below(path, "/sys") ||
	       path_is_below(path, "/dev");
}

void import_bind(struct import *import, struct import_machine *machine, struct import_at at,
		 const char *source, const char *place, bool read_only)
{
	char *from = path_simplify(import->arena, source);

	if (!path_is_absolute(from) || !path_is_absolute(place)) {
		import_refuse(import, at, "'%.200s' is no absolute path",
			      text_printable(import->arena,
					     path_is_absolute(from) ? place : source));
		return;
	}
	if (path_is_below(from, "/var/run/docker.sock") ||
	    path_is_below(from, "/run/docker.sock") || text_ends(from, "/podman.sock"))
		import_note(import, machine, at,
			    "'%s' is a socket of another container manager, which Redd has not",
			    from);
	import_setf(import, machine, at, "Files", read_only ? "BindReadOnly" : "Bind", "%s:%s%s",
		    import_path(import->arena, from), import_path(import->arena, place),
		    is_of_the_kernel(from) ? "" : ":idmap");
}

static void share(struct import *import, const struct import_machine *machine, struct import_at at,
		  const char *name)
{
	struct import_volume *volume;

	name = text_printable(import->arena, name);
	for (size_t i = 0; i < import->volume_count; i++) {
		volume = &import->volumes[i];
		if (!text_equal(volume->name, name))
			continue;
		if (!text_equal(volume->machine, machine->name))
			import_note(import, machine, at,
				    "the volume '%.80s' is not shared with '%s', each has its "
				    "own: bind a directory into both",
				    name, volume->machine);
		return;
	}
	volume = list_grow(import->arena, (void **)&import->volumes, &import->volume_count,
			   sizeof(*volume));
	*volume = (struct import_volume){ name, machine->name };
}

void import_volume(struct import *import, struct import_machine *machine, struct import_at at,
		   const char *name, const char *place, bool read_only)
{
	if (read_only)
		import_note(import, machine, at,
			    "the volume '%.80s' is kept, but can be written to",
			    text_printable(import->arena, name ? name : place));
	import_persist(import, machine, at, place);
	if (name)
		share(import, machine, at, name);
}

static void mount_options(struct import *import, struct import_machine *machine,
			  struct import_at at, const char *options, bool *ret_read_only)
{
	static const char *const silent[] = { "rw", "z", "Z", "rbind", "rprivate", "private" };
	struct text_list words = { 0 };

	text_split(import->arena, &words, options, ",");
	for (size_t i = 0; i < words.count; i++) {
		bool known = text_equal(words.items[i], "ro");

		*ret_read_only = *ret_read_only || known;
		for (size_t n = 0; n < ARRAY_SIZE(silent); n++)
			known = known || text_equal(words.items[i], silent[n]);
		if (!known)
			import_note(import, machine, at, "the mount option '%.40s' is left out",
				    text_printable(import->arena, words.items[i]));
	}
}

void import_mount(struct import *import, struct import_machine *machine, struct import_at at,
		  const char *text, const char *base, const char *home)
{
	struct arena *arena = import->arena;
	char *rest = arena_text(arena, text), *source = cut_field(&rest), *options;
	bool read_only = false;

	options = strchr(rest, ':');
	if (options) {
		*options = '\0';
		mount_options(import, machine, at, options + 1, &read_only);
	}
	if (!path_is_absolute(rest)) {
		import_refuse(import, at, "'%.200s' is no absolute path in the machine",
			      text_printable(arena, rest));
		return;
	}
	if (!source) {
		import_volume(import, machine, at, NULL, rest, read_only);
	} else if (*source == '/') {
		import_bind(import, machine, at, source, rest, read_only);
	} else if (*source == '.') {
		import_bind(import, machine, at, path_join(arena, base, source), rest, read_only);
	} else if (*source == '~' && (source[1] == '/' || source[1] == '\0') && home) {
		import_bind(import, machine, at, arena_format(arena, "%s%s", home, source + 1),
			    rest, read_only);
	} else {
		import_volume(import, machine, at, source, rest, read_only);
	}
}

void import_tmpfs(struct import *import, struct import_machine *machine, struct import_at at,
		  const char *text)
{
	import_set(import, machine, at, "Files", "TemporaryFileSystem", text);
}

void import_device(struct import *import, struct import_machine *machine, struct import_at at,
		   const char *text)
{
	struct text_list fields = { 0 };
	const char *rights = "rwm", *place;

	text_split(import->arena, &fields, text, ":");
	if (fields.count == 0 || fields.count > 3 || !text_after(fields.items[0], "/dev/")) {
		import_note(import, machine, at, "'%.80s' is no device below /dev",
			    text_printable(import->arena, text));
		return;
	}
	place = fields.count > 1 && fields.items[1][0] == '/' ? fields.items[1] : fields.items[0];
	if (fields.count > 1 && fields.items[fields.count - 1][0] != '/')
		rights = fields.items[fields.count - 1];
	import_setf(import, machine, at, "Files", "Bind", "%s:%s", fields.items[0], place);
	import_setf(import, machine, at, "X-Service", "DeviceAllow", "%s %s", fields.items[0],
		    rights);
}

/* ---- rights ---- */

static char *capability(struct import *import, const char *name)
{
	char *text;

	if (strcasecmp(name, "all") == 0)
		return arena_text(import->arena, "all");
	text = arena_format(import->arena, "%s%s", strncasecmp(name, "CAP_", 4) == 0 ? "" : "CAP_",
			    name);
	for (char *at = text; *at; at++)
		if (*at >= 'a' && *at <= 'z')
			*at = (char)(*at - 'a' + 'A');
	return text;
}

static bool names_all(const struct text_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcasecmp(list->items[i], "all") == 0)
			return true;
	return false;
}

void import_capabilities(struct import *import, struct import_machine *machine, struct import_at at,
			 const struct text_list *add, const struct text_list *drop)
{
	struct arena *arena = import->arena;
	struct text_list added = { 0 }, dropped = { 0 };

	for (size_t i = 0; i < add->count; i++)
		text_list_add(arena, &added, capability(import, add->items[i]));
	if (added.count > 0)
		import_set(import, machine, at, "Exec", "Capability",
			   import_words(arena, &added, 0));
	if (!names_all(drop) || added.count == 0) {
		for (size_t i = 0; i < drop->count; i++)
			text_list_add(arena, &dropped, capability(import, drop->items[i]));
	} else if (!names_all(add)) {
		/* What is dropped goes before what is added, so all others are named. */
		for (size_t i = 0; field_capability_words[i]; i++)
			if (!text_equal(field_capability_words[i], "all") &&
			    !text_list_has(&added, field_capability_words[i]))
				text_list_add(arena, &dropped,
					      arena_text(arena, field_capability_words[i]));
	}
	if (dropped.count > 0)
		import_set(import, machine, at, "Exec", "DropCapability",
			   import_words(arena, &dropped, 0));
}

void import_security(struct import *import, struct import_machine *machine, struct import_at at,
		     const char *text)
{
	if (text_equal(text, "no-new-privileges") || text_equal(text, "no-new-privileges:true") ||
	    text_equal(text, "no-new-privileges=true"))
		import_set(import, machine, at, "Exec", "NoNewPrivileges", "yes");
	else if (!text_after(text, "no-new-privileges"))
		import_note(import, machine, at,
			    "'%.80s' is left out: Redd's own filter and confinement stay",
			    text_printable(import->arena, text));
}

void import_user(struct import *import, struct import_machine *machine, struct import_at at,
		 const char *text)
{
	size_t length = strcspn(text, ":");

	if (text[length] == ':' &&
	    !text_equal(text + length + 1, arena_text_n(import->arena, text, length)))
		import_note(import, machine, at,
			    "the group is that of the user in the machine's own list");
	import_set(import, machine, at, "Exec", "User", arena_text_n(import->arena, text, length));
}

/* ---- limits ---- */

int import_size(uint64_t *ret, const char *text)
{
	char plain[32];
	size_t length = strspn(text, "0123456789."), used = length;

	if (length == 0 || length > sizeof(plain) - 2)
		return -EINVAL;
	memcpy(plain, text, length);
	if (text[used] && strchr("kmgtpKMGTP", text[used]))
		plain[length++] = (char)(text[used++] & ~0x20);
	if (text[used] == 'i' && used > 0 && length == used)
		used++;
	if (text[used] == 'b' || text[used] == 'B')
		used++;
	plain[length] = '\0';
	return text[used] ? -EINVAL : parse_size(ret, plain);
}

void import_set_size(struct import *import, struct import_machine *machine, struct import_at at,
		     const char *key, const char *text)
{
	uint64_t bytes;

	if (*text == '-')
		return;
	if (import_size(&bytes, text) < 0)
		import_refuse(import, at, "'%.80s' is no size",
			      text_printable(import->arena, text));
	else if (bytes > 0 && bytes % (1 << 20) == 0)
		import_setf(import, machine, at, "X-Service", key, "%lluM",
			    (unsigned long long)(bytes >> 20));
	else if (bytes > 0)
		import_setf(import, machine, at, "X-Service", key, "%llu",
			    (unsigned long long)bytes);
}

void import_cpus(struct import *import, struct import_machine *machine, struct import_at at,
		 const char *text)
{
	/* As a size, "1.5" would be 1 byte: so it is read in thousandths, which "m" means too. */
	uint64_t milli = 0;
	size_t whole = strspn(text, "0123456789");
	const char *rest = text + whole;

	for (size_t i = 0; i < whole && milli < 1000000; i++)
		milli = milli * 10 + (uint64_t)(text[i] - '0');
	if (text_equal(rest, "m") && whole > 0) {
		rest = "";
	} else {
		milli *= 1000;
		if (*rest == '.') {
			for (uint64_t unit = 100; *++rest >= '0' && *rest <= '9'; unit /= 10)
				milli += unit * (uint64_t)(*rest - '0');
		}
	}
	if (*rest || !*text || milli >= 1000000000)
		import_refuse(import, at, "'%.80s' is no number of processors",
			      text_printable(import->arena, text));
	else if (milli > 0)
		import_setf(import, machine, at, "X-Service", "CPUQuota", "%llu%%",
			    (unsigned long long)((milli + 9) / 10));
}

void import_cpu_shares(struct import *import, struct import_machine *machine, struct import_at at,
		       const char *text)
{
	uint32_t shares;

	if (parse_u32(&shares, text) < 0 || shares > 262144)
		import_refuse(import, at, "'%.80s' is no share of the processors",
			      text_printable(import->arena, text));
	else if (shares > 0)
		import_setf(import, machine, at, "X-Service", "CPUWeight", "%u",
			    MAX(1U, MIN(10000U, (uint32_t)((uint64_t)shares * 100 / 1024))));
}

void import_ulimit(struct import *import, struct import_machine *machine, struct import_at at,
		   const char *name, const char *value)
{
	char *key = arena_format(import->arena, "Limit%s", name);
	struct text_list halves = { 0 };

	for (char *letter = key + strlen("Limit"); *letter; letter++)
		if (*letter >= 'a' && *letter <= 'z')
			*letter = (char)(*letter - 'a' + 'A');
	if (!setting_by_key("Exec", key)) {
		import_refuse(import, at, "'%.40s' is no limit of processes",
			      text_printable(import->arena, name));
		return;
	}
	text_split(import->arena, &halves, value, ":");
	for (size_t i = 0; i < halves.count; i++)
		if (text_equal(halves.items[i], "-1"))
			halves.items[i] = arena_text(import->arena, "infinity");
	if (halves.count == 2)
		import_setf(import, machine, at, "Exec", key, "%s:%s", halves.items[0],
			    halves.items[1]);
	else
		import_set(import, machine, at, "Exec", key, halves.count ? halves.items[0] : "");
}

/* ---- service ---- */

void import_signal(struct import *import, struct import_machine *machine, struct import_at at,
		   const char *text)
{
	import_set(import, machine, at, "Exec", "KillSignal", text);
}

void import_restart(struct import *import, struct import_machine *machine, struct import_at at,
		    const char *text)
{
	const char *times = text_after(text, "on-failure:");
	bool always = text_equal(text, "always") || text_equal(text, "unless-stopped");

	if (times) {
		import_note(import, machine, at,
			    "it is restarted after failures as often as there are some, not %.20s "
			    "times",
			    text_printable(import->arena, times));
		text = "on-failure";
	}
	if (!always && !text_equal(text, "on-failure") && !text_equal(text, "no")) {
		import_refuse(import, at,
			      "'%.40s' is none of no, always, on-failure, unless-stopped",
			      text_printable(import->arena, text));
		return;
	}
	import_set(import, machine, at, "X-Service", "Restart", always ? "always" : text);
	if (always && !machine->manual)
		import_set(import, machine, at, "X-Install", "WantedBy", "machines.target");
}

void import_span(struct import *import, struct import_machine *machine, struct import_at at,
		 const char *section, const char *key, const char *text)
{
	uint64_t us;

	if (parse_seconds_us(&us, text, 1000000) < 0 || us == UINT64_MAX)
		import_refuse(import, at, "'%.40s' is no time",
			      text_printable(import->arena, text));
	else if (us % 1000000 == 0)
		import_setf(import, machine, at, section, key, "%llus",
			    (unsigned long long)(us / 1000000));
	else
		import_setf(import, machine, at, section, key, "%llums",
			    (unsigned long long)((us + 999) / 1000));
}

void import_requires(struct import *import, struct import_machine *machine, struct import_at at,
		     const char *other, bool weak)
{
	import_setf(import, machine, at, "X-Unit", weak ? "Wants" : "Requires", "%s.nspawn", other);
	import_setf(import, machine, at, "X-Unit", "After", "%s.nspawn", other);
}
