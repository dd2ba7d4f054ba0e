#include "engine/ids.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/hash.h"
#include "base/text.h"
#include "engine/host.h"
#include "engine/ids-outer.h"
#include "image/ids-files.h"
#include "image/lock.h"
#include "io/dir.h"
#include "io/fd.h"
#include "kernel/namespace.h"
#include "machine/record.h"

#define RANGE UINT32_C(65536)
#define TRIES 100
#define LOCK_DIRECTORY "/run/systemd/nspawn-uid"

struct pick {
	struct arena *arena;
	struct arena scratch;
	struct ids_files files;
	struct record *record; /* NULL: take no lock */
	bool files_read;
};

/* 1: BASE is ours now; 0: not free. */
static int try_base(struct pick *pick, struct ids *ids, uint32_t base)
{
	char *path;
	int fd, r;

	if (base < IDS_PICK_FIRST || base > IDS_PICK_LAST || (base & 0xFFFF) != 0)
		return 0;
	if (!pick->files_read)
		ids_files_read(&pick->scratch, &pick->files);
	pick->files_read = true;
	if (ids_files_collide(&pick->files, base, RANGE))
		return 0;
	ids->base = base;
	if (!pick->record)
		return 1;

	path = arena_format(pick->arena, LOCK_DIRECTORY "/%u", base);
	r = record_note(pick->record, RECORD_LOCK, path);
	if (r < 0)
		return r;
	fd = lock_file(AT_FDCWD, path, true);
	if (fd == -ENOENT && dir_make_all(LOCK_DIRECTORY, 0755) >= 0)
		fd = lock_file(AT_FDCWD, path, true);
	if (fd == -EBUSY)
		return 0;
	if (fd < 0)
		return fail(fd, "cannot lock the id range '%s'", path);
	ids->lock_fd = fd;
	ids->lock_path = path;
	return 1;
}

static uint32_t candidate(uint64_t seed)
{
	uint32_t base = (uint32_t)seed;

	base = base % (IDS_PICK_LAST - IDS_PICK_FIRST) + IDS_PICK_FIRST;
	return base & UINT32_C(0xFFFF0000);
}

/* Reference 6.2: what the tree has, then the name's hash, then random ones. */
static int pick_base(struct pick *pick, struct ids *ids, const char *name, uint32_t of_tree)
{
	static const uint8_t key[16] = { 0xe1, 0x56, 0xe0, 0xf0, 0x4a, 0xf0, 0x41, 0xaf,
					 0x96, 0x41, 0xcf, 0x41, 0x33, 0x94, 0xff, 0x72 };
	uint64_t seed = hash_siphash24(name, strlen(name), key);
	int r;

	if (of_tree > 0) {
		r = try_base(pick, ids, of_tree);
		if (r != 0)
			return r;
	}
	for (int i = 0; i < TRIES; i++) {
		r = try_base(pick, ids, candidate(seed));
		if (r != 0)
			return r;
		if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
			return fail(-EIO, "cannot get random numbers");
	}
	return fail_plain(-EBUSY, "cannot find a free range of user ids (give one with "
				  "--private-users=BASE)");
}

static void one_range(struct ids *ids)
{
	ids->uids[0] = ids->gids[0] = (struct own_ids_extent){ 0, ids->base, ids->range };
	ids->uid_count = ids->gid_count = 1;
}

/* The upper half of the tree's owner, which says whose range it is in. */
static int tree_base(uint32_t *ret, int root_fd)
{
	struct stat st;

	if (fstat(root_fd, &st) < 0)
		return fail(-errno, "cannot look at the top of the tree");
	if ((st.st_uid & UINT32_C(0xFFFF0000)) != (st.st_gid & UINT32_C(0xFFFF0000)))
		return fail_input("cannot tell the id range of the tree: its top belongs to user "
				  "%u but to group %u (try --private-users-ownership=off "
				  "--private-users=BASE)",
				  st.st_uid, st.st_gid);
	*ret = st.st_uid & UINT32_C(0xFFFF0000);
	return 0;
}

static bool is_auto(enum ownership_mode mode)
{
	return mode == OWNERSHIP_UNSET || mode == OWNERSHIP_AUTO;
}

