#include "engine/apply.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "io/fd.h"
#include "kernel/fixture.h"
#include "kernel/mountinfo.h"
#include "kernel/uapi.h"
#include "plan/plan.h"

static struct arena arena;
static struct spec spec;
static struct apply apply;
static struct plan plan;
static struct step steps[16];

/* The tree is /mnt/tree, made to lead to /mnt/victim wherever it can. */
static void enter(void)
{
	ck_assert(fixture_enter_as_root());
	log_set_level(LOG_LEVEL_ERROR);
	ck_assert_int_eq(mkdir("/mnt/at", 0755), 0);
	ck_assert_int_eq(mkdir("/mnt/tree", 0755), 0);
	ck_assert_int_eq(mkdir("/mnt/tree/etc", 0755), 0);
	ck_assert_int_eq(mkdir("/mnt/tree/usr", 0755), 0);
	ck_assert_int_eq(mkdir("/mnt/victim", 0755), 0);
	fixture_write("/mnt/victim/canary", "canary");
	fixture_write("/mnt/source", "from the host");
	ck_assert_int_eq(symlink("/mnt/victim", "/mnt/tree/absolute"), 0);
	ck_assert_int_eq(symlink("../../../../mnt/victim", "/mnt/tree/relative"), 0);
	ck_assert_int_eq(symlink("../victim", "/mnt/tree/beside"), 0);
	ck_assert_int_eq(symlink("/proc/self/root/mnt/victim", "/mnt/tree/magic"), 0);
	spec_init(&spec);
	apply_init(&apply);
	apply.arena = &arena;
	apply.spec = &spec;
	apply.plan = &plan;
	apply.source_root_fd = fixture_open("/mnt/tree");
	apply.at_fd = fixture_open("/mnt/at");
	plan.steps = steps;
	plan.count = 1;
	steps[0] = (struct step){ .kind = STEP_ROOT, .side = SIDE_HOST, .source = "/mnt/tree" };
}

static struct step *add(enum step_kind kind, const char *target)
{
	struct step *step = &steps[plan.count++];

	*step = (struct step){
		.kind = kind, .side = SIDE_HOST, .target = target, .reason = "test"
	};
	return step;
}

/* Do the steps added since; the root stays. */
static int run(void)
{
	int r = apply_host(&apply);

	steps[0].side = SIDE_HOST_BEFORE;
	plan.count = 1;
	fail_forget();
	return r;
}

static size_t mounts(void)
{
	struct mountinfo_list list = { 0 };

	ck_assert_int_eq(mountinfo_read(&arena, &list), 0);
	return list.count;
}

static const char *content(const char *path)
{
	static char text[128];
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	ssize_t n;

	ck_assert_msg(fd >= 0, "open %s: %s", path, strerror(errno));
	n = read(fd, text, sizeof(text) - 1);
	ck_assert_int_ge(n, 0);
	text[n] = '\0';
	close(fd);
	return text;
}

static bool exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

/* Nothing was made, changed or mounted outside of the tree. */
static void nothing_happened(const char *what)
{
	struct stat st, mnt;

	ck_assert_msg(strcmp(content("/mnt/victim/canary"), "canary") == 0, "%s", what);
	ck_assert_int_eq(unlink("/mnt/victim/canary"), 0);
	ck_assert_msg(rmdir("/mnt/victim") == 0, "%s: %s", what, strerror(errno));
	ck_assert_int_eq(mkdir("/mnt/victim", 0755), 0);
	fixture_write("/mnt/victim/canary", "canary");
	ck_assert_int_eq(stat("/mnt/victim", &st), 0);
	ck_assert_int_eq(stat("/mnt", &mnt), 0);
	ck_assert_msg(st.st_dev == mnt.st_dev, "%s: something is mounted there", what);
}

static const char *const leading_out[] = { "/absolute", "/relative", "/beside", "/magic" };
#define WAYS_OUT ((int)(sizeof(leading_out) / sizeof(leading_out[0])))

static char *below(const char *directory, const char *name)
{
	return arena_format(&arena, "%s/%s", directory, name);
}

