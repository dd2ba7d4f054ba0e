/* Of the host: where images lie, devices, networks, programs and services. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/netlink.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/macros.h"
#include "base/path.h"
#include "base/text.h"
#include "bus/client.h"
#include "bus/machined.h"
#include "bus/systemd.h"
#include "image/quota.h"
#include "io/child.h"
#include "io/dir.h"
#include "io/fd.h"
#include "kernel/link.h"
#include "kernel/mount.h"
#include "kernel/namespace.h"
#include "kernel/netlink.h"
#include "kernel/nftables.h"
#include "machine/manager.h"
#include "prog/redd/doctor.h"

#define STORAGE "storage"
#define NETWORK "network"
#define SERVICES "services"
#define BUS_WAIT_MS 2000

/* ---- storage ---- */

static const char *file_system(struct doctor *doctor, int fd)
{
	static const struct {
		unsigned long magic;
		const char *name;
	} known[] = {
		{ EXT4_SUPER_MAGIC, "ext4" },
		{ XFS_SUPER_MAGIC, "xfs" },
		{ BTRFS_SUPER_MAGIC, "btrfs" },
		{ TMPFS_MAGIC, "tmpfs" },
		{ OVERLAYFS_SUPER_MAGIC, "overlay" },
		{ NFS_SUPER_MAGIC, "nfs" },
		{ F2FS_SUPER_MAGIC, "f2fs" },
		{ FUSE_SUPER_MAGIC, "fuse" },
		{ V9FS_MAGIC, "9p" },
		{ 0x2fc12fc1, "zfs" },
		{ 0xca451a4e, "bcachefs" },
	};
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return "unknown";
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if ((unsigned long)fs.f_type == known[i].magic)
			return known[i].name;
	return arena_format(doctor->arena, "type %#lx", (unsigned long)fs.f_type);
}

