#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/sysmacros.h>

#include "base/arena.h"
#include "base/macros.h"
#include "base/text.h"
#include "plan/plan.h"
#include "plan/step.h"

/* A column that is wider than this does not push the ones behind it away. */
#define WHAT_WIDTH_MAX 56

struct word_row {
	uint64_t bit;
	const char *word;
};

static const struct word_row attribute_words[] = {
	{ MOUNT_ATTR_RDONLY, "ro" },
	{ MOUNT_ATTR_NOSUID, "nosuid" },
	{ MOUNT_ATTR_NOEXEC, "noexec" },
	{ MOUNT_ATTR_NODEV, "nodev" },
	{ MOUNT_ATTR_STRICTATIME, "strictatime" },
	{ MOUNT_ATTR_NOATIME, "noatime" },
	{ MOUNT_ATTR_NODIRATIME, "nodiratime" },
};

static const struct word_row flag_words[] = {
	{ STEP_OPTIONAL, "optional" },
	{ STEP_WARN, "warn" },
	{ STEP_RECURSIVE, "recursive" },
	{ STEP_UNLESS_MOUNTED, "unless-mounted" },
	{ STEP_UNLESS_EXISTS, "unless-exists" },
	{ STEP_REPLACE, "replace" },
	{ STEP_SOURCE_IN_TREE, "source-in-tree" },
	{ STEP_SOURCE_IN_CONTAINER, "source-in-container" },
	{ STEP_FOLLOW, "follow" },
	{ STEP_TEMPORARY_SOURCE, "temporary" },
	{ STEP_INHERITS, "inherits" },
	{ STEP_ELSE_COPY, "else-copy" },
	{ STEP_MATCH_TYPE, "match-type" },
	{ STEP_ELSE_BIND, "else-bind" },
	{ STEP_KEEP_OPEN, "keep-open" },
};

static const char *const side_names[] = {
	[SIDE_HOST_BEFORE] = "before",
	[SIDE_HOST] = "host",
	[SIDE_PAYLOAD] = "payload",
};

static const char *const idmap_names[] = {
	[IDMAP_NONE] = "noidmap",
	[IDMAP_FULL] = "idmap",
	[IDMAP_ROOT] = "rootidmap",
	[IDMAP_OWNER] = "owneridmap",
};

/* ---- a text that grows ---- */

struct buffer {
	struct arena *arena;
	char *text;
	size_t length, room;
};

static void put(struct buffer *b, const char *text)
{
	size_t length = strlen(text);

	if (b->length + length + 1 > b->room) {
		size_t room = MAX(b->room * 2, b->length + length + 1024);
		char *bigger = arena_take(b->arena, room);

		if (b->length)
			memcpy(bigger, b->text, b->length);
		b->text = bigger;
		b->room = room;
	}
	memcpy(b->text + b->length, text, length + 1);
	b->length += length;
}

static void put_n(struct buffer *b, const char *text, size_t count)
{
	while (count-- > 0)
		put(b, text);
}

/* ---- words about a step ---- */

static const char *words_of(struct arena *arena, const struct word_row *rows, size_t count,
			    uint64_t bits)
{
	const char *words = "";

	for (size_t i = 0; i < count; i++)
		if (bits & rows[i].bit)
			words = arena_format(arena, "%s%s%s", words, *words ? "," : "", rows[i].word);
	return words;
}

static const char *attributes_of(struct arena *arena, const struct step *step)
{
	return words_of(arena, attribute_words, ARRAY_SIZE(attribute_words), step->attributes);
}

static const char *flags_of(struct arena *arena, const struct step *step)
{
	return words_of(arena, flag_words, ARRAY_SIZE(flag_words), step->flags);
}

static const char *limit_text(struct arena *arena, uint64_t value)
{
	return value == RLIM_INFINITY ? "infinity" : arena_format(arena, "%" PRIu64, value);
}

static const char *arrow(struct arena *arena, const char *from, const char *to)
{
	if (!from)
		return to ? to : "";
	return to ? arena_format(arena, "%s -> %s", from, to) : from;
}

static const char *lowers_of(struct arena *arena, const struct step *step)
{
	const char *text = "";

	if (!step->mount)
		return text;
	for (size_t i = 0; i < step->mount->lowers.count; i++)
		text = arena_format(arena, "%s%s:", text, step->mount->lowers.items[i]);
	return text;
}