START_TEST(nothing_is_made_through_a_link_that_leads_out)
{
	const char *way = leading_out[_i];
	struct step *step;

	enter();
	add(STEP_MKDIR, below(way, "directory"))->mode = 0755;
	run();
	add(STEP_MKDIR, below(way, "a/b/c"))->mode = 0755;
	run();
	step = add(STEP_FILE, below(way, "file"));
	step->data = "text";
	step->mode = 0644;
	run();
	step = add(STEP_FILE, below(way, "canary"));
	step->data = "text";
	step->mode = 0644;
	run();
	step = add(STEP_SYMLINK, below(way, "link"));
	step->data = "elsewhere";
	run();
	step = add(STEP_NODE, below(way, "null"));
	step->mode = 0666;
	step->device = makedev(1, 3);
	run();
	step = add(STEP_COPY, below(way, "canary"));
	step->source = "/mnt/source";
	step->flags = STEP_REPLACE;
	run();
	add(STEP_REMOVE, below(way, "canary"));
	run();
	step = add(STEP_NOTIFY, below(way, "notify"));
	step->mode = 0600;
	run();
	nothing_happened(way);
	apply_done(&apply);
}
END_TEST

START_TEST(nothing_is_mounted_through_a_link_that_leads_out)
{
	const char *way = leading_out[_i];
	const char *const targets[] = { way, below(way, "directory"), below(way, "a/b") };
	struct step *step;

	enter();
	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
		step = add(STEP_MOUNT, targets[i]);
		step->source = "tmpfs";
		run();
		step = add(STEP_BIND, targets[i]);
		step->source = "/mnt/tree/etc";
		run();
		step = add(STEP_BIND, below(targets[i], "file"));
		step->source = "/mnt/source";
		run();
		step = add(STEP_RESTRICT, targets[i]);
		step->attributes = MOUNT_ATTR_RDONLY;
		run();
	}
	nothing_happened(way);
	fixture_write("/mnt/victim/canary", "canary"); /* is not read-only */
	if (_i < 2)
		ck_assert(exists("/mnt/tree/mnt/victim")); /* where it led inside */
	apply_done(&apply);
}
END_TEST

START_TEST(a_proc_in_the_tree_is_no_way_out)
{
	struct step *step;
	size_t before;

	enter();
	ck_assert_int_eq(mkdir("/mnt/tree/proc", 0755), 0);
	step = add(STEP_BIND, "/proc");
	step->source = "/proc";
	step->flags = STEP_RECURSIVE;
	ck_assert_int_eq(run(), 0);
	before = mounts();
	step = add(STEP_MOUNT, "/proc/self/root/mnt/victim");
	step->source = "tmpfs";
	ck_assert_int_lt(run(), 0);
	step = add(STEP_MOUNT, "/magic");
	step->source = "tmpfs";
	ck_assert_int_lt(run(), 0);
	step = add(STEP_FILE, "/proc/self/cwd/redd-test");
	step->data = "text";
	step->mode = 0644;
	ck_assert_int_lt(run(), 0);
	ck_assert_uint_eq(mounts(), before);
	nothing_happened("/proc");
	apply_done(&apply);
}
END_TEST

