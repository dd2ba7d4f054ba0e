#include "engine/outer.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/text.h"
#include "engine/ids.h"
#include "io/file.h"
#include "kernel/namespace.h"

#define MAP_LIMIT 4096

int outer_enter(struct arena *arena, const struct ids *ids)
{
	struct own_ids own = {
		.uid_count = ids->uid_count,
		.gid_count = ids->gid_count,
		.newuidmap = ids->newuidmap,
		.newgidmap = ids->newgidmap,
		.single = ids->rung == RUNG_SINGLE,
	};

	memcpy(own.uids, ids->uids, sizeof(own.uids));
	memcpy(own.gids, ids->gids, sizeof(own.gids));
	return own_ids_enter(arena, &own);
}

int outer_join(int user_fd)
{
	int r = namespace_join(user_fd, CLONE_NEWUSER);

	return r < 0 ? fail(r, "cannot enter the user namespace of another supervisor")
		     : own_ids_be_root();
}

/* The kernel's text has more spaces. */
static int has_map(struct arena *arena, int process_fd, const char *file, const char *map)
{
	struct text_list ours = { 0 }, theirs = { 0 };
	char *text;
	size_t size;
	int r = file_read(arena, &text, &size, process_fd, file, MAP_LIMIT);

	if (r < 0)
		return fail(r, "cannot read the ids of another supervisor of this user");
	text_split(arena, &ours, map, " \n");
	text_split(arena, &theirs, text, " \n");
	if (ours.count != theirs.count)
		return false;
	for (size_t i = 0; i < ours.count; i++)
		if (!text_equal(ours.items[i], theirs.items[i]))
			return false;
	return true;
}

int outer_check(struct arena *arena, const struct ids *ids, int process_fd)
{
	int r = has_map(arena, process_fd, "uid_map",
			own_ids_map_text(arena, ids->uids, ids->uid_count));

	if (r > 0)
		r = has_map(arena, process_fd, "gid_map",
			    own_ids_map_text(arena, ids->gids, ids->gid_count));
	if (r != 0)
		return MIN(r, 0);
	return fail_plain(-EPERM, "cannot join the network of this user's other machines: their "
				  "ids are others (stop them first, or say the same with "
				  "--private-users=)");
}
