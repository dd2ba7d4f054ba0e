#include "engine/root.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/path.h"
#include "base/text.h"
#include "engine/root-facts.h"
#include "engine/root-layers.h"
#include "image/image.h"
#include "image/mstack.h"
#include "image/raw-mount.h"
#include "io/fd.h"
#include "kernel/resolve.h"
#include "machine/guest-users.h"
#include "machine/record.h"

/* Nothing of the tree will be written: a shared lock is enough. */
static bool is_read_only(const struct spec *spec)
{
	if (spec->read_only == TRISTATE_YES || spec->volatile_mode != VOLATILE_NO)
		return true;
	for (size_t i = 0; i < spec->mounts.count; i++)
		if (text_equal(spec->mounts.items[i].destination, "/"))
			return true; /* the user's own root covers the tree */
	return false;
}

static int open_tree(const char *path)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	if (errno == ENOTDIR)
		return fail_plain(-ENOTDIR,
				  "cannot use the tree '%s': it is not a directory (a disk "
				  "image is given with --image=)",
				  path);
	return fail(-errno, "cannot open the tree '%s'", path);
}

/* The path without symbolic links, by which everybody else knows the tree and its lock. */
static const char *real_path(struct arena *arena, int fd, const char *path)
{
	char link[32], target[PATH_MAX];
	ssize_t length;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	length = readlink(link, target, sizeof(target));
	if (length <= 0 || (size_t)length >= sizeof(target) || target[0] != '/')
		return path;
	return arena_text_n(arena, target, (size_t)length);
}

int root_anchor(const struct root *root)
{
	return root->image_fd >= 0 ? root->image_fd : root->fd;
}

/* The directory is open; where it is a layered image, what it shows is opened. */
static int look_inside(struct arena *arena, struct root *root, bool make)
{
	if (!root_layers_is(root->facts.path))
		return 0;
	fd_close(&root->image_fd);
	root->image_fd = take_fd(&root->fd);
	return root_layers_open(arena, root, make);
}

static int refuse_host_root(const struct spec *spec, const char *path)
{
	if (!text_equal(path, "/") || spec->ephemeral == TRISTATE_YES ||
	    spec->volatile_mode == VOLATILE_YES || spec->volatile_mode == VOLATILE_STATE)
		return 0;
	return fail_input("cannot run a container from the host's own root (try --ephemeral, "
			  "--volatile=yes or --volatile=state)");
}

/* FD: of what is locked. */
static int take_lock(struct arena *arena, struct root *root, int fd, const struct host *host,
		     struct record *record, bool exclusive)
{
	struct lock planned = LOCK_EMPTY;
	bool global = host->uid == 0;
	int r;

	if (text_equal(root->facts.path, "/"))
		return lock_take(arena, &root->lock, "/", fd, exclusive, false);
	/* Both at once, and before they are made: a crash leaves no file that no record knows. */
	r = lock_paths(arena, &planned, root->facts.path, fd, global);
	if (r < 0)
		return r;
	if (global)
		record_note_later(record, RECORD_LOCK, planned.global_path);
	if (planned.local_path)
		r = record_note(record, RECORD_LOCK, planned.local_path);
	if (r < 0)
		return r;
	return lock_take(arena, &root->lock, root->facts.path, fd, exclusive, global);
}

/* ---- snapshots ---- */

static int make_from_template(struct arena *arena, struct root *root, const struct spec *spec,
			      struct record *record)
{
	autoclose int template = -EBADF;
	enum snapshot_rung rung = SNAPSHOT_NONE;
	char *growing;
	int r;

	if (access(spec->directory, F_OK) == 0) {
		log_info("'%s' exists already, so it is used as it is", spec->directory);
		return 0;
	}
	template = open_tree(spec->template);
	if (template <0)
		return template;
	if (record) {
		growing = snapshot_template_path(arena, spec->directory, record->tag);
		r = record_note(record, RECORD_TEMPORARY, growing);
		if (r < 0)
			return r;
		r = snapshot_template(arena, &rung, spec->template, template, spec->directory,
				      growing, spec->read_only == TRISTATE_YES);
		if (r < 0)
			return r;
	}
	root->facts.snapshot_rung = snapshot_rung_name(record ? rung : SNAPSHOT_COPY);
	return 0;
}

/* An overlay's original must hold still: a shared lock. Where somebody writes to it, only a real
 * copy has a state that means something. */
