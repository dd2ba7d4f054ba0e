#include "engine/host.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/macros.h"
#include "base/parse.h"
#include "base/path.h"
#include "base/text.h"
#include "format/envfile.h"
#include "format/link-names.h"
#include "io/child.h"
#include "io/fd.h"
#include "io/file.h"
#include "kernel/capability.h"
#include "kernel/cgroup.h"
#include "machine/find.h"
#include "machine/network-host.h"
#include "net/userspace.h"
#include "plan/network-user.h"

#define PROC_NET_UDP_LIMIT (256 * 1024)
#define STUB_RESOLV_CONF "/run/systemd/resolve/stub-resolv.conf"

/* Names that each port of glibc gives its loader. An architecture that is not listed gets no
 * lib64 link, which its trees then have to bring along. */
static const struct {
	const char *machine, *loader;
} loaders[] = {
	{ "x86_64", "ld-linux-x86-64.so.2" },
	{ "aarch64", "ld-linux-aarch64.so.1" },
	{ "riscv64", "ld-linux-riscv64-lp64d.so.1" },
	{ "s390x", "ld64.so.1" },
	{ "ppc64le", "ld64.so.2" },
	{ "ppc64", "ld64.so.1" },
	{ "loongarch64", "ld-linux-loongarch-lp64d.so.1" },
};

/* The assignment as the payload is told it; NULL: it is not told this one. */
static char *os_release_field(struct arena *arena, const char *name, const char *value)
{
	static const struct {
		const char *name, *variable;
	} told[] = {
		{ "ID", "container_host_id" },
		{ "VERSION_ID", "container_host_version_id" },
		{ "BUILD_ID", "container_host_build_id" },
		{ "VARIANT_ID", "container_host_variant_id" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(told); i++)
		if (text_equal(name, told[i].name) && *value)
			return arena_format(arena, "%s=%s", told[i].variable, value);
	return NULL;
}

static void read_os_release(struct arena *arena, struct host *host, char *text, size_t size)
{
	struct envfile file;
	char *name, *value;

	if (envfile_start(&file, arena, text, size) < 0)
		return;
	while (envfile_next(&file, &name, &value) > 0) {
		char *field = os_release_field(arena, name, value);

		if (field)
			text_list_add(arena, &host->os_release_fields, field);
	}
}

static void gather_os_release(struct arena *arena, struct host *host)
{
	static const char *const places[] = { "/etc/os-release", "/usr/lib/os-release" };
	char *text;
	size_t size;

	for (size_t i = 0; i < ARRAY_SIZE(places) && !host->os_release; i++) {
		if (file_read(arena, &text, &size, AT_FDCWD, places[i], ENVFILE_SIZE_MAX) < 0)
			continue;
		host->os_release = places[i];
		read_os_release(arena, host, text, size);
	}
}

/* Whether somebody answers on the stub's address, from the kernel's table and without sending
 * anything. Longer than the limit: there is a resolver's file and a busy host, so believe it. */
static bool stub_listens(struct arena *arena)
{
	char wanted[16], *table;
	size_t size;
	int r;

	snprintf(wanted, sizeof(wanted), " %08X:%04X ",
		 htonl(INADDR_LOOPBACK + 52) /* 127.0.0.53 */, 53);
	r = file_read(arena, &table, &size, AT_FDCWD, "/proc/net/udp", PROC_NET_UDP_LIMIT);
	if (r == -EFBIG)
		return true;
	return r >= 0 && strstr(table, wanted);
}

static void gather_resolver(struct host *host, const struct spec *spec)
{
	struct arena scratch = { 0 };

	if (spec->resolv_conf != RESOLV_AUTO ||
	    (spec_has_private_network(spec) && spec->addressing.dns != DNS_HOST))
		return;
	if (access(STUB_RESOLV_CONF, F_OK) == 0)
		host->resolved_stub = stub_listens(&scratch);
	if (!host->resolved_stub)
		host->has_resolv_conf = access("/etc/resolv.conf", F_OK) == 0;
	arena_done(&scratch);
}

static void gather_time_zone(struct arena *arena, struct host *host, const struct spec *spec)
{
	char target[1024];
	ssize_t length;

	if (spec->timezone == TIMEZONE_OFF || spec->timezone == TIMEZONE_DELETE)
		return;
	length = readlink("/etc/localtime", target, sizeof(target));
	if (length > 0 && (size_t)length < sizeof(target))
		host->localtime_target = arena_text_n(arena, target, (size_t)length);
	else if (length < 0 && errno == EINVAL)
		host->localtime_target = ""; /* there, but no link */
}

static void gather_loader(struct host *host)
{
	struct utsname names;

	if (uname(&names) < 0)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(loaders); i++)
		if (text_equal(names.machine, loaders[i].machine))
			host->loader = loaders[i].loader;
}