/* Two files without names, which go with their descriptors. */
static int try_reflink(const char *path)
{
	autoclose int from = open(path, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	autoclose int to = open(path, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	char block[4096] = "x";
	int r;

	if (from < 0 || to < 0)
		return -errno;
	r = fd_write_all(from, block, sizeof(block));
	if (r < 0)
		return r;
	return ioctl(to, FICLONE, from) < 0 ? -errno : 0;
}

static int try_idmap(int fd)
{
	autoclose int tree = mount_clone(fd, "", false);
	autoclose int users = namespace_make_user("0 524288 65536\n", "0 524288 65536\n");

	if (tree < 0 || users < 0)
		return tree < 0 ? tree : users;
	return mount_map_ids(tree, users, false);
}

static void ask_place(struct doctor *doctor, const char *title, const char *path)
{
	struct arena *arena = doctor->arena;
	struct doctor_line *line;
	autoclose int fd = -EBADF;
	struct quota quota;
	const char *kind;

	while ((fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0 && errno == ENOENT &&
	       !text_equal(path, "/"))
		path = path_parent(arena, path);
	line = doctor_add(doctor, STORAGE, title);
	if (fd < 0) {
		doctor_result(line, -errno, path, "nothing can be kept there", NULL);
		return;
	}
	kind = file_system(doctor, fd);
	doctor_result(line, 0, arena_format(arena, "%s, on %s", path, kind), NULL, NULL);
	if (doctor->root)
		doctor_result(doctor_add(doctor, STORAGE,
					 arena_format(arena, "%s: idmapped mounts", title)),
			      try_idmap(fd), NULL,
			      "owners are changed on disk: --private-users-ownership=chown",
			      "ext4, xfs, btrfs, f2fs, tmpfs (Linux 6.3)");
	line = doctor_add(doctor, STORAGE,
			  arena_format(arena, "%s: copies without copying", title));
	doctor_result(line, try_reflink(path), text_equal(kind, "btrfs") ? "snapshots" : "reflinks",
		      NULL, "btrfs, or xfs with reflinks");
	if (line->state == DOCTOR_NO) {
		line->state = DOCTOR_LESS;
		line->found = "overlays; copies are whole ones";
	}
	if (doctor->root)
		doctor_result(doctor_add(doctor, STORAGE,
					 arena_format(arena, "%s: limits of images", title)),
			      quota_read(&quota, fd), NULL, "no 'machinectl set-limit'",
			      "btrfs with quota, or ext4 or xfs mounted with prjquota");
}

static void ask_devices(struct doctor *doctor)
{
	static const struct {
		const char *what, *path, *lost, *module;
		bool root;
	} devices[] = {
		{ "fuse", "/dev/fuse", "no disk images without root", "fuse", false },
		{ "loop devices", "/dev/loop-control", "no disk images as root", "loop", true },
		{ "device-mapper", "/dev/mapper/control", "no disk images with a root hash",
		  "dm_mod", true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(devices); i++) {
		struct doctor_line *line;

		if (devices[i].root && !doctor->root)
			continue;
		line = doctor_add(doctor, STORAGE, devices[i].what);
		doctor_result(line, access(devices[i].path, F_OK) < 0 ? -errno : 0, devices[i].path,
			      devices[i].lost,
			      arena_format(doctor->arena, "modprobe %s", devices[i].module));
	}
}

static int count_hidden(int dir_fd, const char *name, unsigned char type, void *context)
{
	(void)dir_fd;
	(void)type;
	*(size_t *)context += text_after(name, ".#transfer.") != NULL;
	return 0;
}

/* What transfers that were killed have left, and what those that go on are making. */
static void ask_leftovers(struct doctor *doctor)
{
	struct text_list places = { 0 };
	struct doctor_line *line;
	size_t count = 0;

	find_directories(doctor->arena, &places, &doctor->scope);
	for (size_t i = 0; i < places.count; i++) {
		autoclose int fd = open(places.items[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (fd >= 0)
			(void)dir_walk(fd, count_hidden, &count);
	}
	if (count == 0)
		return;
	line = doctor_add(doctor, STORAGE, "unfinished images");
	line->state = DOCTOR_LESS;
	line->found = arena_format(doctor->arena, "%zu, hidden", count);
	line->lost = "their room on disk, unless a transfer goes on";
	line->hint = "machinectl clean";
}

void doctor_storage(struct doctor *doctor)
{
	const char *pool = find_pool_path(doctor->arena, "x", &doctor->scope);

	if (pool)
		ask_place(doctor, "images", path_parent(doctor->arena, pool));
	if (doctor->store)
		ask_place(doctor, "store", doctor->store);
	ask_devices(doctor);
	ask_leftovers(doctor);
}

/* ---- network ---- */

/* A kernel may have nf_tables, and not for the families that the rules of machines are in. */
static int try_nftables(void *context)
{
	static const enum nftables_family families[] = { NFTABLES_INET, NFTABLES_BRIDGE };
	struct netlink netlink = NETLINK_EMPTY;
	struct nftables nftables;
	char room[1024];
	int r = netlink_open(&netlink, NETLINK_NETFILTER);

	(void)context;
	if (r < 0)
		return r;
	nftables_begin(&nftables, room, sizeof(room), 0);
	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		nftables_use(&nftables, families[i], "doctor");
		nftables_make_table(&nftables, NULL);
	}
	return nftables_commit(&nftables, &netlink);
}

static int try_veth(void *context)
{
	const struct link_want here = { .name = "here" }, there = { .name = "there" };
	struct netlink netlink = NETLINK_EMPTY;
	int index, r = netlink_open(&netlink, NETLINK_ROUTE);

	(void)context;
	return r < 0 ? r : link_make_veth(&netlink, &index, NULL, &here, &there);
}

static int try_bridge(void *context)
{
	const struct link_want want = { .name = "bridge" };
	struct netlink netlink = NETLINK_EMPTY;
	int index, r = netlink_open(&netlink, NETLINK_ROUTE);

	(void)context;
	return r < 0 ? r : link_make_bridge(&netlink, &index, &want);
}

static int try_on_veth(bool ipvlan)
{
	const struct link_want here = { .name = "here" }, there = { .name = "there" };
	const struct link_want want = { .name = "vlan" };
	struct netlink netlink = NETLINK_EMPTY;
	int parent, index, r = netlink_open(&netlink, NETLINK_ROUTE);

	if (r >= 0)
		r = link_make_veth(&netlink, &parent, NULL, &here, &there);
	if (r < 0)
		return r;
	return ipvlan ? link_make_ipvlan(&netlink, &index, parent, &want)
		      : link_make_macvlan(&netlink, &index, parent, &want);
}

static int try_macvlan(void *context)
{
	(void)context;
	return try_on_veth(false);
}

static int try_ipvlan(void *context)
{
	(void)context;
	return try_on_veth(true);
}

static void ask_kinds(struct doctor *doctor)
{
	static const struct {
		const char *what, *module, *lost;
		doctor_probe_fn *probe;
		bool root;
	} kinds[] = {
		{ "nftables", "nf_tables",
		  "no NAT, no names and no isolation; --port= and --network-egress= are refused",
		  try_nftables, true },
		{ "veth", "veth", "no network of a machine's own", try_veth, true },
		{ "bridge", "bridge", "no zones", try_bridge, true },
		{ "macvlan", "macvlan", "no --network-macvlan=", try_macvlan, true },
		{ "ipvlan", "ipvlan", "no --network-ipvlan=", try_ipvlan, true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct doctor_line *line;

		if (kinds[i].root && !doctor->root)
			continue;
		line = doctor_add(doctor, NETWORK, kinds[i].what);
		if (doctor_module(doctor, kinds[i].module) == DOCTOR_MODULE_THERE)
			doctor_result(line, 0, "a module, loaded when it is needed", NULL, NULL);
		else
			doctor_result(line, doctor_try(doctor, CLONE_NEWNET, kinds[i].probe, NULL),
				      NULL, kinds[i].lost,
				      arena_format(doctor->arena, "modprobe %s", kinds[i].module));
	}
}

void doctor_network(struct doctor *doctor)
{
	struct doctor_line *line;
	const char *pasta;

	ask_kinds(doctor);
	if (doctor->root)
		return;
	pasta = child_find(doctor->arena, doctor->programs, "pasta");
	line = doctor_add(doctor, NETWORK, "pasta");
	doctor_result(line, pasta ? 0 : -ENOENT, pasta, "machines have the host's network, or none",
		      "the package passt");
	line = doctor_add(doctor, NETWORK, "tun");
	doctor_result(line, access("/dev/net/tun", R_OK | W_OK) < 0 ? -errno : 0, "/dev/net/tun",
		      "pasta cannot make an interface", "as root: modprobe tun");
}

/* ---- services ---- */

static void ask_manager(struct doctor *doctor)
{
	struct doctor_line *line = doctor_add(doctor, SERVICES, "service manager");
	struct manager manager = { 0 };
	struct text_list enabled = { 0 };
	int r = manager_open(doctor->arena, &manager, doctor->runtime, doctor->environment);

	if (r < 0) {
		doctor_result(line, r, NULL, "machines are started by hand",
			      systemd_is_running() ? "the bus of systemd does not answer"
						   : "install the runner");
		return;
	}
	line->found = manager_name(&manager);
	if (manager.kind != MANAGER_SYSTEMD &&
	    manager_list_enabled(doctor->arena, &manager, &enabled) >= 0) {
		line = doctor_add(doctor, SERVICES, "machines at boot");
		line->found = arena_format(doctor->arena, "%zu in the list", enabled.count);
	}
	manager_done(&manager);
}

static void ask_bus(struct doctor *doctor)
{
	struct doctor_line *line = doctor_add(doctor, SERVICES, "D-Bus");
	autobus struct bus *bus = NULL;
	int r = bus_open(&bus, BUS_SYSTEM, BUS_WAIT_MS);

	line->found = "the system's";
	if (r < 0) {
		line->state = DOCTOR_LESS;
		line->found = "none, and none is needed";
		return;
	}
	line = doctor_add(doctor, SERVICES, "systemd-machined");
	line->found = "machines are registered";
	if (bus_has_name(bus, MACHINED_NAME, true) < 0) {
		line->state = DOCTOR_LESS;
		line->found = "Redd's own records alone";
		line->hint = "the package systemd-container";
	}
}

static void ask_programs(struct doctor *doctor)
{
	static const struct {
		const char *name, *lost, *hint;
	} programs[] = {
		{ "gpgv", "signatures of downloads cannot be verified (--verify=checksum)",
		  "the package gpgv" },
		{ "nix", "no flakes and configurations are built here: closures are brought",
		  "the package nix-bin" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
		const char *path = child_find(doctor->arena, doctor->programs, programs[i].name);

		doctor_result(doctor_add(doctor, SERVICES, programs[i].name), path ? 0 : -ENOENT,
			      path, programs[i].lost, programs[i].hint);
	}
}

void doctor_services(struct doctor *doctor)
{
	ask_manager(doctor);
	ask_bus(doctor);
	ask_programs(doctor);
}
