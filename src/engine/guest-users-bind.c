#include "engine/guest-users-bind.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/macros.h"
#include "base/path.h"
#include "base/text.h"
#include "format/passwd.h"
#include "io/file.h"
#include "machine/guest-users.h"
#include "spec/spec.h"

#define FIRST_ID 60514u
#define LAST_ID 60577u
#define FIRST_REGULAR_ID 1000u
#define NOBODY_ID 65534u
#define SERVICE "io.systemd.NSpawn"

struct text {
	char *data;
	size_t size;
};

struct accounts {
	struct text passwd, group, shadow;
};

struct gatherer {
	struct arena *arena;
	struct guest_users_bound *result;
	const struct spec *spec;
	struct accounts host, tree;
	uint32_t next_id;
};

static int read_host(struct arena *arena, struct text *ret, const char *path)
{
	int r = file_read(arena, &ret->data, &ret->size, AT_FDCWD, path, PASSWD_SIZE_MAX);

	return r < 0 ? fail(r, "cannot read the host's '%s' (--bind-user=)", path) : 0;
}

static int read_tree(struct arena *arena, struct text *ret, int root_fd, const char *path)
{
	int r = guest_users_read(arena, &ret->data, &ret->size, root_fd, path);

	if (r == -ENOENT) {
		*ret = (struct text){ .data = arena_text(arena, "") };
		return 0;
	}
	return r < 0 ? fail(r, "cannot read '%s' of the tree (--bind-user=)", path) : 0;
}

static int read_all(struct gatherer *g, int root_fd)
{
	int r;

	r = read_host(g->arena, &g->host.passwd, "/etc/passwd");
	if (r >= 0)
		r = read_host(g->arena, &g->host.group, "/etc/group");
	if (r >= 0)
		r = read_tree(g->arena, &g->tree.passwd, root_fd, "/etc/passwd");
	if (r >= 0)
		r = read_tree(g->arena, &g->tree.group, root_fd, "/etc/group");
	/* Without root the host's passwords cannot be read: the account comes without one. */
	if (file_read(g->arena, &g->host.shadow.data, &g->host.shadow.size, AT_FDCWD, "/etc/shadow",
		      PASSWD_SIZE_MAX) < 0)
		g->host.shadow = (struct text){ .data = arena_text(g->arena, "") };
	return r;
}

/* ---- JSON ---- */

static char *json_text(struct arena *arena, const char *text)
{
	char *out = arena_take(arena, strlen(text) * 6 + 3), *at = out;

	*at++ = '"';
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\') {
			*at++ = '\\';
			*at++ = (char)c;
		} else if (c < 0x20 || c == 0x7F) {
			memcpy(at, arena_format(arena, "\\u%04x", c), 6);
			at += 6;
		} else {
			*at++ = (char)c;
		}
	}
	*at++ = '"';
	return out;
}

static const char *disposition(uid_t id)
{
	return id < FIRST_REGULAR_ID ? "system" : "regular";
}

static const char *member_of(const struct gatherer *g)
{
	const struct text_list *groups = &g->spec->bind_user_groups;
	char *list = arena_text(g->arena, "");

	if (groups->count == 0)
		return list;
	for (size_t i = 0; i < groups->count; i++)
		list = arena_format(g->arena, "%s%s%s", list, i > 0 ? "," : "",
				    json_text(g->arena, groups->items[i]));
	return arena_format(g->arena, ",\"memberOf\":[%s]", list);
}

/* --bind-user-shell=: none, the host's, or a path. */
static const char *shell_of(const struct gatherer *g, const struct passwd_user *user)
{
	const char *shell = g->spec->bind_user_shell;

	if (!shell || text_equal(shell, "no"))
		return "";
	if (text_equal(shell, "yes"))
		shell = user->shell;
	if (text_empty(shell))
		return "";
	return arena_format(g->arena, ",\"shell\":%s", json_text(g->arena, shell));
}

static char *user_record(const struct gatherer *g, const struct passwd_user *user, uint32_t id)
{
	return arena_format(g->arena,
			    "{\"userName\":%s,\"uid\":%u,\"gid\":%u,\"disposition\":\"%s\","
			    "\"homeDirectory\":%s,\"service\":\"" SERVICE "\"%s%s}\n",
			    json_text(g->arena, user->name), id, id, disposition(user->uid),
			    json_text(g->arena,
				      arena_format(g->arena, "/run/host/home/%s", user->name)),
			    shell_of(g, user), member_of(g));
}

static char *group_record(const struct gatherer *g, const struct passwd_user *user, uint32_t id)
{
	return arena_format(g->arena,
			    "{\"groupName\":%s,\"gid\":%u,\"disposition\":\"%s\","
			    "\"service\":\"" SERVICE "\"}\n",
			    json_text(g->arena, user->name), id, disposition(user->gid));
}

/* The host's password, if it is one that can match; NULL: the account has none to give. */
static char *hashed_password(const struct gatherer *g, const char *name)
{
	struct text_list lines = { 0 };

	text_split(g->arena, &lines, g->host.shadow.data, "\n");
	for (size_t i = 0; i < lines.count; i++) {
		const char *hash = text_after(lines.items[i], name);
		size_t length;

		if (!hash || *hash++ != ':')
			continue;
		length = strcspn(hash, ":");
		if (length == 0 || *hash == '!' || *hash == '*')
			return NULL;
		return arena_text_n(g->arena, hash, length);
	}
	return NULL;
}

/* ---- files ---- */

