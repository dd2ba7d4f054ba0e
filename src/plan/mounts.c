#include "plan/mounts.h"

#include <string.h>
#include <sys/mount.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/macros.h"
#include "base/path.h"
#include "base/text.h"
#include "format/mountopts.h"
#include "plan/step.h"

#define STAGE "/run/host/staged"

struct attribute_word {
	const char *word;
	uint64_t set, clear;
};

/* Words of a --tmpfs= value that belong to the mount, not to the file system. */
static const struct attribute_word attribute_words[] = {
	{ "ro", MOUNT_ATTR_RDONLY, 0 },
	{ "rw", 0, MOUNT_ATTR_RDONLY },
	{ "nosuid", MOUNT_ATTR_NOSUID, 0 },
	{ "suid", 0, MOUNT_ATTR_NOSUID },
	{ "nodev", MOUNT_ATTR_NODEV, 0 },
	{ "dev", 0, MOUNT_ATTR_NODEV },
	{ "noexec", MOUNT_ATTR_NOEXEC, 0 },
	{ "exec", 0, MOUNT_ATTR_NOEXEC },
	{ "noatime", MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME },
	{ "relatime", MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME },
	{ "strictatime", MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME },
	{ "nodiratime", MOUNT_ATTR_NODIRATIME, 0 },
	{ "diratime", 0, MOUNT_ATTR_NODIRATIME },
};

static bool apply_word(const char *word, uint64_t *attributes)
{
	for (size_t i = 0; i < ARRAY_SIZE(attribute_words); i++) {
		if (!text_equal(word, attribute_words[i].word))
			continue;
		*attributes = (*attributes & ~attribute_words[i].clear) | attribute_words[i].set;
		return true;
	}
	return false;
}

static int add_tmpfs(struct planner *p, const struct custom_mount *mount, const char *target)
{
	uint64_t attributes = MOUNT_ATTR_NODEV | MOUNT_ATTR_STRICTATIME;
	struct mountopts words, rest = { 0 };
	const char *options;
	int r;

	r = mountopts_parse(p->arena, &words, mount->options ? mount->options : "mode=0755");
	if (r < 0)
		return fail_plain(r, "cannot understand the mount options in '%s' (see tmpfs(5))",
				  mount->words);
	rest.items = arena_take_array(p->arena, words.count, sizeof(*rest.items));
	for (size_t i = 0; i < words.count; i++)
		if (words.items[i].value || !apply_word(words.items[i].key, &attributes))
			rest.items[rest.count++] = words.items[i];

	options = step_tmpfs_options(p, mountopts_format(p->arena, &rest));
	step_mount(p, "tmpfs", target, options, attributes)->mount = mount;
	return 0;
}

static void add_bind(struct planner *p, const struct custom_mount *mount, const char *target)
{
	struct step *step = step_bind(p, mount->source, target,
				      mount->read_only ? MOUNT_ATTR_RDONLY : 0);

	step->idmap = mount->idmap;
	if (mount->recursive)
		step->flags |= STEP_RECURSIVE;
	if (mount->source_in_tree)
		step->flags |= STEP_SOURCE_IN_TREE;
	if (!mount->source)
		step->flags |= STEP_TEMPORARY_SOURCE;
	step->mount = mount;
}

static void add_overlay(struct planner *p, const struct custom_mount *mount, const char *target)
{
	struct step *step = step_add(p, STEP_OVERLAY, target);

	step->source = mount->source;
	step->attributes = mount->read_only ? MOUNT_ATTR_RDONLY : 0;
	if (mount->source_in_tree)
		step->flags |= STEP_SOURCE_IN_TREE;
	if (!mount->source)
		step->flags |= STEP_TEMPORARY_SOURCE;
	step->mount = mount;
	step_mounted(p, target, false);
}

static void add_inaccessible(struct planner *p, const struct custom_mount *mount)
{
	struct step *step = step_bind(p, "/run/host/inaccessible", mount->destination,
				      MOUNT_ATTR_RDONLY);

	step->flags |= STEP_SOURCE_IN_CONTAINER | STEP_MATCH_TYPE;
	step->mount = mount;
}

static int add(struct planner *p, const struct custom_mount *mount, const char *target)
{
	p->reason = mount->reason ? mount->reason : "mount";
	switch (mount->kind) {
	case MOUNT_BIND: add_bind(p, mount, target); break;
	case MOUNT_TMPFS: return add_tmpfs(p, mount, target);
	case MOUNT_OVERLAY: add_overlay(p, mount, target); break;
	case MOUNT_INACCESSIBLE: add_inaccessible(p, mount); break;
	}
	return 0;
}

static bool is_root(const struct custom_mount *mount)
{
	return text_equal(mount->destination, "/");
}

/* Its source is out of the payload's reach, its target does not exist before the payload does. */
static bool is_staged(const struct custom_mount *mount)
{
	return path_is_below(mount->destination, "/proc") &&
	       (mount->kind == MOUNT_BIND || mount->kind == MOUNT_OVERLAY);
}

static const char *stage_path(struct planner *p, size_t index)
{
	return arena_format(p->arena, STAGE "/%zu", index);
}

static int check(const struct planner *p, const struct custom_mount *mount)
{
	if (mount->kind == MOUNT_BIND && mount->idmap != IDMAP_NONE && p->rootless)
		return fail_input("cannot map the owners of '%s' without root (leave out the idmap "
				  "option of %s)",
				  mount->words ? mount->words : mount->destination, mount->reason);
	return 0;
}

int mounts_root(struct planner *p)
{
	for (size_t i = 0; i < p->spec->mounts.count; i++) {
		const struct custom_mount *mount = &p->spec->mounts.items[i];
		int r = check(p, mount);

		if (r >= 0 && is_root(mount))
			r = add(p, mount, "/");
		if (r < 0)
			return r;
	}
	return 0;
}

int mounts_host(struct planner *p)
{
	for (size_t i = 0; i < p->spec->mounts.count; i++) {
		const struct custom_mount *mount = &p->spec->mounts.items[i];
		int r = 0;

		if (is_root(mount))
			continue;
		if (is_staged(mount))
			r = add(p, mount, stage_path(p, i));
		else if (!path_is_below(mount->destination, "/proc"))
			r = add(p, mount, mount->destination);
		if (r < 0)
			return r;
	}
	return 0;
}

static void add_staged(struct planner *p, const struct custom_mount *mount, size_t index)
{
	struct step *step;

	p->reason = mount->reason ? mount->reason : "mount";
	step = step_bind(p, stage_path(p, index), mount->destination,
			 mount->read_only ? MOUNT_ATTR_RDONLY : 0);
	step->flags |= STEP_SOURCE_IN_CONTAINER | STEP_INHERITS | STEP_RECURSIVE;
	step->mount = mount;
}

int mounts_payload(struct planner *p)
{
	for (size_t i = 0; i < p->spec->mounts.count; i++) {
		const struct custom_mount *mount = &p->spec->mounts.items[i];
		int r = 0;

		if (is_root(mount) || !path_is_below(mount->destination, "/proc"))
			continue;
		if (is_staged(mount))
			add_staged(p, mount, i);
		else
			r = add(p, mount, mount->destination);
		if (r < 0)
			return r;
	}
	return 0;
}