/* Class S17: what is written into the image replaces what stood there, and follows nothing. */
START_TEST(a_hard_link_to_a_host_file_stays_as_it_is)
{
	struct stat st;
	struct step *step;

	enter();
	ck_assert_int_eq(link("/mnt/victim/canary", "/mnt/tree/etc/copied"), 0);
	ck_assert_int_eq(link("/mnt/victim/canary", "/mnt/tree/etc/written"), 0);
	step = add(STEP_COPY, "/etc/copied");
	step->source = "/mnt/source";
	step = add(STEP_FILE, "/etc/written");
	step->data = "text";
	step->mode = 0640;
	ck_assert_int_eq(run(), 0);
	ck_assert_str_eq(content("/mnt/tree/etc/copied"), "from the host");
	ck_assert_str_eq(content("/mnt/tree/etc/written"), "text");
	ck_assert_int_eq(stat("/mnt/tree/etc/written", &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0640);
	ck_assert_int_eq(stat("/mnt/victim/canary", &st), 0);
	ck_assert_uint_eq(st.st_nlink, 1);
	nothing_happened("hard links");
	apply_done(&apply);
}
END_TEST

START_TEST(a_link_in_the_way_is_left_or_replaced)
{
	struct step *step;

	enter();
	ck_assert_int_eq(symlink("/mnt/victim/canary", "/mnt/tree/etc/link"), 0);
	ck_assert_int_eq(symlink("/mnt/victim/new", "/mnt/tree/etc/dangling"), 0);
	step = add(STEP_COPY, "/etc/link");
	step->source = "/mnt/source";
	ck_assert_int_eq(run(), -ELOOP);
	step = add(STEP_FILE, "/etc/dangling");
	step->data = "text";
	step->mode = 0644;
	step->flags = STEP_UNLESS_EXISTS;
	ck_assert_int_eq(run(), 0);
	ck_assert_int_eq(readlink("/mnt/tree/etc/dangling", (char[8]){ 0 }, 8), 8);
	step = add(STEP_COPY, "/etc/link");
	step->source = "/mnt/source";
	step->flags = STEP_REPLACE;
	step = add(STEP_FILE, "/etc/dangling");
	step->data = "text";
	step->mode = 0644;
	ck_assert_int_eq(run(), 0);
	ck_assert_str_eq(content("/mnt/tree/etc/link"), "from the host");
	ck_assert_str_eq(content("/mnt/tree/etc/dangling"), "text");
	nothing_happened("links");
	apply_done(&apply);
}
END_TEST

START_TEST(a_fifo_does_not_hang)
{
	struct stat st;
	struct step *step;

	enter();
	ck_assert_int_eq(mkfifo("/mnt/fifo", 0600), 0);
	ck_assert_int_eq(mkfifo("/mnt/tree/etc/copied", 0600), 0);
	ck_assert_int_eq(mkfifo("/mnt/tree/etc/written", 0600), 0);
	step = add(STEP_COPY, "/etc/copied");
	step->source = "/mnt/source";
	ck_assert_int_lt(run(), 0);
	step = add(STEP_COPY, "/etc/other");
	step->source = "/mnt/fifo";
	ck_assert_int_lt(run(), 0);
	ck_assert(!exists("/mnt/tree/etc/other"));
	step = add(STEP_COPY, "/etc/copied");
	step->source = "/mnt/source";
	step->flags = STEP_REPLACE;
	step = add(STEP_FILE, "/etc/written");
	step->data = "text";
	step->mode = 0644;
	ck_assert_int_eq(run(), 0);
	ck_assert_int_eq(lstat("/mnt/tree/etc/written", &st), 0);
	ck_assert(S_ISREG(st.st_mode));
	ck_assert_str_eq(content("/mnt/tree/etc/copied"), "from the host");
	apply_done(&apply);
}
END_TEST

START_TEST(a_directory_in_the_way_is_no_file)
{
	struct step *step;

	enter();
	ck_assert_int_eq(mkdir("/mnt/tree/etc/resolv.conf", 0755), 0);
	step = add(STEP_COPY, "/etc/resolv.conf");
	step->source = "/mnt/source";
	step->flags = STEP_REPLACE;
	ck_assert_int_lt(run(), 0);
	step = add(STEP_BIND, "/etc/resolv.conf");
	step->source = "/mnt/source";
	ck_assert_int_lt(apply_host(&apply), 0);
	ck_assert_ptr_nonnull(
		strstr(fail_recorded()->text, "'/etc/resolv.conf' in the container is a"));
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "test"));
	apply_done(&apply);
}
END_TEST

START_TEST(the_same_content_is_not_written_again)
{
	struct stat before, after;

	enter();
	fixture_write("/mnt/tree/etc/copied", "from the host");
	ck_assert_int_eq(stat("/mnt/tree/etc/copied", &before), 0);
	add(STEP_COPY, "/etc/copied")->source = "/mnt/source";
	ck_assert_int_eq(run(), 0);
	ck_assert_int_eq(stat("/mnt/tree/etc/copied", &after), 0);
	ck_assert_uint_eq(before.st_ino, after.st_ino);
	apply_done(&apply);
}
END_TEST

