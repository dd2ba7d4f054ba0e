#include "plan/words.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/sysmacros.h>

#include "base/arena.h"
#include "base/macros.h"
#include "base/text.h"

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
	{ STEP_STAGE, "stage" },
	{ STEP_SOURCE_STAGED, "source-staged" },
	{ STEP_EARLY, "early" },
};

const char *const words_sides[] = {
	[SIDE_HOST_BEFORE] = "before",
	[SIDE_HOST] = "host",
	[SIDE_NETWORK] = "network",
	[SIDE_PAYLOAD] = "payload",
};

const char *const words_idmaps[] = {
	[IDMAP_NONE] = "noidmap",
	[IDMAP_FULL] = "idmap",
	[IDMAP_ROOT] = "rootidmap",
	[IDMAP_OWNER] = "owneridmap",
};

static const char *join(struct arena *arena, const char *text, const char *glue, const char *more)
{
	return *text ? arena_format(arena, "%s%s%s", text, glue, more) : more;
}

static const char *words_for(struct arena *arena, const struct word_row *rows, size_t count,
			     uint64_t bits)
{
	const char *words = "";

	for (size_t i = 0; i < count; i++)
		if (bits & rows[i].bit)
			words = join(arena, words, ",", rows[i].word);
	return words;
}

const char *words_attributes(struct arena *arena, const struct step *step)
{
	return words_for(arena, attribute_words, ARRAY_SIZE(attribute_words), step->attributes);
}

const char *words_flags(struct arena *arena, const struct step *step)
{
	return words_for(arena, flag_words, ARRAY_SIZE(flag_words), step->flags);
}

const char *words_limit(struct arena *arena, uint64_t value)
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

const char *words_what(struct arena *arena, const struct step *step)
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
				    words_limit(arena, step->soft), words_limit(arena, step->hard));
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
	case STEP_VOLATILE_ROOT:
	case STEP_ROOT_OVERLAY: return arrow(arena, source ? source : "tmpfs", step->target);
	case STEP_PIVOT_TREE:
		if (!step->target)
			return source;
		return arena_format(arena, "%s, old root at %s", source, step->target);
	case STEP_MOUNT:
	case STEP_ROOT:
	case STEP_LAYERS:
	case STEP_COPY:
	case STEP_SNAPSHOT:
	case STEP_PARTITION:
	case STEP_LINK:
	case STEP_JOURNAL_LINK: return arrow(arena, source, step->target);
	case STEP_ADDRESS:
	case STEP_ROUTE: return arena_format(arena, "%s %s", step->target, step->data);
	case STEP_ANSWER: return arena_format(arena, "%s at %s", step->data, step->target);
	default:
		if (step->data)
			return step->data;
		return step->target ? step->target : source ? source : "";
	}
}

static bool has_arrow(enum step_kind kind)
{
	return kind == STEP_BIND || kind == STEP_COPY || kind == STEP_OVERLAY ||
	       kind == STEP_SNAPSHOT || kind == STEP_PARTITION || kind == STEP_ROOT ||
	       kind == STEP_LAYERS || kind == STEP_JOURNAL_LINK || kind == STEP_LINK;
}

bool words_is_mount(enum step_kind kind)
{
	return kind == STEP_MOUNT || kind == STEP_BIND || kind == STEP_OVERLAY ||
	       kind == STEP_ROOT || kind == STEP_LAYERS || kind == STEP_VOLATILE_ROOT ||
	       kind == STEP_ROOT_OVERLAY || kind == STEP_CREDENTIALS || kind == STEP_RESTRICT ||
	       kind == STEP_BIND_USER;
}

static const char *lock_mark(const struct step *step)
{
	if (step->flags & STEP_LOCKED)
		return "[locked]";
	return words_is_mount(step->kind) ? "[not locked]" : "";
}

/* What is said with "data" besides the subject of the line. */
static const char *options_of(const struct step *step)
{
	switch (step->kind) {
	case STEP_MOUNT:
	case STEP_LAYERS:
	case STEP_VOLATILE_ROOT:
	case STEP_ROOT_OVERLAY:
	case STEP_SNAPSHOT:
	case STEP_PARTITION:
	case STEP_LINK:
	case STEP_JOURNAL_LINK: return step->data;
	case STEP_DEVICE_FILTER: return step->target;
	default: return NULL;
	}
}

