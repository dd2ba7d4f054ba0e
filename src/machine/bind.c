#include "machine/bind.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/path.h"
#include "io/fd.h"
#include "kernel/mount.h"
#include "kernel/namespace.h"
#include "kernel/process.h"
#include "kernel/resolve.h"
#include "kernel/syscall.h"
#include "machine/bind-notes.h"
#include "machine/find.h"
#include "machine/join.h"

/* What the child says when it has ended. */
struct answer {
	uint64_t mount;	   /* identity of what was attached, or taken away */
	uint64_t replaced; /* of what was there of ours; 0: nothing */
	struct failure failure;
};

struct bind {
	const struct bind_request *request;
	bind_make_fn *make; /* instead of the source; NULL: none */
	const void *context;
	const char *name; /* of the machine */
	struct arena *arena;
	struct join join;
	int channel;
	bool map; /* to the machine's user namespace: that takes the host's root */
	struct bind_notes notes;
};

/* ---- in the child ---- */

static int fail_here(const struct bind *bind, int code, const char *what)
{
	return fail(code, "cannot %s for machine '%s'", what, bind->name);
}

/* Without root: to where mounts may be made, the user namespace in which the machine's own was
 * made. */
static int become_able(const struct bind *bind)
{
	autoclose int outer = -EBADF;
	int r;

	if (geteuid() == 0 || !bind->join.user)
		return 0;
	outer = ioctl(bind->join.user_fd, NS_GET_PARENT);
	r = outer < 0 ? -errno : namespace_join(outer, CLONE_NEWUSER);
	return r < 0 ? fail_here(bind, r, "enter the outer user namespace") : 0;
}

static int own_mounts(const struct bind *bind)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return fail_here(bind, -errno, "make a mount namespace");
	return 0;
}

/* Whoever may write to a directory of the path could put a link there after it was looked at (class
 * S12): so there may be none. */
static int open_source(const char *path)
{
	const struct open_how how = {
		.flags = O_PATH | O_CLOEXEC,
		.resolve = RESOLVE_NO_SYMLINKS,
	};
	char leads[PATH_MAX];
	int fd = sys_openat2(AT_FDCWD, path, &how);

	if (fd == -ELOOP && realpath(path, leads) != NULL)
		return fail_plain(fd,
				  "cannot bind '%s': there is a symbolic link in this path, which "
				  "somebody might change (now it leads to '%s'; name that)",
				  path, leads);
	return fd < 0 ? fail(fd, "cannot open '%s'", path) : fd;
}

/* The working directory moves along into a new mount namespace, other descriptors do not; so the
 * source is found again from there, and must be the same. */
static int clone_source(const struct bind *bind, struct stat *ret)
{
	const char *path = bind->request->source, *name = ".";
	autoclose int source = open_source(path), parent = -EBADF, tree = -EBADF;
	struct stat again;
	int r;

	if (source < 0)
		return source;
	if (fstat(source, ret) < 0)
		return fail(-errno, "cannot look at '%s'", path);
	if (!S_ISDIR(ret->st_mode)) {
		name = path_name(path);
		parent = open_source(path_parent(bind->arena, path));
		if (parent < 0)
			return parent;
	}
	if (fchdir(parent < 0 ? source : parent) < 0)
		return fail(-errno, "cannot enter '%s'", path);
	r = become_able(bind);
	if (r >= 0)
		r = own_mounts(bind);
	if (r < 0)
		return r;
	tree = sys_open_tree(AT_FDCWD, name,
			     OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE |
				     AT_SYMLINK_NOFOLLOW);
	if (tree < 0)
		return fail(tree, "cannot clone '%s'", path);
	if (fstat(tree, &again) < 0 || again.st_ino != ret->st_ino || again.st_dev != ret->st_dev)
		return fail_plain(-ESTALE, "cannot bind '%s': it was replaced meanwhile", path);
	return take_fd(&tree);
}

/* Instead of a source. It is for who has what is there. */
static int make_tree(const struct bind *bind, struct stat *ret)
{
	autoclose int place = resolve_open(bind->join.root_fd, bind->request->target, O_PATH);
	autoclose int tree = -EBADF;
	struct stat like;
	int r = place < 0 ? place : mount_is_point(place);

	if (r == 0 || (r > 0 && fstat(place, &like) >= 0 && !S_ISDIR(like.st_mode)))
		r = -ENOENT;
	if (r < 0)
		return fail(r, "cannot replace '%s' in machine '%s'", bind->request->target,
			    bind->name);
	r = become_able(bind);
	if (r >= 0)
		r = own_mounts(bind);
	if (r < 0)
		return r;
	if (fstat(place, &like) < 0)
		return fail(-errno, "cannot look at '%s'", bind->request->target);
	tree = bind->make(bind->context, &like);
	if (tree >= 0 && fstat(tree, ret) < 0)
		return fail_here(bind, -errno, "look at a mount");
	return take_fd(&tree);
}

