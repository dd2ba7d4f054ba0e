/* engine/apply-special - the console, the notify socket, credentials and users. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "engine/apply-step.h"
#include "engine/guest-users-bind.h"
#include "engine/journal.h"
#include "io/fd.h"
#include "io/file.h"
#include "kernel/mount.h"
#include "kernel/syscall.h"
#include "kernel/terminal.h"
#include "plan/plan.h"

int apply_console(struct apply *apply, const struct step *step)
{
	const char *name;
	char link[24];
	int parent, r;

	if (apply->devpts_fd < 0)
		return fail_plain(-ENODEV,
				  "there is no devpts in the container to take a console from");
	/* By descriptor, and the other end by TIOCGPTPEER: no name that a guest could swap (class
	 * S9). */
	r = terminal_open_pair(apply->devpts_fd, &apply->console_master, &apply->console_slave,
			       &apply->console_number);
	if (r < 0)
		return r;
	fd_close(&apply->devpts_fd);
	snprintf(link, sizeof(link), "pts/%u", apply->console_number);
	parent = apply_parent(apply, step->target, &name);
	if (parent < 0)
		return parent;
	return symlinkat(link, parent, name) < 0 ? -errno : 0;
}

/* Bound below a descriptor: sun_path is too short for long trees, and a path can be swapped. */
int apply_notify(struct apply *apply, const struct step *step)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	autoclose int fd = -EBADF;
	const char *name;
	int parent, r;

	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	r = fd_tell_senders(fd);
	if (r < 0)
		return r;
	parent = apply_parent(apply, step->target, &name);
	if (parent < 0)
		return parent;
	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%.60s", parent,
		 name);
	/* Only the container's root may send: the mode applies to the owner, who is it. */
	if (fchmod(fd, step->mode) < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	apply->notify_fd = take_fd(&fd);
	return 0;
}

static int write_credential(int directory, const char *id, const void *data, size_t size,
			    mode_t mode)
{
	autoclose int fd = -EBADF;

	fd = openat(directory, id, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	if (fd < 0)
		return fail(-errno, "cannot make credential '%s'", id);
	if (fd_write_all(fd, data, size) < 0)
		return fail(-EIO, "cannot write credential '%s'", id);
	return 0;
}

int apply_credentials(struct apply *apply, const struct step *step)
{
	/* 0500/0400 by default; a payload that can never become root reads them as "other". */
	mode_t file_mode = (step->mode & 0055) ? 0444 : 0400;
	autoclose int tree = -EBADF;
	int r;

	/* ramfs is never written to swap. */
	tree = mount_create("ramfs", "ramfs", NULL, 0);
	if (tree < 0)
		return tree;
	for (size_t i = 0; i < apply->spec->credentials.count; i++) {
		const struct credential *credential = &apply->spec->credentials.items[i];
		r = write_credential(tree, credential->id, credential->data, credential->size,
				     file_mode);
		if (r < 0)
			return r;
	}
	if (fchmodat(tree, ".", step->mode, 0) < 0) /* a mount is an O_PATH descriptor */
		return -errno;
	r = mount_restrict(tree, step->attributes | MOUNT_ATTR_RDONLY, 0, false);
	if (r < 0)
		return r;
	return apply_attach(apply, step, tree, true);
}

int apply_journal_link(struct apply *apply, const struct step *step)
{
	const char *bind;

	/* The bind of "host" is a step of its own. */
	(void)step;
	return journal_link(apply->arena, &bind, apply->spec, apply->root);
}

/* The records of one user, in userdb's form. */
static int write_records(struct apply *apply, size_t user)
{
	for (size_t i = 0; i < apply->users->file_count; i++) {
		const struct guest_users_file *file = &apply->users->files[i];
		struct step step = {
			.kind = file->is_link ? STEP_SYMLINK : STEP_FILE,
			.target = arena_format(apply->arena, "/run/host/userdb/%s", file->name),
			.data = file->data,
			.mode = file->mode,
		};
		int r;

		if (file->user != user)
			continue;
		r = file->is_link ? apply_symlink(apply, &step) : apply_file(apply, &step);
		if (r < 0)
			return fail(r, "cannot write the record '%s'", step.target);
	}
	return 0;
}

/* The mount point has the owner that the home will be shown with. */
static int bind_home(struct apply *apply, const struct step *step,
		     const struct guest_users_home *home)
{
	struct step bind = {
		.kind = STEP_BIND,
		.side = SIDE_HOST,
		.flags = STEP_RECURSIVE,
		.source = home->source,
		.target = home->target,
		.idmap = step->idmap,
	};
	const char *name;
	int parent;

	parent = apply_parent(apply, home->target, &name);
	if (parent < 0)
		return parent;
	if (mkdirat(parent, name, 0700) < 0 && errno != EEXIST)
		return -errno;
	if (fchownat(parent, name, apply->base + home->uid, apply->base + home->gid,
		     AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return apply_bind(apply, &bind);
}

int apply_bind_user(struct apply *apply, const struct step *step)
{
	for (size_t i = 0; i < apply->users->home_count; i++) {
		int r;

		if (strcmp(apply->users->homes[i].name, step->data) != 0)
			continue;
		r = write_records(apply, i);
		return r < 0 ? r : bind_home(apply, step, &apply->users->homes[i]);
	}
	return fail_plain(-ENOENT, "there is no user '%s' to bind", step->data);
}
