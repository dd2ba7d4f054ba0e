#include "engine/resources.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "bus/client.h"
#include "engine/cgroups.h"
#include "engine/network-pool.h"
#include "engine/network-uplink.h"
#include "engine/outer.h"
#include "engine/root.h"
#include "image/raw-serve.h"
#include "io/dir.h"
#include "io/fd.h"
#include "kernel/namespace.h"
#include "kernel/probe.h"
#include "plan/network-user.h"
#include "spec/spec.h"

#define NSFS_MAGIC_NUMBER 0x6e736673 /* linux/magic.h NSFS_MAGIC */

void resources_init(struct resources *resources, struct arena *arena)
{
	static const struct raw_servers none = RAW_SERVERS_EMPTY;

	*resources = (struct resources){
		.arena = arena,
		.record = RECORD_EMPTY,
		.ids = IDS_EMPTY,
		.cgroup_root_fd = -EBADF,
		.cgroup_parent_fd = -EBADF,
		.cgroup_fd = -EBADF,
		.unit_fd = -EBADF,
		.network_fd = -EBADF,
		.own_network_fd = -EBADF,
		.middle_fd = -EBADF,
		.host_mounts_fd = -EBADF,
		.scope_fd = -EBADF,
		.servers = &none,
	};
}

int resources_open_record(struct resources *resources, struct spec *spec, const struct host *host)
{
	uint32_t random;
	const char *name;
	int r;

	r = record_create(resources->arena, &resources->record, host->runtime_directory,
			  spec->machine);
	if (r != -EBUSY || spec->machine_given || spec->registration == REGISTER_YES)
		return r;

	/* Two that share a read-only tree have one name by default; only the record must be unique.
	 */
	fail_forget();
	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		return fail(-EIO, "cannot get random numbers");
	name = arena_format(resources->arena, "%.55s-%08x", spec->machine, random);
	log_debug("a machine '%s' is running, this one is recorded as '%s'", spec->machine, name);
	if (spec->hostname == NULL)
		spec->hostname = spec->machine;
	spec->machine = name;
	return record_create(resources->arena, &resources->record, host->runtime_directory, name);
}

static int open_network(struct resources *resources, const struct spec *spec)
{
	struct statfs fs;

	if (spec->network_namespace_path == NULL)
		return 0;
	resources->network_fd = open(spec->network_namespace_path, O_RDONLY | O_CLOEXEC);
	if (resources->network_fd < 0)
		return fail(-errno, "cannot open the network namespace '%s'",
			    spec->network_namespace_path);
	if (fstatfs(resources->network_fd, &fs) < 0 || fs.f_type != NSFS_MAGIC_NUMBER ||
	    ioctl(resources->network_fd, NS_GET_NSTYPE) != CLONE_NEWNET)
		return fail_input("'%s' is no network namespace (try a path like /run/netns/NAME)",
				  spec->network_namespace_path);
	record_note_later(&resources->record, RECORD_NETNS, spec->network_namespace_path);
	return 0;
}

void resources_fill_taken(struct resources *resources, const struct spec *spec)
{
	struct taken *taken = &resources->taken;
	const struct ids *ids = &resources->ids;

	taken->userns = ids->rung;
	taken->base = ids->base;
	taken->range = ids->range;
	taken->ownership_map = ids->map;
	taken->ownership_chown = ids->chown;
	taken->ids_text = ids->text;
	for (size_t i = 0; i < ids->gid_count; i++)
		if (ids->gids[i].inside <= 5 && ids->gids[i].inside + ids->gids[i].count > 5)
			taken->subordinate_gid5 = true;
	taken->network_shared = !spec_has_private_network(spec) ||
				spec->network_namespace_path != NULL;
}

int resources_new_boot_id(struct resources *resources)
{
	uint8_t *id = resources->taken.boot_id;

	if (getrandom(id, 16, 0) != 16)
		return fail(-EIO, "cannot get random numbers");
	id[6] = (uint8_t)((id[6] & 0x0f) | 0x40); /* RFC 9562: version 4, variant 10 */
	id[8] = (uint8_t)((id[8] & 0x3f) | 0x80);
	return 0;
}