/* What the step is about, without its kind: "tmpfs -> /run". */
static const char *what_of(struct arena *arena, const struct step *step)
{
	const char *source = step->source;

	switch (step->kind) {
	case STEP_FILE:
	case STEP_MKDIR: return step->target;
	case STEP_NODE:
		if (text_equal(step->data, "chr") || text_equal(step->data, "blk"))
			return arena_format(arena, "%s %s %u:%u", step->target, step->data,
					    major(step->device), minor(step->device));
		return arena_format(arena, "%s %s", step->target, step->data);
	case STEP_SYMLINK: return arrow(arena, step->target, step->data);
	case STEP_SYSCTL: return arena_format(arena, "%s = %s", step->target, step->data);
	case STEP_RLIMIT:
		return arena_format(arena, "%s %s:%s", spec_limit_name((int)step->number),
				    limit_text(arena, step->soft), limit_text(arena, step->hard));
	case STEP_CAPABILITIES:
		if (step->soft)
			return arena_format(arena, "%#" PRIx64 ", ambient %#" PRIx64, step->number,
					    step->soft);
		return arena_format(arena, "%#" PRIx64, step->number);
	case STEP_OOM_SCORE: return arena_format(arena, "%" PRId64, (int64_t)step->number);
	case STEP_PERSONALITY: return arena_format(arena, "%#" PRIx64, step->number);
	case STEP_USER: return step->data ? step->data : "root";
	case STEP_BIND:
		return arrow(arena, source ? source : "(temporary directory)", step->target);
	case STEP_OVERLAY:
		return arrow(arena,
			     arena_format(arena, "%s%s", lowers_of(arena, step),
					  source ? source : "(temporary directory)"),
			     step->target);
	case STEP_ROOT_OVERLAY: return arrow(arena, source ? source : "tmpfs", step->target);
	case STEP_MOUNT:
	case STEP_ROOT:
	case STEP_COPY:
	case STEP_SNAPSHOT:
	case STEP_PIVOT_TREE:
	case STEP_JOURNAL_LINK: return arrow(arena, source, step->target);
	default:
		if (step->data)
			return step->data;
		return step->target ? step->target : source ? source : "";
	}
}

static bool is_mount(enum step_kind kind)
{
	return kind == STEP_MOUNT || kind == STEP_BIND || kind == STEP_OVERLAY ||
	       kind == STEP_ROOT || kind == STEP_VOLATILE_ROOT || kind == STEP_ROOT_OVERLAY ||
	       kind == STEP_CREDENTIALS || kind == STEP_RESTRICT || kind == STEP_BIND_USER;
}

static const char *lock_mark(const struct step *step)
{
	if (step->flags & STEP_LOCKED)
		return "[locked]";
	return is_mount(step->kind) ? "[not locked]" : "";
}

/* What is said with "data" besides the subject of the line. */
static const char *options_of(const struct step *step)
{
	switch (step->kind) {
	case STEP_MOUNT:
	case STEP_VOLATILE_ROOT:
	case STEP_ROOT_OVERLAY:
	case STEP_SNAPSHOT:
	case STEP_JOURNAL_LINK: return step->data;
	case STEP_DEVICE_FILTER: return step->target;
	default: return NULL;
	}
}

static const char *details_of(struct arena *arena, const struct step *step)
{
	const char *parts[5] = { lock_mark(step), attributes_of(arena, step), options_of(step),
				 step->idmap != IDMAP_NONE ? idmap_names[step->idmap] : NULL,
				 flags_of(arena, step) };
	const char *text = "";

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		if (!text_empty(parts[i]))
			text = arena_format(arena, "%s%s%s", text, *text ? " " : "", parts[i]);
	if (step->mode)
		text = arena_format(arena, "%s%s%04o", text, *text ? " " : "", (unsigned)step->mode);
	return text;
}

/* ---- text ---- */

static void put_line(struct buffer *b, const struct step *step, size_t kind_width,
		     size_t what_width, bool colour)
{
	const char *kind = step_kind_name(step->kind);
	const char *what = text_printable(b->arena, what_of(b->arena, step));
	const char *details = text_printable(b->arena, details_of(b->arena, step));

	put(b, side_names[step->side]);
	put_n(b, " ", strlen("payload") - strlen(side_names[step->side]) + 2);
	put(b, kind);
	put_n(b, " ", kind_width - strlen(kind) + 2);
	put(b, what);
	put_n(b, " ", (strlen(what) < what_width ? what_width - strlen(what) : 0) + 2);
	put(b, colour ? "\x1b[2m(" : "(");
	put(b, step->reason);
	put(b, colour ? ")\x1b[0m" : ")");
	if (*details) {
		put(b, "  ");
		put(b, details);
	}
	put(b, "\n");
}