static void add_file(struct gatherer *g, char *name, mode_t mode, char *data, bool is_link)
{
	struct guest_users_bound *result = g->result;
	struct guest_users_file *file;

	file = list_grow(g->arena, (void **)&result->files, &result->file_count, sizeof(*file));
	*file = (struct guest_users_file){
		.name = name,
		.mode = mode,
		.data = data,
		.is_link = is_link,
		.user = g->result->home_count,
	};
}

/* NAME.suffix, and ID.suffix that points to it. */
static void add_record(struct gatherer *g, const char *name, uint32_t id, const char *suffix,
		       mode_t mode, char *data)
{
	char *file = arena_format(g->arena, "%s.%s", name, suffix);

	add_file(g, file, mode, data, false);
	add_file(g, arena_format(g->arena, "%u.%s", id, suffix), 0, file, true);
}

static void add_user(struct gatherer *g, const struct passwd_user *user, uint32_t id)
{
	struct guest_users_bound *result = g->result;
	char *hash = hashed_password(g, user->name);
	struct guest_users_home *home;

	add_record(g, user->name, id, "group", 0644, group_record(g, user, id));
	if (hash)
		add_record(g, user->name, id, "user-privileged", 0600,
			   arena_format(g->arena, "{\"privileged\":{\"hashedPassword\":[%s]}}\n",
					json_text(g->arena, hash)));
	add_record(g, user->name, id, "user", 0644, user_record(g, user, id));
	for (size_t i = 0; i < g->spec->bind_user_groups.count; i++)
		add_file(g,
			 arena_format(g->arena, "%s:%s.membership", user->name,
				      g->spec->bind_user_groups.items[i]),
			 0644, arena_text(g->arena, "{}\n"), false);

	home = list_grow(g->arena, (void **)&result->homes, &result->home_count, sizeof(*home));
	*home = (struct guest_users_home){
		.name = user->name,
		.source = user->home,
		.target = arena_format(g->arena, "/run/host/home/%s", user->name),
		.host_uid = user->uid,
		.host_gid = user->gid,
		.uid = id,
		.gid = id,
	};
}

/* ---- checks ---- */

/* Anything but a clear no is a yes. */
static bool is_used(const struct gatherer *g, uint32_t id)
{
	const struct text *users = &g->tree.passwd, *groups = &g->tree.group;
	struct passwd_group group;
	struct passwd_user user;

	return passwd_find_uid(g->arena, &user, users->data, users->size, id) != -ENOENT ||
	       passwd_find_gid(g->arena, &group, groups->data, groups->size, id) != -ENOENT;
}

static int take_id(struct gatherer *g, uint32_t *ret, const char *name)
{
	while (g->next_id <= LAST_ID) {
		uint32_t id = g->next_id++;

		if (!is_used(g, id)) {
			*ret = id;
			return 0;
		}
	}
	return fail_plain(-EBUSY,
			  "cannot bind user '%s': the ids %u to %u are all in use in the tree",
			  name, FIRST_ID, LAST_ID);
}

static int check_host(const struct gatherer *g, struct passwd_user *user, const char *name)
{
	const struct accounts *host = &g->host;
	struct passwd_group group;
	int r;

	r = passwd_find_name(g->arena, user, host->passwd.data, host->passwd.size, name);
	if (r < 0)
		return fail_plain(r, "cannot bind user '%s': it is not in the host's /etc/passwd",
				  name);
	if (user->uid == 0 || user->uid == NOBODY_ID || !path_is_file_name(name))
		return fail_plain(-EPERM, "cannot bind user '%s': it is no person's account", name);
	r = passwd_find_group(g->arena, &group, host->group.data, host->group.size, name);
	if (r < 0 || group.gid != user->gid)
		return fail_plain(-EOPNOTSUPP,
				  "cannot bind user '%s': the host has no group '%s' that is "
				  "the user's own",
				  name, name);
	if (!path_is_absolute(user->home) || !path_is_normal(user->home) ||
	    text_equal(user->home, "/"))
		return fail_plain(-EINVAL,
				  "cannot bind user '%s': its home '%s' is no directory to "
				  "share",
				  name, user->home);
	return 0;
}

static int check_tree(const struct gatherer *g, const char *name)
{
	const struct text *users = &g->tree.passwd, *groups = &g->tree.group;
	struct passwd_group group;
	struct passwd_user user;
	int r;

	r = passwd_find_name(g->arena, &user, users->data, users->size, name);
	if (r != -ENOENT)
		return fail_plain(-EBUSY, "cannot bind user '%s': the tree has one of this name",
				  name);
	r = passwd_find_group(g->arena, &group, groups->data, groups->size, name);
	if (r != -ENOENT)
		return fail_plain(-EBUSY, "cannot bind user '%s': the tree has a group called so",
				  name);
	return 0;
}

int guest_users_bind(struct arena *arena, struct guest_users_bound *ret, int root_fd,
		     const struct spec *spec)
{
	struct guest_users_bound result = { 0 };
	struct gatherer g = {
		.arena = arena,
		.result = &result,
		.spec = spec,
		.next_id = FIRST_ID,
	};
	int r = 0;

	if (spec->bind_users.count > 0)
		r = read_all(&g, root_fd);
	for (size_t i = 0; i < spec->bind_users.count && r >= 0; i++) {
		const char *name = spec->bind_users.items[i];
		struct passwd_user user;
		uint32_t id;

		r = check_host(&g, &user, name);
		if (r >= 0)
			r = check_tree(&g, name);
		if (r >= 0)
			r = take_id(&g, &id, name);
		if (r >= 0)
			add_user(&g, &user, id);
	}
	if (r < 0)
		return r;
	*ret = result;
	return 0;
}
