#include "machine/guest-users.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/path.h"
#include "base/text.h"
#include "format/passwd.h"
#include "io/fd.h"
#include "io/file.h"
#include "kernel/resolve.h"

int guest_users_read(struct arena *arena, char **ret, size_t *ret_size, int root_fd,
		     const char *path)
{
	autoclose int fd = -EBADF;

	fd = resolve_open_file(root_fd, path);
	if (fd < 0)
		return fd;
	return file_read_fd(arena, ret, ret_size, fd, PASSWD_SIZE_MAX);
}

static int explain_read(int r, const char *path)
{
	switch (r) {
	case -EBADFD:
		return fail_plain(r, "cannot look up users: the tree's '%s' is no regular file",
				  path);
	case -EFBIG:
	case -E2BIG:
		return fail_plain(r, "cannot look up users: the tree's '%s' is absurdly large",
				  path);
	}
	return fail(r, "cannot look up users: cannot read the tree's '%s'", path);
}

static void set_root(struct guest_user *user)
{
	*user = (struct guest_user){ .name = "root", .home = "/root" };
}

static const char *absolute_or(const char *path, const char *otherwise)
{
	return !text_empty(path) && path_is_absolute(path) ? path : otherwise;
}

static int find_groups(struct arena *arena, struct guest_user *user, int root_fd)
{
	char *text;
	size_t size;
	int r;

	r = guest_users_read(arena, &text, &size, root_fd, "/etc/group");
	if (r == -ENOENT)
		return 0;
	if (r >= 0)
		r = passwd_groups_of(arena, &user->groups, &user->group_count, text, size,
				     user->name, user->gid);
	return r < 0 ? explain_read(r, "/etc/group") : 0;
}

/* Root may be missing from passwd, or even be there with another home or shell. The reference knows
 * it without looking, and so do we: there is nothing that the tree could redirect. */
static bool is_root(const char *name)
{
	return text_empty(name) || text_equal(name, "root") || text_equal(name, "0");
}

int guest_users_find(struct arena *arena, struct guest_user *ret, int root_fd, const char *name)
{
	struct passwd_user found;
	struct guest_user user;
	uid_t uid;
	char *text;
	size_t size;
	int r;

	set_root(&user);
	if (is_root(name)) {
		*ret = user;
		return 0;
	}
	r = guest_users_read(arena, &text, &size, root_fd, "/etc/passwd");
	if (r < 0 && r != -ENOENT)
		return explain_read(r, "/etc/passwd");
	if (r >= 0)
		r = passwd_find_user(arena, &found, &uid, text, size, name);
	if (r == -EINVAL)
		return fail_input(
			"cannot run as user '%s': this is neither a user name nor a number "
			"of one",
			name);
	if (r == -ENOENT)
		return fail_plain(
			r, "cannot run as user '%s': there is none in the tree's /etc/passwd",
			name);
	if (r < 0)
		return explain_read(r, "/etc/passwd");

	user.name = found.name;
	user.uid = found.uid;
	user.gid = found.gid;
	user.home = absolute_or(found.home, "/");
	user.shell = absolute_or(found.shell, NULL);
	r = find_groups(arena, &user, root_fd);
	if (r < 0)
		return r;
	*ret = user;
	return 0;
}

const char *guest_users_shell(struct arena *arena, int root_fd, const struct guest_user *user)
{
	struct passwd_user found;
	char *text;
	size_t size;

	if (user->shell != NULL)
		return user->shell;
	if (user->uid == 0 && guest_users_read(arena, &text, &size, root_fd, "/etc/passwd") >= 0 &&
	    passwd_find_name(arena, &found, text, size, user->name) >= 0)
		return absolute_or(found.shell, "/bin/sh");
	return "/bin/sh";
}

/* shadow(5): a field that begins with "!" or "*" matches no password; an empty one needs none. */
static bool has_usable(const char *line)
{
	const char *hash = strchr(line, ':');

	return hash && hash[1] != '!' && hash[1] != '*' && hash[1] != '\n' && hash[1] != '\0';
}

bool guest_users_can_log_in(struct arena *arena, int root_fd)
{
	char *text, *line;
	size_t size;

	if (guest_users_read(arena, &text, &size, root_fd, "/etc/shadow") < 0)
		return true; /* a system of another kind, whose logins we know nothing of */
	for (line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (has_usable(line))
			return true;
	}
	return false;
}