static int choose_rung(struct arena *arena, struct root *root, const struct spec *spec,
		       const struct host *host, struct record *record, enum snapshot_rung *ret)
{
	int r;

	if (snapshot_can_btrfs(root->fd)) {
		*ret = SNAPSHOT_BTRFS;
		return 0;
	}
	*ret = SNAPSHOT_OVERLAY;
	if (spec->no_lock || !record)
		return 0;
	r = take_lock(arena, root, root_anchor(root), host, record, false);
	root->locked = r >= 0;
	if (r != -EBUSY)
		return r;
	fail_forget();
	log_notice("'%s' is in use, so --ephemeral has to copy it, which takes a while",
		   root->facts.path);
	*ret = SNAPSHOT_COPY;
	return 0;
}

static int make_ephemeral(struct arena *arena, struct root *root, const struct spec *spec,
			  const struct host *host, struct record *record)
{
	const char *tag = record ? record->tag : "0000000000000000";
	const char *path = root->facts.path;
	enum snapshot_rung rung;
	char *target;
	int r;

	r = choose_rung(arena, root, spec, host, record, &rung);
	if (r < 0)
		return r;
	root->facts.snapshot_rung = snapshot_rung_name(rung);
	target = snapshot_plan(arena, path, root->fd, tag, rung, host->runtime_directory);
	if (record) {
		r = record_note(record, RECORD_TEMPORARY, target);
		if (r >= 0)
			r = snapshot_ephemeral(arena, &root->snapshot, path, root->fd, target,
					       rung);
		if (r < 0)
			return r;
		record_note_later(record, RECORD_ORIGIN,
				  arena_format(arena, "%s %s", snapshot_rung_name(rung), path));
	}
	if (rung == SNAPSHOT_OVERLAY) {
		root->facts.ephemeral_upper = target;
		return 0;
	}
	root->facts.path = target;
	root->facts.layers = NULL; /* a copy is whole */
	if (!record)
		return 0;
	fd_close(&root->image_fd);
	fd_close(&root->fd);
	root->fd = open_tree(target);
	return root->fd < 0 ? root->fd : 0;
}

/* ---- disk images ---- */

/* The image is not written, so its changes go to an overlay; where it has several file systems,
 * which no overlay covers, or its blocks can be shared, they go to a copy that has no name. */
static int make_image_ephemeral(struct arena *arena, struct root *root, int *file,
				const struct host *host, struct record *record)
{
	struct raw *disk = &root->disk;
	const char *path = root->facts.path;
	bool single = raw_is_single(&disk->disk);
	int copy;

	root->facts.snapshot_rung = snapshot_rung_name(single ? SNAPSHOT_OVERLAY : SNAPSHOT_COPY);
	if (!record)
		return 0;
	copy = single && disk->verity.hash != NULL ? -EOPNOTSUPP
						   : raw_copy(arena, *file, path, single);
	if (copy < 0 && !single)
		return copy;
	if (copy >= 0) {
		fd_close(file);
		*file = copy;
		disk->read_only = false;
		root->facts.snapshot_rung = snapshot_rung_name(SNAPSHOT_COPY);
		return 0;
	}
	root->facts.ephemeral_upper = snapshot_plan(arena, path, *file, record->tag,
						    SNAPSHOT_OVERLAY, host->runtime_directory);
	return record_note(record, RECORD_TEMPORARY, root->facts.ephemeral_upper);
}

/* Without root of the host there are no loop devices. */
static bool is_served(const struct host *host)
{
	return host->uid != 0 || host->confined;
}

/* Where a start attaches trees too (resources_open_attach_point()): what lies there is hidden in
 * the image's own mount namespace. --print-plan has no such place, and goes no further. */
static int mount_image(struct arena *arena, struct root *root, const struct host *host)
{
	const char *place = path_join(arena, host->runtime_directory, "machines");

	return raw_mount(&root->disk, access(place, F_OK) == 0 ? place : "/sys", root->facts.path);
}

/* An image that a root hash comes with is not run as if it were any other, unless that is asked
 * for. */
static int find_hash(struct arena *arena, struct root *root, int file, const struct spec *spec,
		     const struct host *host)
{
	struct raw *disk = &root->disk;
	int r;

	if (spec->root_hash == NULL && spec->verity_data == NULL &&
	    text_equal(text_variable(host->environment, "SYSTEMD_DISSECT_VERITY"), "0"))
		return 0;
	r = raw_verity_find(arena, &disk->verity, file, root->facts.path, spec->root_hash,
			    spec->verity_data);
	if (disk->verity.hashes_fd >= 0)
		disk->read_only = true;
	return r;
}

