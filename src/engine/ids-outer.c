#include "engine/ids-outer.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/parse.h"
#include "base/text.h"
#include "engine/host.h"
#include "image/ids-files.h"
#include "image/own-ids.h"
#include "io/file.h"

#define MAP_LIMIT (64 * 1024)
#define RANGE UINT32_C(65536)

static int named_range(struct ids *ids, const struct spec *spec, const struct ids_files *files,
		       const char *name, uint32_t uid)
{
	if (!ids_files_owns(files->subuid, name, uid, spec->uid_base, spec->uid_range) ||
	    !ids_files_owns(files->subgid, name, uid, spec->uid_base, spec->uid_range))
		return fail_plain(-EPERM,
				  "cannot use the ids %u+%u: /etc/subuid and /etc/subgid do "
				  "not give them to user %u",
				  spec->uid_base, spec->uid_range, uid);
	ids->uids[0] = ids->gids[0] = (struct own_ids_extent){ 0, spec->uid_base, spec->uid_range };
	ids->uid_count = ids->gid_count = 1;
	return 0;
}

int ids_outer_unprivileged(struct arena *arena, struct ids *ids, const struct spec *spec,
			   const struct host *host)
{
	uint32_t uid = host->uid;
	struct ids_files files;
	struct own_ids own;
	int r;

	if (spec->userns == USERNS_NO)
		return fail_input("cannot use --private-users=no: without root a container needs "
				  "a user namespace");
	if (spec->ownership == OWNERSHIP_CHOWN || spec->ownership == OWNERSHIP_MAP ||
	    spec->ownership == OWNERSHIP_FOREIGN)
		return fail_input("cannot change how the tree's owners are shown: without root "
				  "they are what they are on disk (leave out "
				  "--private-users-ownership=)");
	ids_files_read(arena, &files);
	own_ids_find(arena, &own, &files, uid, host->environment);
	ids->newuidmap = own.newuidmap;
	ids->newgidmap = own.newgidmap;
	if (spec->userns == USERNS_FIXED && spec->uid_base != 0) {
		r = named_range(ids, spec, &files, ids_files_user_name(arena, files.passwd, uid),
				uid);
		if (r < 0)
			return r;
	} else {
		memcpy(ids->uids, own.uids, sizeof(ids->uids));
		memcpy(ids->gids, own.gids, sizeof(ids->gids));
		ids->uid_count = own.uid_count;
		ids->gid_count = own.gid_count;
	}
	ids->base = ids->uids[0].outside;
	ids->range = ids->uids[0].count;
	if (ids->uid_count > 1)
		ids->range += MIN(ids->uids[1].count, ids->gids[1].count);
	ids->rung = ids->range > 1 ? RUNG_SUBORDINATE : RUNG_SINGLE;
	return 0;
}

int ids_outer_identity(struct own_ids_extent *extents, size_t room, const char *map)
{
	struct arena scratch = { 0 };
	struct text_list lines = { 0 };
	size_t count = 0;
	int r = -EBADMSG;

	text_split(&scratch, &lines, map, "\n");
	for (size_t i = 0; i < lines.count && count < room; i++) {
		struct text_list words = { 0 };
		uint32_t inside, length;

		text_split(&scratch, &words, lines.items[i], " ");
		if (words.count != 3 || parse_u32(&inside, words.items[0]) < 0 ||
		    parse_u32(&length, words.items[2]) < 0 || length == 0)
			goto out;
		extents[count++] = (struct own_ids_extent){ inside, inside, length };
	}
	r = count > 0 ? (int)count : -EBADMSG;
out:
	arena_done(&scratch);
	return r;
}

static int own_map(struct arena *arena, struct own_ids_extent *extents, size_t *ret_count,
		   const char *path)
{
	char *text;
	size_t size;
	int r;

	r = file_read(arena, &text, &size, AT_FDCWD, path, MAP_LIMIT);
	if (r >= 0)
		r = ids_outer_identity(extents, OWN_IDS_EXTENTS, text);
	if (r < 0)
		return fail(r, "cannot read which ids this container has from '%s'", path);
	*ret_count = (size_t)r;
	return 0;
}

/* The upper half of what is mapped, if somebody wants a range of its own here. */
static bool upper_part(struct ids *ids)
{
	if (ids->uids[0].count < 2 * RANGE || ids->gids[0].count < 2 * RANGE)
		return false;
	ids->base = (MIN(ids->uids[0].count, ids->gids[0].count) - RANGE) & UINT32_C(0xFFFF0000);
	ids->range = RANGE;
	ids->uids[0] = ids->gids[0] = (struct own_ids_extent){ 0, ids->base, RANGE };
	ids->uid_count = ids->gid_count = 1;
	return true;
}

/* How many ids there are from 0 on without a gap. */
static uint32_t length(const struct own_ids_extent *extents, size_t count)
{
	uint32_t next = 0;

	for (size_t i = 0; i < count && extents[i].inside == next; i++)
		next += extents[i].count;
	return next;
}

int ids_outer_nested(struct arena *arena, struct ids *ids, const struct spec *spec)
{
	bool asked = spec->group_origin[GROUP_USERNS] != BY_DEFAULT;
	int r;

	if (asked && (spec->userns == USERNS_FROM_TREE || spec->uid_base != 0))
		return 0;
	r = own_map(arena, ids->uids, &ids->uid_count, "/proc/self/uid_map");
	if (r >= 0)
		r = own_map(arena, ids->gids, &ids->gid_count, "/proc/self/gid_map");
	if (r < 0)
		return r;

	/* File systems of the outer host cannot be mapped from in here, so the default is to be
	 * the same ids as the outer container: its tree's owners are right as they are. */
	if (asked && spec->userns == USERNS_PICK && upper_part(ids)) {
		ids->map = spec->ownership != OWNERSHIP_OFF && spec->ownership != OWNERSHIP_CHOWN;
		ids->chown = spec->ownership == OWNERSHIP_CHOWN;
		ids->rung = ids->map ? RUNG_IDMAPPED : RUNG_SHIFTED;
		return 1;
	}
	ids->base = 0;
	ids->range = MIN(length(ids->uids, ids->uid_count), length(ids->gids, ids->gid_count));
	ids->rung = ids->range > 1 ? RUNG_SHIFTED : RUNG_SINGLE;
	return 1;
}

int ids_outer_confined(struct arena *arena, struct ids *ids, const struct spec *spec)
{
	int r;

	if (spec->userns == USERNS_NO)
		return fail_input("cannot use --private-users=no: this container has no "
				  "CAP_SYS_ADMIN (leave it out)");
	r = own_map(arena, ids->uids, &ids->uid_count, "/proc/self/uid_map");
	if (r >= 0)
		r = own_map(arena, ids->gids, &ids->gid_count, "/proc/self/gid_map");
	if (r < 0)
		return r;
	ids->range = MIN(length(ids->uids, ids->uid_count), length(ids->gids, ids->gid_count));
	ids->rung = ids->range > 1 ? RUNG_SUBORDINATE : RUNG_SINGLE;
	return 0;
}
