#include "engine/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/id128.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/path.h"
#include "base/text.h"
#include "engine/root.h"
#include "io/fd.h"
#include "io/file.h"
#include "kernel/mount.h"
#include "kernel/resolve.h"

#define JOURNALS "/var/log/journal"

static char *journal_path(struct arena *arena, const struct root *root)
{
	char id[ID128_HEX_ROOM];

	id128_hex(id, root->facts.machine_id);
	return path_join(arena, JOURNALS, id);
}

/* Where the host's link leads: the container's journal as the host sees it. */
static char *path_in_tree(struct arena *arena, const struct root *root, const char *path)
{
	return arena_format(arena, "%s%s",
			    text_equal(root->facts.path, "/") ? "" : root->facts.path, path);
}

static bool is_host_id(const uint8_t id[16])
{
	uint8_t host[16];
	char text[64];

	return file_read_line(text, sizeof(text), AT_FDCWD, "/etc/machine-id") >= 0 &&
	       parse_id128(host, text) >= 0 && memcmp(host, id, sizeof(host)) == 0;
}

static bool is_mounted(const struct root *root, const char *path)
{
	autoclose int inside = resolve_open(root->fd, path, O_PATH);
	autoclose int outside = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	return (outside >= 0 && mount_is_point(outside) > 0) ||
	       (inside >= 0 && mount_is_point(inside) > 0);
}

/* Something speaks against it: a warning for who would not insist, else the end. */
static int decline(struct host *host, bool *ret_skip, const struct spec *spec, int code,
		   const char *why)
{
	if (spec->link_journal != JOURNAL_AUTO && !spec->link_journal_try)
		return fail_plain(code,
				  "cannot link the journal of machine '%s': %s (try "
				  "--link-journal=no)",
				  spec->machine, why);
	log_warning("the journal of machine '%s' is not linked: %s, going on without",
		    spec->machine, why);
	host->journal_exists = false;
	host->journal_machine = NULL;
	*ret_skip = true;
	return 0;
}

int journal_gather(struct arena *arena, struct host *host, bool *ret_skip, const struct spec *spec,
		   const struct root *root)
{
	struct stat st;
	char *path;

	if (spec->link_journal == JOURNAL_NO || spec->ephemeral == TRISTATE_YES)
		return 0;
	host->journal_exists = access(JOURNALS, F_OK) == 0;
	if (!host->journal_exists)
		return 0; /* the plan says what that means for each mode */
	path = journal_path(arena, root);
	if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode))
		host->journal_machine = path;
	if (spec->link_journal == JOURNAL_AUTO && !host->journal_machine)
		return 0;
	if (is_host_id(root->facts.machine_id))
		return decline(host, ret_skip, spec, -EEXIST,
			       "it has the same machine id as the host");
	if (is_mounted(root, path))
		return decline(host, ret_skip, spec, -EBUSY,
			       "its directory is a mount point already");
	return 0;
}

/* 1: the link that we want is there; 0: nothing is. */
static int clear_way(struct arena *arena, const char *path, const char *wanted, bool want_link)
{
	char target[PATH_MAX];
	ssize_t length = readlink(path, target, sizeof(target));

	if (length >= 0) {
		if (want_link && (size_t)length < sizeof(target) &&
		    text_equal(arena_text_n(arena, target, (size_t)length), wanted))
			return 1;
		if (unlink(path) < 0)
			return fail(-errno, "cannot remove the old journal link '%s'", path);
		return 0;
	}
	if (errno == ENOENT || (errno == EINVAL && !want_link))
		return 0;
	/* Only an empty one: journals are not ours to delete. */
	if (errno == EINVAL && rmdir(path) == 0)
		return 0;
	return fail(-errno, "cannot put a link in the place of '%s' (move the journals in it away)",
		    path);
}

int journal_link(struct arena *arena, const char **ret_bind, const struct spec *spec,
		 const struct root *root)
{
	bool guest = spec->link_journal == JOURNAL_GUEST;
	char *path = journal_path(arena, root), *inside = path_in_tree(arena, root, path);
	int r;

	r = clear_way(arena, path, inside, guest);
	if (r < 0)
		return r;
	*ret_bind = guest ? NULL : path;
	if (guest && r == 0 && symlink(inside, path) < 0)
		return fail(-errno, "cannot link '%s' to '%s'", path, inside);
	if (!guest && mkdir(path, 0755) < 0 && errno != EEXIST)
		return fail(-errno, "cannot make the journal's directory '%s'", path);
	return 0;
}