static int map_owners(const struct bind *bind, int tree)
{
	int r = bind->map ? mount_map_ids(tree, bind->join.user_fd, true) : 0;

	if (r == -EINVAL)
		return fail_plain(r,
				  "the file system of '%s' cannot map owners to machine '%s', or "
				  "one mounted below it cannot (try 'machinectl copy-to')",
				  bind->request->source, bind->name);
	if (r == -EPERM || r == -ENOSYS)
		return fail_plain(r,
				  "cannot map the owners of '%s' to machine '%s': they are mapped "
				  "already, or the kernel does not let us (try 'machinectl "
				  "copy-to')",
				  bind->request->source, bind->name);
	return r < 0 ? fail(r, "cannot map the owners of '%s'", bind->request->source) : 0;
}

static int restrict_tree(const struct bind *bind, int tree)
{
	struct mount_attr attributes = { .propagation = MS_PRIVATE };
	int r;

	if (bind->request->read_only)
		attributes.attr_set |= MOUNT_ATTR_RDONLY;
	if (bind->join.user || bind->make != NULL)
		attributes.attr_set |= MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
	if (bind->make != NULL)
		attributes.attr_set |= MOUNT_ATTR_NOEXEC;
	r = sys_mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes);
	return r < 0 ? fail(r, "cannot restrict the bind of '%s'", bind->request->source) : 0;
}

/* A directory of ours, in a file system of ours, on which the tree can be attached. */
static int attach_aside(const struct bind *bind, int tree, bool is_dir)
{
	autoclose int room = mount_create("tmpfs", "tmpfs", "mode=0755", 0), over = -EBADF,
		      place = -EBADF;
	int r = room;

	if (r >= 0)
		over = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (r >= 0)
		r = over < 0 ? -errno : mount_attach(room, over);
	if (r >= 0)
		place = resolve_make_target(room, "/place", is_dir, NULL);
	if (r >= 0)
		r = place < 0 ? place : mount_attach(tree, place);
	if (r >= 0 && fchdir(room) < 0)
		r = -errno;
	return r < 0 ? fail_here(bind, r, "attach a mount aside") : 0;
}

/* Mounts are locked when they are copied into a mount namespace of another user namespace; what is
 * cloned from there stays locked: whoever has it cannot take the restrictions back. */
static int lock_tree(const struct bind *bind, int *tree, bool is_dir)
{
	int r = attach_aside(bind, *tree, is_dir), locked;

	if (r >= 0)
		r = join_become_root(&bind->join);
	if (r >= 0 && unshare(CLONE_NEWNS) < 0)
		r = fail_here(bind, -errno, "make a mount namespace");
	if (r < 0)
		return r;
	locked = mount_clone(AT_FDCWD, "place", true);
	if (locked < 0)
		return fail_here(bind, locked, "clone a locked mount");
	fd_close(tree);
	*tree = locked;
	return 0;
}

/* The same file is mounted there, with the same rights. */
static bool is_there(int tree, int target)
{
	struct statvfs a, b;
	struct stat ours, theirs;

	if (mount_is_point(target) <= 0 || fstat(tree, &ours) < 0 || fstat(target, &theirs) < 0 ||
	    fstatvfs(tree, &a) < 0 || fstatvfs(target, &b) < 0)
		return false;
	return ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino &&
	       (a.f_flag & ST_RDONLY) == (b.f_flag & ST_RDONLY);
}

static int note_identity(const struct bind *bind, int fd, uint64_t *ret_mount)
{
	int r = bind_notes_identity(fd, ret_mount);

	return r < 0 ? fail_here(bind, r, "look at the mount") : 0;
}

/* What was put there before goes, and is seen until the new one is. What the machine was started
 * with stays: with a user namespace of its own the kernel has locked that mount, for us too. */