const char *words_details(struct arena *arena, const struct step *step)
{
	const char *parts[5] = { lock_mark(step), words_attributes(arena, step), options_of(step),
				 step->idmap != IDMAP_NONE ? words_idmaps[step->idmap] : NULL,
				 words_flags(arena, step) };
	const char *text = "";

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		if (!text_empty(parts[i]))
			text = join(arena, text, " ", parts[i]);
	if (step->mode)
		text = join(arena, text, " ", arena_format(arena, "%04o", (unsigned)step->mode));
	return text;
}

/* What is done, as it stands after "cannot ". */
static const char *const verbs[] = {
	[STEP_LOCK] = "lock",
	[STEP_SNAPSHOT] = "copy",
	[STEP_PARTITION] = "mount the partition",
	[STEP_IDS] = "take",
	[STEP_CGROUP] = "make the cgroup",
	[STEP_DEVICE_FILTER] = "limit the devices of",
	[STEP_PRIVATE_MOUNTS] = "make a private mount namespace",
	[STEP_SPAWN] = "make the namespaces",
	[STEP_ID_MAP] = "write the id maps",
	[STEP_ROOT] = "clone the tree",
	[STEP_LAYERS] = "stack the layers of",
	[STEP_VOLATILE_ROOT] = "make a volatile root",
	[STEP_ROOT_OVERLAY] = "overlay the tree with",
	[STEP_PIVOT_TREE] = "make the root",
	[STEP_MKDIR] = "make the directory",
	[STEP_SYMLINK] = "make the link",
	[STEP_NODE] = "make the node",
	[STEP_FILE] = "write",
	[STEP_COPY] = "copy",
	[STEP_REMOVE] = "remove",
	[STEP_MOUNT] = "mount",
	[STEP_BIND] = "bind",
	[STEP_OVERLAY] = "overlay",
	[STEP_RESTRICT] = "restrict",
	[STEP_CONSOLE] = "make the console",
	[STEP_NOTIFY] = "make the notify socket",
	[STEP_CREDENTIALS] = "pass credentials in",
	[STEP_HIDE_HOST_MOUNTS] = "keep in sight",
	[STEP_CHOWN_TREE] = "change the owners of",
	[STEP_JOURNAL_LINK] = "link the journal",
	[STEP_BIND_USER] = "bring in the user",
	[STEP_ZONE] = "make the zone's bridge",
	[STEP_LINK] = "link",
	[STEP_ADDRESS] = "set the address",
	[STEP_ROUTE] = "set the route",
	[STEP_ANSWER] = "answer",
	[STEP_MASQUERADE] = "hide behind the host's addresses",
	[STEP_EGRESS] = "allow nothing but",
	[STEP_PORT] = "forward the port",
	[STEP_UNSHARE] = "make namespaces of its own",
	[STEP_ENTER] = "enter the container's tree",
	[STEP_LEAVE] = "leave the host's tree",
	[STEP_LOOPBACK] = "start the loopback interface",
	[STEP_SESSION] = "start the session on",
	[STEP_HOSTNAME] = "set the host name",
	[STEP_KEYRING] = "make a session keyring",
	[STEP_OOM_SCORE] = "set the OOM score to",
	[STEP_AFFINITY] = "set the CPU affinity",
	[STEP_PERSONALITY] = "set the personality to",
	[STEP_RLIMIT] = "set the limit",
	[STEP_SECCOMP] = "filter system calls with the",
	[STEP_SELINUX] = "set the SELinux context",
	[STEP_USER] = "become the user",
	[STEP_CAPABILITIES] = "keep only the capabilities",
	[STEP_NO_NEW_PRIVILEGES] = "give up new privileges",
	[STEP_SYSCTL] = "set",
	[STEP_STUB] = "start the stub",
	[STEP_CHDIR] = "change to the directory",
	[STEP_EXEC] = "run",
};

static_assert(ARRAY_SIZE(verbs) == STEP_KINDS, "every kind of step has a verb");

char *plan_describe(struct arena *arena, const struct step *step)
{
	const char *verb = verbs[step->kind];

	if (step->source && step->target && has_arrow(step->kind))
		return arena_format(arena, "%s '%s' to '%s' (%s)", verb, step->source, step->target,
				    step->reason);
	if (step->kind == STEP_MOUNT)
		return arena_format(arena, "%s %s at '%s' (%s)", verb, step->source, step->target,
				    step->reason);
	/* What it points to, or what it holds, is not what the reader looks for. */
	if (step->target && step->side != SIDE_NETWORK && step->kind != STEP_BIND_USER)
		return arena_format(arena, "%s '%s' (%s)", verb, step->target, step->reason);
	if (!*words_what(arena, step))
		return arena_format(arena, "%s (%s)", verb, step->reason);
	return arena_format(arena, "%s '%s' (%s)", verb, words_what(arena, step), step->reason);
}