START_TEST(a_device_that_stands_there_is_not_ours)
{
	struct stat st;
	struct step *step;

	enter();
	ck_assert_int_eq(mkdir("/mnt/tree/dev", 0755), 0);
	fixture_write("/mnt/tree/dev/null", "a file");
	step = add(STEP_NODE, "/dev/null");
	step->mode = 0666;
	step->device = makedev(1, 3);
	ck_assert_int_eq(run(), -EEXIST);
	ck_assert_str_eq(content("/mnt/tree/dev/null"), "a file");

	/* The plan's own /dev covers it. */
	step = add(STEP_MOUNT, "/dev");
	step->source = "tmpfs";
	step->data = "mode=0755";
	step = add(STEP_NODE, "/dev/null");
	step->mode = 0666;
	step->device = makedev(1, 3);
	step = add(STEP_NODE, "/dev/fifo");
	step->mode = 0600;
	step->data = "fifo";
	step->flags = STEP_KEEP_OPEN;
	ck_assert_int_eq(run(), 0);
	ck_assert_int_eq(stat("/mnt/at/dev/null", &st), 0);
	ck_assert(S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3) &&
		  (st.st_mode & 0777) == 0666);
	ck_assert_int_eq(apply.held_count, 1);
	ck_assert_int_eq(fstat(apply.held[0], &st), 0);
	ck_assert(S_ISFIFO(st.st_mode));
	ck_assert_str_eq(content("/mnt/tree/dev/null"), "a file");
	apply_done(&apply);
}
END_TEST

START_TEST(where_nodes_are_denied_the_hosts_is_bound)
{
	struct step *step;
	struct stat st;

	enter();
	/* A user namespace of our own: mknod(2) answers EPERM there. */
	ck_assert_int_eq(unshare(CLONE_NEWUSER | CLONE_NEWNS), 0);
	fixture_write("/proc/self/uid_map", "0 0 1");
	fixture_write("/proc/self/setgroups", "deny");
	fixture_write("/proc/self/gid_map", "0 0 1");
	fd_close(&apply.source_root_fd);
	fd_close(&apply.at_fd);
	apply.source_root_fd = fixture_open("/mnt/tree");
	apply.at_fd = fixture_open("/mnt/at");
	steps[0].flags = STEP_RECURSIVE;
	step = add(STEP_NODE, "/null");
	step->mode = 0666;
	step->device = makedev(1, 3);
	step->source = "/dev/null";
	ck_assert_int_eq(run(), 0);
	ck_assert_int_eq(stat("/mnt/at/null", &st), 0);
	ck_assert(S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3));
	apply_done(&apply);
}
END_TEST

START_TEST(binds_have_the_attributes_that_were_asked_for)
{
	struct step *step;

	enter();
	ck_assert_int_eq(mkdir("/mnt/data", 0755), 0);
	ck_assert_int_eq(mount("tmpfs", "/mnt/data", "tmpfs", 0, NULL), 0);
	ck_assert_int_eq(mkdir("/mnt/data/sub", 0755), 0);
	ck_assert_int_eq(mount("tmpfs", "/mnt/data/sub", "tmpfs", 0, NULL), 0);
	step = add(STEP_BIND, "/deep/down/data");
	step->source = "/mnt/data";
	step->flags = STEP_RECURSIVE;
	step->attributes = MOUNT_ATTR_RDONLY;
	step = add(STEP_BIND, "/alone");
	step->source = "/mnt/data";
	step = add(STEP_BIND, "/file");
	step->source = "/mnt/source";
	step->attributes = MOUNT_ATTR_RDONLY;
	ck_assert_int_eq(run(), 0);
	ck_assert_int_lt(mkdir("/mnt/at/deep/down/data/x", 0755), 0);
	ck_assert_int_eq(errno, EROFS);
	ck_assert_int_lt(mkdir("/mnt/at/deep/down/data/sub/x", 0755), 0);
	ck_assert_int_eq(errno, EROFS);
	ck_assert_int_eq(mkdir("/mnt/data/sub/x", 0755), 0); /* the host's is not */
	ck_assert_int_eq(mkdir("/mnt/at/alone/y", 0755), 0);
	ck_assert(!exists("/mnt/at/alone/sub/x"));
	ck_assert_str_eq(content("/mnt/at/file"), "from the host");
	ck_assert_int_lt(open("/mnt/at/file", O_WRONLY | O_CLOEXEC), 0);
	/* The mount points were made in the tree, and nothing is mounted there on the host. */
	ck_assert(exists("/mnt/tree/deep/down/data") && !exists("/mnt/tree/deep/down/data/sub"));
	apply_done(&apply);
}
END_TEST