static int exchange(const struct bind *bind, int tree, int target)
{
	const char *place = bind->request->target;
	bool beneath = mount_attach_beneath(tree, target) >= 0;
	autoclose int left = -EBADF;

	if (fchdir(target) < 0 || umount2(".", MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
		return -errno;
	if (beneath)
		return 0;
	left = resolve_open(bind->join.root_fd, place, O_PATH);
	return left < 0 ? left : mount_attach(tree, left);
}

static int replace(const struct bind *bind, int tree, struct answer *ret)
{
	const char *place = bind->request->target;
	autoclose int target = -EBADF;
	int r = namespace_join(bind->join.leader, CLONE_NEWNS);

	if (r < 0)
		return fail_here(bind, r, "enter the mount namespace");
	target = resolve_open(bind->join.root_fd, place, O_PATH);
	r = target < 0 ? target : bind_notes_identity(target, &ret->replaced);
	if (r >= 0 && !bind_notes_have(&bind->notes, ret->replaced))
		ret->replaced = 0;
	if (r >= 0)
		r = ret->replaced != 0 ? exchange(bind, tree, target) : mount_attach(tree, target);
	return r < 0 ? fail(r, "cannot replace '%s' in machine '%s'", place, bind->name)
		     : note_identity(bind, tree, &ret->mount);
}

static int attach(const struct bind *bind, int tree, bool is_dir, uint64_t *ret_mount)
{
	const struct bind_request *request = bind->request;
	autoclose int target = -EBADF;
	struct stat st;
	int r = namespace_join(bind->join.leader, CLONE_NEWNS);

	if (r < 0)
		return fail_here(bind, r, "enter the mount namespace");
	target = request->make_target
			 ? resolve_make_target(bind->join.root_fd, request->target, is_dir, NULL)
			 : resolve_open(bind->join.root_fd, request->target, O_PATH);
	if (target == -ENOENT)
		return fail_plain(
			target,
			"cannot bind to '%s' in machine '%s': there is no such place (try "
			"--mkdir)",
			request->target, bind->name);
	if (target >= 0 && request->once && is_there(tree, target))
		return note_identity(bind, target, ret_mount);
	r = target;
	if (r >= 0 && fstat(target, &st) < 0)
		r = -errno;
	if (r >= 0)
		r = S_ISDIR(st.st_mode) == is_dir ? mount_attach(tree, target) : -ENOTDIR;
	if (r == -ENOTDIR || r == -EISDIR)
		return fail_plain(r,
				  "cannot bind '%s' to '%s' in machine '%s': only one of them is a "
				  "directory",
				  request->source, request->target, bind->name);
	return r < 0 ? fail(r, "cannot bind '%s' to '%s' in machine '%s'", request->source,
			    request->target, bind->name)
		     : note_identity(bind, tree, ret_mount);
}

static int add(const struct bind *bind, struct answer *ret)
{
	autoclose int tree = -EBADF;
	struct stat st;
	int r;

	umask(0022);
	tree = bind->make != NULL ? make_tree(bind, &st) : clone_source(bind, &st);
	if (tree < 0)
		return tree;
	r = bind->make != NULL ? 0 : map_owners(bind, tree);
	if (r >= 0)
		r = restrict_tree(bind, tree);
	if (r >= 0 && bind->join.user)
		r = lock_tree(bind, &tree, S_ISDIR(st.st_mode));
	if (r >= 0 && bind->make != NULL)
		return replace(bind, tree, ret);
	return r < 0 ? r : attach(bind, tree, S_ISDIR(st.st_mode), &ret->mount);
}

static int fail_not_ours(const struct bind *bind)
{
	return fail_plain(-EINVAL,
			  "cannot remove '%s' from machine '%s': 'machinectl bind' has put nothing "
			  "there since the machine started",
			  bind->request->target, bind->name);
}

/* The mount is named by the working directory, or by one component that is looked at again. */
static int take_away(const struct bind *bind, uint64_t *ret_mount)
{
	const char *path = bind->request->target, *name = ".";
	autoclose int target = -EBADF, parent = -EBADF;
	struct stat st;
	int r = join_become_root(&bind->join);

	if (r < 0)
		return r;
	r = namespace_join(bind->join.leader, CLONE_NEWNS);
	if (r < 0)
		return fail_here(bind, r, "enter the mount namespace");
	target = resolve_open(bind->join.root_fd, path, O_PATH);
	if (target >= 0 && fstat(target, &st) >= 0 && !S_ISDIR(st.st_mode)) {
		parent = resolve_open_parent(bind->join.root_fd, path, &name);
		fd_close(&target);
		target = parent < 0 ? parent
				    : openat(parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	}
	if (target < 0)
		return fail_not_ours(bind);
	if (mount_is_point(target) <= 0 || bind_notes_identity(target, ret_mount) < 0 ||
	    !bind_notes_have(&bind->notes, *ret_mount))
		return fail_not_ours(bind);
	if (fchdir(parent < 0 ? target : parent) < 0 ||
	    umount2(name, MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
		return fail(-errno, "cannot remove '%s' from machine '%s'", path, bind->name);
	return 0;
}

static _Noreturn void run_child(const struct bind *bind, bool remove)
{
	const int keep[] = { bind->channel, bind->join.leader, bind->join.root_fd,
			     bind->join.user_fd };
	struct answer answer = { 0 };
	int r;

	fd_close_all(3, keep, ARRAY_SIZE(keep));
	r = remove ? take_away(bind, &answer.mount) : add(bind, &answer);
	if (r < 0)
		answer.failure = *fail_recorded();
	(void)send(bind->channel, &answer, sizeof(answer), MSG_NOSIGNAL);
	_exit(r < 0);
}

/* ---- in the caller ---- */

static int hear(const struct bind *bind, int channel, int pidfd, struct answer *ret)
{
	struct answer answer;
	siginfo_t info;
	ssize_t size;

	do
		size = recv(channel, &answer, sizeof(answer), 0);
	while (size < 0 && errno == EINTR);
	(void)process_wait(pidfd, &info, 0);
	if (size != (ssize_t)sizeof(answer))
		return fail_plain(-EIO, "cannot reach machine '%s': the process was killed",
				  bind->name);
	if (answer.failure.code < 0) {
		answer.failure.text[FAIL_TEXT_MAX - 1] = '\0';
		fail_adopt(&answer.failure);
		return answer.failure.code;
	}
	*ret = answer;
	return 0;
}

static int run(struct bind *bind, bool remove, struct answer *ret)
{
	autoclose int ours = -EBADF, theirs = -EBADF, pidfd = -EBADF;
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return fail(-errno, "cannot make a channel");
	ours = pair[0];
	theirs = pair[1];
	bind->channel = theirs;
	pid = process_clone(0, -EBADF, &pidfd);
	if (pid == 0)
		run_child(bind, remove);
	if (pid < 0)
		return fail(pid, "cannot make a process");
	fd_close(&theirs);
	return hear(bind, ours, pidfd, ret);
}

static int note_change(struct bind *bind, bool remove, const struct answer *answer)
{
	if (!remove && bind_notes_have(&bind->notes, answer->mount))
		return 0;
	return bind_notes_write(bind->arena, &bind->notes, remove ? 0 : answer->mount,
				remove ? answer->mount : answer->replaced);
}

/* The notes stay locked until the mount is noted, or struck out. */
static int change(struct arena *arena, const struct bind_request *request, bool remove,
		  bind_make_fn *make, const void *context)
{
	struct bind bind = {
		.request = request,
		.make = make,
		.context = context,
		.arena = arena,
		.name = request->machine->name,
		.join = JOIN_EMPTY,
		.notes = BIND_NOTES_EMPTY,
	};
	struct answer answer = { 0 };
	int r = join_open(&bind.join, request->machine);

	bind.map = bind.join.user && geteuid() == 0 && !request->keep_owners;
	if (r >= 0)
		r = bind_notes_open(arena, &bind.notes, request->machine);
	if (r >= 0)
		r = run(&bind, remove, &answer);
	if (r >= 0)
		r = note_change(&bind, remove, &answer);
	bind_notes_done(&bind.notes);
	join_done(&bind.join);
	return r;
}

int bind_add(struct arena *arena, const struct bind_request *request)
{
	if (request->target[strspn(request->target, "/")] == '\0')
		return fail_input("cannot bind to '/' in machine '%s': that is its root",
				  request->machine->name);
	return change(arena, request, false, NULL, NULL);
}

int bind_replace(struct arena *arena, const struct machine *machine, const char *target,
		 bind_make_fn *make, const void *context)
{
	const struct bind_request request = {
		.machine = machine, .source = target, .target = target, .read_only = true
	};

	return change(arena, &request, false, make, context);
}

int bind_remove(struct arena *arena, const struct machine *machine, const char *target)
{
	const struct bind_request request = { .machine = machine, .target = target };

	return change(arena, &request, true, NULL, NULL);
}