static int open_image(struct arena *arena, struct root *root, const struct spec *spec,
		      const struct host *host, struct record *record)
{
	bool ephemeral = spec->ephemeral == TRISTATE_YES;
	struct raw *disk = &root->disk;
	autoclose int file = -EBADF;
	int r;

	disk->served = is_served(host);
	/* A plan takes no lock: a machine may be writing to the image. */
	disk->plan = record == NULL;
	disk->read_only = disk->plan || ephemeral || is_read_only(spec);
	file = raw_open(spec->image, &disk->read_only);
	if (file < 0)
		return file;
	root->facts.path = real_path(arena, file, spec->image);
	r = find_hash(arena, root, file, spec, host);
	if (r >= 0)
		r = raw_look(arena, disk, file, root->facts.path);
	/* What cannot be written, machines share. */
	if (r >= 0 && !spec->no_lock && record) {
		r = take_lock(arena, root, file, host, record, !disk->read_only);
		if (r >= 0)
			r = lock_check(spec->image, file);
	}
	if (r >= 0 && ephemeral)
		r = make_image_ephemeral(arena, root, &file, host, record);
	if (r >= 0)
		r = raw_attach(arena, disk, file, root->facts.path,
			       record ? record->tag : "print-plan");
	if (r < 0)
		return r;
	root->facts.disk = &disk->disk;
	root->facts.disk_served = disk->served;
	root->fd = mount_image(arena, root, host);
	if (root->fd < 0)
		return root->fd;
	return root->facts.ephemeral_upper == NULL
		       ? 0
		       : snapshot_ephemeral(arena, &root->snapshot, root->facts.path, root->fd,
					    root->facts.ephemeral_upper, SNAPSHOT_OVERLAY);
}

/* ---- */

/* What layered images are made of must not change. The mark beside the tree costs one call; only
 * where it is, they are looked for. */
static int refuse_layer(struct arena *arena, struct root *root, const struct host *host)
{
	const struct find_scope scope = find_scope_of(host->uid, host->environment);
	const char *path = root->facts.path;
	struct text_list names = { 0 };

	if (!mstack_is_marked(arena, path))
		return 0;
	image_layered_on(arena, &names, &scope, root->fd);
	if (names.count > 0)
		return fail_plain(-EBUSY,
				  "cannot write to the tree '%s': the image '%s' is made of it "
				  "(start that one, or use --read-only or --ephemeral)",
				  path, names.items[0]);
	(void)unlink(mstack_mark_path(arena, path)); /* we have it alone, so it is true */
	return 0;
}

static int lock_tree(struct arena *arena, struct root *root, const struct spec *spec,
		     const struct host *host, struct record *record)
{
	int r;

	if (spec->no_lock || !record || root->locked)
		return 0;
	r = take_lock(arena, root, root_anchor(root), host, record, !is_read_only(spec));
	if (r >= 0 && spec->ephemeral != TRISTATE_YES)
		r = lock_check(spec->directory, root_anchor(root));
	if (r >= 0 && !is_read_only(spec) && spec->ephemeral != TRISTATE_YES)
		r = refuse_layer(arena, root, host);
	return r;
}

static int gather(struct arena *arena, struct root *root, const struct spec *spec,
		  const struct host *host)
{
	autoclose int pivot = -EBADF;
	int top = root->fd, r;

	if (spec->pivot_root_new && !text_equal(spec->pivot_root_new, "/")) {
		pivot = resolve_open(root->fd, spec->pivot_root_new, O_PATH | O_DIRECTORY);
		if (pivot < 0)
			return fail(pivot, "cannot open '%s' in the tree '%s' (--pivot-root=)",
				    spec->pivot_root_new, root->facts.path);
		top = pivot;
	}
	r = root_facts_check(top, root->facts.path, spec);
	if (r < 0)
		return r;
	if (spec->init != NULL) {
		/* It may come with a mount, and show only then what it is. */
		root->init = guest_init_given(spec->init);
		root->facts.program = root->init.program;
	} else if (spec->start == START_BOOT) {
		r = guest_init_find(arena, &root->init, top);
		if (r < 0)
			return fail_plain(r,
					  "cannot boot '%s': there is no /usr/lib/systemd/systemd, "
					  "/lib/systemd/systemd or /sbin/init in it (install an "
					  "init there, or leave out --boot)",
					  root->facts.path);
		root->facts.program = root->init.program;
	}
	return root_facts_gather(arena, &root->facts, top, spec, host);
}