static void gather_limit(struct limit *limit, __rlimit_resource_t resource)
{
	/* Forbidden without root: then the payload keeps what we have ourselves. */
	limit->set = prlimit(1, resource, NULL, &limit->value) == 0;
}

/* Without a cgroup namespace the payload sees the host's hierarchy. */
static void gather_cgroup(struct host *host, const struct spec *spec)
{
	autoclose int fd = -EBADF;

	if (spec->no_cgroup_namespace)
		(void)cgroup_open_root(&fd, &host->cgroup2_mount);
}

/* Device nodes that the user binds are allowed to the container by number. With a user namespace
 * nobody in it can open them as devices. */
static void gather_bound_devices(struct arena *arena, struct host *host, const struct spec *spec)
{
	struct host_device *devices = NULL;

	if (spec->userns != USERNS_NO)
		return;
	for (size_t i = 0; i < spec->mounts.count; i++) {
		const struct custom_mount *mount = &spec->mounts.items[i];
		struct host_device *device;
		struct stat st;

		if (mount->kind != MOUNT_BIND || !mount->source || mount->source_in_tree ||
		    stat(mount->source, &st) < 0 || (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode)))
			continue;
		device = list_grow(arena, (void **)&devices, &host->bound_devices_count,
				   sizeof(*device));
		*device = (struct host_device){ mount->source, st.st_mode, st.st_rdev };
	}
	host->bound_devices = devices;
}

static bool is_confined(void)
{
	uint64_t effective;

	return geteuid() == 0 && capability_get(&effective, NULL, NULL) >= 0 &&
	       !(effective & CAPABILITY_BIT(CAP_SYS_ADMIN));
}

static bool has_networkd(struct arena *arena, const struct spec *spec)
{
	bool zone = spec->network_zone != NULL;
	struct link_name link;

	if (!zone && spec->machine == NULL)
		return false;
	return link_names_make(&link, zone ? LINK_NAMES_ZONE : LINK_NAMES_VETH,
			       zone ? spec->network_zone : spec->machine) >= 0 &&
	       network_host_has_networkd(arena, link.name, zone ? "bridge" : "veth");
}

/* For a user's container the program is asked for instead of what the host does for links. */
static void gather_network(struct arena *arena, struct host *host, const struct spec *spec)
{
	if (!spec_has_private_network(spec))
		return;
	network_host_id(host->machine_id);
	if (!network_user_is(host))
		host->networkd = has_networkd(arena, spec);
	else if (spec->network_veth == TRISTATE_YES || spec->network_zone)
		host->pasta = child_find(arena, text_variable(host->environment, "PATH"),
					 USERSPACE_PROGRAM);
}

int host_gather(struct arena *arena, struct host *ret, const struct spec *spec,
		const char *const *environment)
{
	struct host host = {
		.uid = geteuid(),
		.confined = is_confined(),
		.environment = environment,
		.devices = {
			{ "/dev/null", 0666, makedev(1, 3) },
			{ "/dev/zero", 0666, makedev(1, 5) },
			{ "/dev/full", 0666, makedev(1, 7) },
			{ "/dev/random", 0666, makedev(1, 8) },
			{ "/dev/urandom", 0666, makedev(1, 9) },
			{ "/dev/tty", 0666, makedev(5, 0) },
		},
	};

	host.runtime_directory = machine_runtime_directory(arena, host.uid, environment);
	host.selinux = access("/sys/fs/selinux/enforce", F_OK) == 0;
	host.has_fuse = access("/dev/fuse", R_OK | W_OK) == 0;
	host.has_tun = access("/dev/net/tun", R_OK | W_OK) == 0;
	gather_os_release(arena, &host);
	gather_resolver(&host, spec);
	gather_time_zone(arena, &host, spec);
	gather_loader(&host);
	gather_limit(&host.nproc, RLIMIT_NPROC);
	gather_limit(&host.sigpending, RLIMIT_SIGPENDING);
	gather_cgroup(&host, spec);
	gather_bound_devices(arena, &host, spec);
	gather_network(arena, &host, spec);
	*ret = host;
	return 0;
}