/* In a user namespace of ours, or of whoever started us, no device of the host can be opened by
 * making a node for it. */
static void warn_unfiltered(const struct resources *resources, const struct host *host)
{
	const struct taken *taken = &resources->taken;

	if (taken->userns != RUNG_NONE || taken->cgroup != CGROUP_NONE || host->uid != 0 ||
	    resources->outer || !namespace_is_initial_user())
		return;
	log_warning("cannot restrict which devices the container may open: no cgroup v2 can be "
		    "used here, going on without (--private-users=no makes its root one of the "
		    "host, see SECURITY.md)");
}

int resources_open(struct resources *resources, const struct spec *spec, const struct host *host,
		   const struct root *root, bool dry)
{
	int r;

	if (!resources->outer) {
		r = ids_take(resources->arena, &resources->ids, spec, host, root->fd,
			     dry ? NULL : &resources->record);
		if (r < 0)
			return r;
	}
	resources_fill_taken(resources, spec);
	r = cgroups_take(resources, spec, host->uid, dry);
	if (r < 0)
		return r;
	warn_unfiltered(resources, host);
	if (dry)
		return 0;
	r = open_network(resources, spec);
	if (r >= 0 && (!resources->outer || network_user_has_middle(spec, host)))
		r = network_pool_take(resources, spec, host);
	return r;
}

int resources_enter_outer(struct resources *resources, const struct spec *spec,
			  const struct host *host, bool dry)
{
	int r;

	if ((host->uid == 0 && !host->confined) || (dry && spec->image == NULL))
		return 0;
	r = ids_take(resources->arena, &resources->ids, spec, host, -EBADF, NULL);
	if (r < 0)
		return r;
	r = network_user_has_middle(spec, host) && !dry
		    ? network_uplink_join(resources, host)
		    : outer_enter(resources->arena, &resources->ids);
	if (r < 0)
		return r;
	ids_entered(&resources->ids);
	resources->outer = true;
	return 0;
}

int resources_enter_private_mounts(struct resources *resources, const struct root *root)
{
	const char *cause;
	int r;

	resources->host_mounts_fd = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	if (resources->host_mounts_fd < 0)
		return fail(-errno, "cannot open our own mount namespace");
	/* A disk image has been mounted in one for this start. */
	if (root->disk.mounts_fd >= 0) {
		if (setns(root->disk.mounts_fd, CLONE_NEWNS) < 0)
			return fail(-errno, "cannot enter the mount namespace of the disk image");
		return fchdir(root->fd) < 0 ? fail(-errno, "cannot change to the tree") : 0;
	}
	/* A descriptor stays in the old namespace, the working directory moves with us. */
	if (fchdir(root_anchor(root)) < 0)
		return fail(-errno, "cannot change to the tree");
	if (unshare(CLONE_NEWNS) < 0) {
		r = fail(-errno, "cannot make a private mount namespace");
		cause = probe_cause(PROBE_NAMESPACES, r);
		if (cause != NULL)
			fail_hint("%s", cause);
		return r;
	}
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return fail(-errno, "cannot make the mounts private");
	return 0;
}

int resources_leave_private_mounts(struct resources *resources)
{
	bool stay;

	if (resources->host_mounts_fd < 0)
		return 0;
	/* Without root, and in some containers, there is no way back: what was attached in the
	 * private namespace is dropped instead. */
	stay = resources->outer;
	if (!stay && setns(resources->host_mounts_fd, CLONE_NEWNS) < 0) {
		if (errno != EPERM)
			return fail(-errno, "cannot return to the host's mount namespace");
		stay = true;
	}
	fd_close(&resources->host_mounts_fd);
	while (stay && resources->attach_point != NULL &&
	       umount2(resources->attach_point, MNT_DETACH) == 0)
		;
	resources->attach_point = NULL;
	return chdir("/") < 0 ? fail(-errno, "cannot change to '/'") : 0;
}