START_TEST(a_source_in_the_tree_does_not_leave_it)
{
	struct step *step;

	enter();
	fixture_write("/mnt/tree/usr/file", "of the tree");
	ck_assert_int_eq(symlink("/mnt/victim", "/mnt/tree/usr/out"), 0);
	step = add(STEP_BIND, "/inside");
	step->source = "/usr";
	step->flags = STEP_SOURCE_IN_TREE;
	ck_assert_int_eq(run(), 0);
	ck_assert_str_eq(content("/mnt/at/inside/file"), "of the tree");
	step = add(STEP_BIND, "/outside");
	step->source = "/usr/out";
	step->flags = STEP_SOURCE_IN_TREE;
	ck_assert_int_eq(run(), -ENOENT);
	step = add(STEP_BIND, "/outside");
	step->source = "/usr/out/canary";
	step->flags = STEP_SOURCE_IN_CONTAINER;
	ck_assert_int_eq(run(), -ENOENT);
	ck_assert(!exists("/mnt/at/outside"));
	apply_done(&apply);
}
END_TEST

START_TEST(links_are_made_kept_and_replaced)
{
	char text[64] = "";
	struct step *step;

	enter();
	ck_assert_int_eq(symlink("old", "/mnt/tree/etc/localtime"), 0);
	step = add(STEP_SYMLINK, "/etc/localtime");
	step->data = "new";
	step->flags = STEP_UNLESS_EXISTS;
	ck_assert_int_eq(run(), 0);
	ck_assert_int_eq(readlink("/mnt/tree/etc/localtime", text, sizeof(text)), 3);
	ck_assert_str_eq(text, "old");
	add(STEP_SYMLINK, "/etc/localtime")->data = "new";
	ck_assert_int_eq(run(), -EEXIST);
	step = add(STEP_SYMLINK, "/etc/localtime");
	step->data = "new";
	step->flags = STEP_REPLACE;
	ck_assert_int_eq(run(), 0);
	ck_assert_int_eq(readlink("/mnt/tree/etc/localtime", text, sizeof(text)), 3);
	ck_assert_str_eq(text, "new");
	add(STEP_REMOVE, "/etc/localtime");
	add(STEP_REMOVE, "/etc/localtime");
	add(STEP_REMOVE, "/nowhere/at/all");
	ck_assert_int_eq(run(), 0);
	ck_assert(!exists("/mnt/tree/etc/localtime"));
	apply_done(&apply);
}
END_TEST

START_TEST(what_is_made_belongs_to_the_containers_root)
{
	struct stat st;
	struct step *step;

	enter();
	ck_assert_int_eq(chown("/mnt/tree/etc", 524288, 524288), 0);
	apply.base = 524288;
	apply.range = 65536;
	add(STEP_MKDIR, "/etc/directory")->mode = 0700;
	step = add(STEP_FILE, "/etc/file");
	step->data = "text";
	step->mode = 0600;
	step = add(STEP_COPY, "/etc/copy");
	step->source = "/mnt/source";
	ck_assert_int_eq(run(), 0);
	ck_assert_int_eq(stat("/mnt/tree/etc/directory", &st), 0);
	ck_assert(st.st_uid == 524288 && st.st_gid == 524288 && (st.st_mode & 07777) == 0700);
	ck_assert_int_eq(stat("/mnt/tree/etc/file", &st), 0);
	ck_assert(st.st_uid == 524288 && (st.st_mode & 07777) == 0600);
	ck_assert_int_eq(stat("/mnt/tree/etc/copy", &st), 0);
	ck_assert_uint_eq(st.st_uid, 524288);
	/* and afterwards we are the host's root again */
	fixture_write("/mnt/after", "");
	ck_assert_int_eq(stat("/mnt/after", &st), 0);
	ck_assert(st.st_uid == 0 && (st.st_mode & 0777) == 0644);
	apply_done(&apply);
}
END_TEST