/* What happens to the owners of a tree in the range OF_TREE when the container has ids->base. */
static int decide_ownership(struct ids *ids, enum ownership_mode mode, uint32_t of_tree)
{
	bool shifted = of_tree != 0 && of_tree != IDS_FOREIGN;

	if (mode == OWNERSHIP_FOREIGN || (is_auto(mode) && of_tree == IDS_FOREIGN)) {
		if (of_tree != IDS_FOREIGN)
			return fail_input("cannot use --private-users-ownership=foreign: the tree "
					  "does not belong to the foreign range %u",
					  IDS_FOREIGN);
		ids->map = true;
		ids->map_from = IDS_FOREIGN;
	} else if (mode == OWNERSHIP_CHOWN) {
		if ((ids->base & 0xFFFF) != 0 || ids->range != RANGE)
			return fail_input("cannot change the owners of the tree to %u+%u: "
					  "--private-users-ownership=chown needs a range of 65536 "
					  "that begins at a multiple of it",
					  ids->base, ids->range);
		ids->chown = of_tree != ids->base;
	} else if (mode == OWNERSHIP_MAP && shifted) {
		return fail_input("cannot map the owners of the tree: they are in the range of %u, "
				  "not of 0 (try --private-users-ownership=off)",
				  of_tree);
	} else if (mode == OWNERSHIP_MAP || (is_auto(mode) && !shifted)) {
		/* Base 0: what would be mapped is what there is. */
		ids->map = ids->base != 0 || ids->range != RANGE;
	} else if (is_auto(mode) && of_tree != ids->base) {
		return fail_plain(-EBUSY,
				  "cannot give the container the range %u that the tree "
				  "belongs to: it is in use, or none to pick from (try "
				  "--private-users-ownership=chown to move the tree to "
				  "another range)",
				  of_tree);
	}
	ids->rung = ids->map ? RUNG_IDMAPPED : RUNG_SHIFTED;
	return 0;
}

static int take_picked(struct arena *arena, struct ids *ids, const struct spec *spec, int root_fd,
		       struct record *record)
{
	struct pick pick = { .arena = arena, .record = record };
	uint32_t of_tree;
	int r;

	r = tree_base(&of_tree, root_fd);
	if (r < 0)
		return r;
	ids->range = RANGE;
	r = pick_base(&pick, ids, spec->machine, of_tree == IDS_FOREIGN ? 0 : of_tree);
	arena_done(&pick.scratch);
	if (r < 0)
		return r;
	return decide_ownership(ids, spec->ownership, of_tree);
}

static int take_as_told(struct ids *ids, const struct spec *spec, int root_fd)
{
	enum ownership_mode mode = spec->ownership;
	uint32_t of_tree;
	int r;

	r = tree_base(&of_tree, root_fd);
	if (r < 0)
		return r;
	if (mode == OWNERSHIP_UNSET)
		mode = OWNERSHIP_OFF;
	if (spec->userns == USERNS_FROM_TREE) {
		ids->base = of_tree;
		ids->range = RANGE;
		if (is_auto(mode) || of_tree == 0)
			mode = OWNERSHIP_OFF;
	} else {
		ids->base = spec->uid_base;
		ids->range = spec->uid_range;
		/* Already in the range that was named: nothing to do. */
		if (is_auto(mode) && of_tree == ids->base)
			mode = OWNERSHIP_OFF;
	}
	return decide_ownership(ids, mode, of_tree);
}

static void describe(struct arena *arena, struct ids *ids)
{
	static const char *const names[] = {
		[RUNG_IDMAPPED] = "own range, owners mapped",
		[RUNG_SHIFTED] = "own range, owners as they are on disk",
		[RUNG_SUBORDINATE] = "subordinate ids by newuidmap",
		[RUNG_SINGLE] = "one id",
	};
	const char *name = ids->chown ? "own range, owners changed on disk" : names[ids->rung];

	ids->text = arena_format(arena,
				 "%s: %u+%u (free of what /etc/{passwd,group,subuid,subgid} say)",
				 name, ids->base, ids->range);
}

int ids_take(struct arena *arena, struct ids *ret, const struct spec *spec, const struct host *host,
	     int root_fd, struct record *record)
{
	struct ids ids = IDS_EMPTY;
	int r;

	if (spec->userns == USERNS_MANAGED)
		return fail_input(
			"cannot use --private-users=managed: taking ids from "
			"systemd-nsresourced is not built yet (try --private-users=pick)");
	if (host->confined) {
		r = ids_outer_confined(arena, &ids, spec);
	} else if (host->uid != 0) {
		r = ids_outer_unprivileged(arena, &ids, spec, host);
	} else if (spec->userns == USERNS_NO) {
		ids.text = "the host's ids";
		*ret = ids;
		return 0;
	} else if (!namespace_is_initial_user()) {
		r = ids_outer_nested(arena, &ids, spec);
		if (r == 0) /* the user's own words: as on the host */
			r = take_as_told(&ids, spec, root_fd);
	} else if (spec->userns == USERNS_PICK || spec->userns == USERNS_UNSET) {
		r = take_picked(arena, &ids, spec, root_fd, record);
	} else {
		r = take_as_told(&ids, spec, root_fd);
	}
	if (r < 0) {
		ids_release(&ids);
		return r;
	}
	if (ids.uid_count == 0)
		one_range(&ids);
	describe(arena, &ids);
	*ret = ids;
	return 0;
}

void ids_release(struct ids *ids)
{
	if (ids->lock_fd >= 0 && ids->lock_path)
		(void)unlink(ids->lock_path);
	fd_close(&ids->lock_fd);
	ids->lock_path = NULL;
}

void ids_entered(struct ids *ids)
{
	/* Not joined where they touch: the kernel wants each range within one of the parent's. */
	for (size_t i = 0; i < ids->uid_count; i++)
		ids->uids[i].outside = ids->uids[i].inside;
	for (size_t i = 0; i < ids->gid_count; i++)
		ids->gids[i].outside = ids->gids[i].inside;
	ids->base = 0;
}