static int open_all(struct arena *arena, struct root *root, const struct spec *spec,
		    const struct host *host, struct record *record)
{
	const char *path = spec->directory;
	int r;

	if (!spec->image && (spec->root_hash || spec->verity_data))
		return fail_plain(-EINVAL,
				  "cannot use '--%s=' for the tree '%s': it is for a disk image "
				  "(give that with --image=)",
				  spec->root_hash ? "root-hash" : "verity-data", path);
	if (spec->image) {
		r = open_image(arena, root, spec, host, record);
		return r < 0 ? r : gather(arena, root, spec, host);
	}
	if (spec->template) {
		r = make_from_template(arena, root, spec, record);
		if (r < 0)
			return r;
		if (root->facts.snapshot_rung && !record)
			path = spec->template; /* nothing was made: the facts are the same there */
	}
	root->fd = open_tree(path);
	if (root->fd < 0)
		return root->fd;
	root->facts.path = real_path(arena, root->fd, path);
	r = refuse_host_root(spec, root->facts.path);
	if (r >= 0)
		r = look_inside(arena, root, record != NULL && !is_read_only(spec));
	if (r >= 0 && spec->ephemeral == TRISTATE_YES)
		r = make_ephemeral(arena, root, spec, host, record);
	if (r >= 0)
		r = lock_tree(arena, root, spec, host, record);
	if (r >= 0)
		r = gather(arena, root, spec, host);
	return r < 0 ? r : 0;
}

int root_open(struct arena *arena, struct root *ret, const struct spec *spec,
	      const struct host *host, struct record *record)
{
	struct root root = ROOT_EMPTY;
	int r;

	r = open_all(arena, &root, spec, host, record);
	if (r < 0) {
		root_done(&root);
		return r;
	}
	*ret = root;
	if (ret->disk.used)
		ret->facts.disk = &ret->disk.disk;
	return 0;
}

void root_rest(struct root *root)
{
	struct stat st;

	if (root->fd >= 0 && fstat(root_anchor(root), &st) == 0) {
		root->device = st.st_dev;
		root->inode = st.st_ino;
	}
	fd_close(&root->fd);
	fd_close(&root->image_fd);
	root_layers_let_go(root);
	raw_rest(&root->disk);
}

int root_reopen(struct arena *arena, struct root *root, const struct host *host)
{
	const char *path = root->facts.path;
	struct stat st;

	if (root->fd >= 0)
		return 0;
	if (root->disk.used) {
		root->fd = mount_image(arena, root, host);
		return MIN(root->fd, 0);
	}
	root->fd = open_tree(path);
	if (root->fd < 0)
		return root->fd;
	if (fstat(root->fd, &st) < 0)
		return fail(-errno, "cannot look at '%s'", path);
	if (st.st_dev != root->device || st.st_ino != root->inode)
		return fail_plain(-ESTALE,
				  "cannot start again from '%s': another tree is there now", path);
	return look_inside(arena, root, false);
}

int root_regather(struct arena *arena, struct root *root, const struct spec *spec,
		  const struct host *host)
{
	uint8_t id[sizeof(root->facts.machine_id)];
	int r;

	memcpy(id, root->facts.machine_id, sizeof(id));
	r = root_reopen(arena, root, host);
	if (r >= 0)
		r = gather(arena, root, spec, host);
	memcpy(root->facts.machine_id, id, sizeof(id));
	return r;
}

void root_done(struct root *root)
{
	fd_close(&root->fd);
	fd_close(&root->image_fd);
	root_layers_let_go(root);
	raw_done(&root->disk);
	/* A snapshot has its lock file beside it: first the tree, then the lock. */
	snapshot_done(&root->snapshot);
	lock_release(&root->lock);
}

static bool has_login_credential(const struct spec *spec)
{
	for (size_t i = 0; i < spec->credentials.count; i++) {
		const char *id = spec->credentials.items[i].id;

		if (text_after(id, "passwd.") || text_equal(id, "ssh.authorized_keys.root") ||
		    text_equal(id, "agetty.autologin") || text_equal(id, "login.noauth"))
			return true;
	}
	return false;
}

void root_warn_no_login(struct arena *arena, const struct root *root, const struct spec *spec)
{
	if (spec->start != START_BOOT || has_login_credential(spec) || spec->bind_users.count > 0 ||
	    guest_users_can_log_in(arena, root->fd))
		return;
	log_notice(
		"nobody can log in to '%s': no account of its tree has a password. Give one with "
		"--set-credential=passwd.hashed-password.root:HASH, or open a shell with "
		"'machinectl shell %s'",
		spec->machine, spec->machine);
}