START_TEST(the_console_is_the_containers_own)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "/mnt/at/run/notify" };
	struct step *step;
	char text[64] = "";
	struct stat st;

	enter();
	step = add(STEP_MOUNT, "/run");
	step->source = "tmpfs";
	step = add(STEP_MOUNT, "/run/pts");
	step->source = "devpts";
	step->data = "newinstance,ptmxmode=0666,mode=0620";
	add(STEP_CONSOLE, "/run/console");
	add(STEP_NOTIFY, "/run/notify")->mode = 0600;
	ck_assert_int_eq(run(), 0);
	ck_assert_int_gt(readlink("/mnt/at/run/console", text, sizeof(text) - 1), 0);
	ck_assert_str_eq(text, "pts/0");
	ck_assert(isatty(apply.console_master) && isatty(apply.console_slave));
	ck_assert_int_eq(stat("/mnt/at/run/notify", &st), 0);
	ck_assert(S_ISSOCK(st.st_mode) && (st.st_mode & 0777) == 0600);
	ck_assert_int_eq(connect(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0),
				 (struct sockaddr *)&address, sizeof(address)),
			 0);

	/* The supervisor keeps these and no mount. */
	apply_release_mounts(&apply);
	ck_assert(apply.root_fd < 0 && apply.at_fd < 0 && apply.source_root_fd < 0);
	ck_assert(apply.notify_fd >= 0 && apply.console_master >= 0);
	apply_done(&apply);
	ck_assert(apply.notify_fd < 0 && apply.console_master < 0 && apply.console_slave < 0);
}
END_TEST

START_TEST(credentials_are_sealed)
{
	struct credential credentials[] = {
		{ .id = "given", .data = "a\0b", .size = 3 },
		{ .id = "loaded", .data = "from the host", .size = 13 },
	};
	struct step *step;
	struct stat st;

	enter();
	spec.credentials.items = credentials;
	spec.credentials.count = 2;
	step = add(STEP_CREDENTIALS, "/run/credentials");
	step->mode = 0500;
	ck_assert_int_eq(run(), 0);
	ck_assert_int_eq(stat("/mnt/at/run/credentials", &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0500);
	ck_assert_int_eq(stat("/mnt/at/run/credentials/given", &st), 0);
	ck_assert(st.st_size == 3 && (st.st_mode & 07777) == 0400);
	ck_assert_str_eq(content("/mnt/at/run/credentials/loaded"), "from the host");
	ck_assert_int_lt(open("/mnt/at/run/credentials/new", O_WRONLY | O_CREAT | O_CLOEXEC, 0600),
			 0);
	ck_assert_int_eq(errno, EROFS);
	ck_assert(!exists("/mnt/tree/run/credentials/given"));
}
END_TEST

START_TEST(roots_are_stacked)
{
	struct step *step;

	enter();
	fixture_write("/mnt/tree/usr/file", "of the tree");
	step = add(STEP_ROOT_OVERLAY, NULL);
	step->data = "mode=0755";
	add(STEP_MKDIR, "/usr/new")->mode = 0755;
	ck_assert_int_eq(run(), 0);
	ck_assert(exists("/mnt/at/usr/new") && !exists("/mnt/tree/usr/new"));
	ck_assert_str_eq(content("/mnt/at/usr/file"), "of the tree");

	step = add(STEP_VOLATILE_ROOT, NULL);
	step->data = "mode=0755";
	ck_assert_int_eq(run(), 0);
	ck_assert_str_eq(content("/mnt/at/usr/file"), "of the tree");
	ck_assert(!exists("/mnt/at/etc") && !exists("/mnt/at/absolute"));
	ck_assert_int_lt(mkdir("/mnt/at/usr/x", 0755), 0);
	ck_assert_int_eq(errno, EROFS);
	apply_done(&apply);
}
END_TEST

START_TEST(an_unmerged_tree_cannot_be_volatile)
{
	enter();
	ck_assert_int_eq(mkdir("/mnt/tree/bin", 0755), 0);
	add(STEP_VOLATILE_ROOT, NULL);
	ck_assert_int_lt(apply_host(&apply), 0);
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "--volatile=overlay"));
	apply_done(&apply);
}
END_TEST