char *plan_print(struct arena *arena, const struct plan *plan, bool colour)
{
	struct buffer b = { .arena = arena };
	size_t kind_width = 0, what_width = 0;

	for (size_t i = 0; i < plan->count; i++) {
		size_t what = strlen(what_of(arena, &plan->steps[i]));

		kind_width = MAX(kind_width, strlen(step_kind_name(plan->steps[i].kind)));
		what_width = MAX(what_width, MIN(what, (size_t)WHAT_WIDTH_MAX));
	}
	put(&b, "");
	for (size_t i = 0; i < plan->count; i++)
		put_line(&b, &plan->steps[i], kind_width, what_width, colour);
	return b.text;
}

char *plan_describe(struct arena *arena, const struct step *step)
{
	const char *what = what_of(arena, step);

	return arena_format(arena, "%s%s%s (%s)", step_kind_name(step->kind), *what ? " " : "",
			    what, step->reason);
}

/* ---- JSON ---- */

struct object {
	struct buffer *b;
	bool pretty, any;
};

static void put_json_text(struct buffer *b, const char *text)
{
	char escaped[8];

	put(b, "\"");
	for (const char *c = text; *c; c++) {
		if (*c == '"' || *c == '\\')
			snprintf(escaped, sizeof(escaped), "\\%c", *c);
		else if ((unsigned char)*c < 0x20)
			snprintf(escaped, sizeof(escaped), "\\u%04x", (unsigned)*c);
		else
			snprintf(escaped, sizeof(escaped), "%c", *c);
		put(b, escaped);
	}
	put(b, "\"");
}

static void put_key(struct object *o, const char *key)
{
	put(o->b, o->any ? "," : "");
	put(o->b, o->pretty ? "\n\t\t" : "");
	put_json_text(o->b, key);
	put(o->b, o->pretty ? ": " : ":");
	o->any = true;
}

static void put_text(struct object *o, const char *key, const char *value)
{
	if (text_empty(value))
		return;
	put_key(o, key);
	put_json_text(o->b, value);
}

static void put_number(struct object *o, const char *key, uint64_t value)
{
	put_key(o, key);
	put(o->b, arena_format(o->b->arena, "%" PRIu64, value));
}

static void put_words(struct object *o, const char *key, const char *words)
{
	char *copy = arena_text(o->b->arena, words), *word, *rest = copy;
	bool any = false;

	if (!*words)
		return;
	put_key(o, key);
	put(o->b, "[");
	while ((word = strsep(&rest, ","))) {
		put(o->b, any ? "," : "");
		put_json_text(o->b, word);
		any = true;
	}
	put(o->b, "]");
}

static void put_object(struct buffer *b, const struct step *step, bool pretty)
{
	struct object o = { .b = b, .pretty = pretty };

	put(b, pretty ? "\t{" : "{");
	put_text(&o, "side", side_names[step->side]);
	put_text(&o, "kind", step_kind_name(step->kind));
	put_text(&o, "source", step->source);
	put_text(&o, "target", step->target);
	/* Contents of files may hold anything, and are not what a plan is about. */
	if (step->kind != STEP_FILE)
		put_text(&o, "data", step->data);
	put_words(&o, "attributes", attributes_of(b->arena, step));
	put_words(&o, "flags", flags_of(b->arena, step));
	if (step->mode)
		put_text(&o, "mode", arena_format(b->arena, "%04o", (unsigned)step->mode));
	if (step->idmap != IDMAP_NONE)
		put_text(&o, "idmap", idmap_names[step->idmap]);
	if (step->kind == STEP_NODE && step->device)
		put_text(&o, "device",
			 arena_format(b->arena, "%u:%u", major(step->device), minor(step->device)));
	if (step->kind == STEP_RLIMIT) {
		put_text(&o, "limit", spec_limit_name((int)step->number));
		put_text(&o, "soft", limit_text(b->arena, step->soft));
		put_text(&o, "hard", limit_text(b->arena, step->hard));
	} else if (step->kind == STEP_OOM_SCORE) {
		put_key(&o, "number");
		put(b, what_of(b->arena, step));
	} else if (step->number) {
		put_number(&o, "number", step->number);
	}
	if (is_mount(step->kind)) {
		put_key(&o, "locked");
		put(b, step->flags & STEP_LOCKED ? "true" : "false");
	}
	put_text(&o, "reason", step->reason);
	put(b, pretty ? "\n\t}" : "}");
}

char *plan_print_json(struct arena *arena, const struct plan *plan, bool pretty)
{
	struct buffer b = { .arena = arena };

	put(&b, pretty ? "[\n" : "[");
	for (size_t i = 0; i < plan->count; i++) {
		if (i > 0)
			put(&b, pretty ? ",\n" : ",");
		put_object(&b, &plan->steps[i], pretty);
	}
	put(&b, pretty ? "\n]\n" : "]\n");
	return b.text;
}