int resources_open_attach_point(struct resources *resources, const struct host *host)
{
	/* The records' directory is used by descriptor only; what else is there may hold the upper
	 * layer of a snapshot. */
	const char *path = arena_format(resources->arena, "%s/machines", host->runtime_directory);
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	resources->attach_point = path;
	return fd < 0 ? fail(-errno, "cannot open '%s'", path) : fd;
}

int resources_join_network(struct resources *resources)
{
	if (resources->network_fd < 0)
		return 0;
	resources->own_network_fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (resources->own_network_fd < 0)
		return fail(-errno, "cannot open our own network namespace");
	if (setns(resources->network_fd, CLONE_NEWNET) < 0)
		return fail(-errno, "cannot enter the network namespace");
	return 0;
}

int resources_leave_network(struct resources *resources)
{
	if (resources->own_network_fd < 0)
		return 0;
	if (setns(resources->own_network_fd, CLONE_NEWNET) < 0)
		return fail(-errno, "cannot return to our network namespace");
	fd_close(&resources->own_network_fd);
	return 0;
}

/* 1: PATH is new, and noted before it is made; 0: it is of an earlier start. */
static int note_temporary(struct resources *resources, char *path)
{
	int r;

	resources->temporary_used++;
	for (size_t i = 0; i < resources->temporary.count; i++)
		if (strcmp(resources->temporary.items[i], path) == 0)
			return 0;
	r = record_note(&resources->record, RECORD_TEMPORARY, path);
	if (r < 0)
		return r;
	text_list_add(resources->arena, &resources->temporary, path);
	return 1;
}

/* /var/tmp, so that what a guest writes does not fill the host's memory. */
int resources_make_temporary(void *context, char **ret_path)
{
	struct resources *resources = context;
	char *outer = arena_format(resources->arena, "/var/tmp/redd-temp-%zu-%s",
				   resources->temporary_used, resources->record.tag);
	char *path = arena_format(resources->arena, "%s/src", outer);
	int r;

	r = note_temporary(resources, outer);
	if (r < 0)
		return r;
	/* Others of the host have no business in what the guest's root makes there. */
	if (r > 0 && mkdir(outer, 0700) < 0)
		return fail(-errno, "cannot make '%s'", outer);
	if (r > 0 && mkdir(path, 0755) < 0)
		return fail(-errno, "cannot make '%s'", path);
	*ret_path = path;
	return 0;
}

int resources_plan_temporary(void *context, const char *beside, char **ret_path)
{
	struct resources *resources = context;
	const char *slash = strrchr(beside, '/');
	char *path;
	int r;

	path = arena_format(resources->arena, "%.*s/.#%.200s-%zu-%s", (int)(slash - beside), beside,
			    slash + 1, resources->temporary_used, resources->record.tag);
	r = note_temporary(resources, path);
	if (r < 0)
		return r;
	r = r == 0 ? dir_remove_all(AT_FDCWD, path) : 0;
	if (r < 0)
		return fail(r, "cannot remove '%s' of the last start", path);
	*ret_path = path;
	return 0;
}

void resources_done(struct resources *resources)
{
	cgroups_release(resources);
	for (size_t i = 0; i < resources->temporary.count; i++) {
		int r = dir_remove_all(AT_FDCWD, resources->temporary.items[i]);

		if (r < 0)
			log_warning("cannot remove '%s': %s, going on without",
				    resources->temporary.items[i], strerror(-r));
	}
	text_list_clear(&resources->temporary);
	network_pool_release(resources);
	fd_close(&resources->network_fd);
	fd_close(&resources->own_network_fd);
	fd_close(&resources->host_mounts_fd);
	resources->bus = bus_close(resources->bus);
	fd_close(&resources->scope_fd);
	ids_release(&resources->ids);
	record_remove(&resources->record);
}