START_TEST(what_may_fail_does)
{
	struct step *step;

	enter();
	step = add(STEP_BIND, "/a");
	step->source = "/mnt/nothing";
	step->flags = STEP_OPTIONAL;
	step = add(STEP_BIND, "/a");
	step->source = "/mnt/nothing";
	step->flags = STEP_WARN;
	add(STEP_MKDIR, "/after")->mode = 0755;
	ck_assert_int_eq(apply_host(&apply), 0);
	ck_assert_int_eq(fail_recorded()->code, 0);
	ck_assert(exists("/mnt/tree/after"));
	plan.count = 1;
	steps[0].side = SIDE_HOST_BEFORE;

	add(STEP_BIND, "/a")->source = "/mnt/nothing";
	add(STEP_MKDIR, "/never")->mode = 0755;
	ck_assert_int_eq(apply_host(&apply), -ENOENT);
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "/mnt/nothing"));
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "test"));
	ck_assert(!exists("/mnt/tree/never"));
	apply_done(&apply);
}
END_TEST

START_TEST(a_step_of_nobody_is_told)
{
	enter();
	add(STEP_SECCOMP, NULL);
	ck_assert_int_eq(apply_host(&apply), -ENOTSUP);
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "nobody knows how"));
	ck_assert_int_eq(apply_payload_step(&apply, &(struct step){ .kind = STEP_SECCOMP }),
			 -ENOTSUP);
	apply_done(&apply);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("apply");

	if (geteuid() != 0) {
		puts("skipped: only root can mount without a user namespace");
		return 77;
	}
	tcase_add_loop_test(cases, nothing_is_made_through_a_link_that_leads_out, 0, WAYS_OUT);
	tcase_add_loop_test(cases, nothing_is_mounted_through_a_link_that_leads_out, 0, WAYS_OUT);
	tcase_add_test(cases, a_proc_in_the_tree_is_no_way_out);
	tcase_add_test(cases, a_hard_link_to_a_host_file_stays_as_it_is);
	tcase_add_test(cases, a_link_in_the_way_is_left_or_replaced);
	tcase_add_test(cases, a_fifo_does_not_hang);
	tcase_add_test(cases, a_directory_in_the_way_is_no_file);
	tcase_add_test(cases, the_same_content_is_not_written_again);
	tcase_add_test(cases, a_device_that_stands_there_is_not_ours);
	tcase_add_test(cases, where_nodes_are_denied_the_hosts_is_bound);
	tcase_add_test(cases, binds_have_the_attributes_that_were_asked_for);
	tcase_add_test(cases, a_source_in_the_tree_does_not_leave_it);
	tcase_add_test(cases, links_are_made_kept_and_replaced);
	tcase_add_test(cases, what_is_made_belongs_to_the_containers_root);
	tcase_add_test(cases, the_console_is_the_containers_own);
	tcase_add_test(cases, credentials_are_sealed);
	tcase_add_test(cases, roots_are_stacked);
	tcase_add_test(cases, an_unmerged_tree_cannot_be_volatile);
	tcase_add_test(cases, what_may_fail_does);
	tcase_add_test(cases, a_step_of_nobody_is_told);
	return fixture_run(cases, "engine/apply");
}
