/* The variables that choose what no option does (reference, section 15). Those that the engine
 * or the log read where they are needed are not here. */
#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/names.h"
#include "base/parse.h"
#include "base/text.h"
#include "spec/readers.h"

#define VARIABLE_PREFIX "SYSTEMD_"

typedef void apply_fn(struct arena *arena, struct spec *spec, const char *value, bool on);

static void share_ipc(struct arena *arena, struct spec *spec, const char *value, bool on)
{
	(void)arena, (void)value;
	spec->share_ipc |= on;
}

static void share_pid(struct arena *arena, struct spec *spec, const char *value, bool on)
{
	(void)arena, (void)value;
	spec->share_pid |= on;
}

static void share_uts(struct arena *arena, struct spec *spec, const char *value, bool on)
{
	(void)arena, (void)value;
	spec->share_uts |= on;
}

static void share_system(struct arena *arena, struct spec *spec, const char *value, bool on)
{
	share_ipc(arena, spec, value, on);
	share_pid(arena, spec, value, on);
	share_uts(arena, spec, value, on);
}

static void tmpfs_tmp(struct arena *arena, struct spec *spec, const char *value, bool on)
{
	(void)arena, (void)value;
	spec->no_tmp = !on;
}

static void cgroup_namespace(struct arena *arena, struct spec *spec, const char *value, bool on)
{
	(void)arena, (void)value;
	spec->no_cgroup_namespace = !on;
}

static void lock(struct arena *arena, struct spec *spec, const char *value, bool on)
{
	(void)arena, (void)value;
	spec->no_lock = !on;
}

static void check_os_release(struct arena *arena, struct spec *spec, const char *value, bool on)
{
	(void)arena, (void)value;
	spec->no_os_release_check = !on;
}

static void seccomp(struct arena *arena, struct spec *spec, const char *value, bool on)
{
	(void)arena, (void)value;
	spec->no_seccomp = !on;
}

/* A default only: options and files go before it. */
static void suppress_sync(struct arena *arena, struct spec *spec, const char *value, bool on)
{
	(void)arena, (void)value;
	if (spec->suppress_sync == TRISTATE_UNSET)
		spec->suppress_sync = on;
}

static void api_vfs(struct arena *arena, struct spec *spec, const char *value, bool on)
{
	(void)arena;
	if (text_equal(value, "network"))
		spec->api_vfs = API_VFS_NETWORK;
	else
		spec->api_vfs = on ? API_VFS_WRITABLE : API_VFS_READ_ONLY;
}

static void container_service(struct arena *arena, struct spec *spec, const char *value, bool on)
{
	(void)on;
	if (text_empty(value))
		return;
	/* It becomes a line of a file in the container, and a variable there. */
	if (name_is_environment(arena_format(arena, "container=%s", value)) &&
	    !value[strcspn(value, "\n\t")])
		spec->container_service = arena_text(arena, value);
	else
		log_warning(
			"'%sNSPAWN_CONTAINER_SERVICE' holds control characters, going on without",
			VARIABLE_PREFIX);
}

/* A default as well. */
static void network_mac(struct arena *arena, struct spec *spec, const char *value, bool on)
{
	(void)arena, (void)on;
	if (spec->addressing.mac_set || text_empty(value))
		return;
	spec->addressing.mac_set = ip_parse_mac(spec->addressing.mac, value) == 0;
	if (!spec->addressing.mac_set)
		log_warning("'%sNSPAWN_NETWORK_MAC' is not the hardware address of an interface, "
			    "going on without",
			    VARIABLE_PREFIX);
}

static const struct {
	const char *name; /* without the prefix */
	apply_fn *apply;
	const char *word; /* accepted beside the booleans */
	bool any;	  /* not a boolean at all */
} variables[] = {
	{ .name = "NSPAWN_SHARE_NS_IPC", .apply = share_ipc },
	{ .name = "NSPAWN_SHARE_NS_PID", .apply = share_pid },
	{ .name = "NSPAWN_SHARE_NS_UTS", .apply = share_uts },
	{ .name = "NSPAWN_SHARE_SYSTEM", .apply = share_system },
	{ .name = "NSPAWN_TMPFS_TMP", .apply = tmpfs_tmp },
	{ .name = "NSPAWN_API_VFS_WRITABLE", .apply = api_vfs, .word = "network" },
	{ .name = "NSPAWN_USE_CGNS", .apply = cgroup_namespace },
	{ .name = "NSPAWN_CONTAINER_SERVICE", .apply = container_service, .any = true },
	{ .name = "NSPAWN_NETWORK_MAC", .apply = network_mac, .any = true },
	{ .name = "NSPAWN_LOCK", .apply = lock },
	{ .name = "NSPAWN_CHECK_OS_RELEASE", .apply = check_os_release },
	{ .name = "SUPPRESS_SYNC", .apply = suppress_sync },
	{ .name = "SECCOMP", .apply = seccomp },
};

static int apply_variable(struct arena *arena, struct spec *spec, const char *entry)
{
	for (size_t i = 0; i < ARRAY_SIZE(variables); i++) {
		const char *value = text_after(entry, variables[i].name);
		bool on = false;

		if (!value || *value != '=')
			continue;
		value++;
		if (!variables[i].any && parse_bool(&on, value) < 0 &&
		    !(variables[i].word && text_equal(value, variables[i].word)))
			return fail_input(
				"cannot use the variable '%s%s=%s': neither yes nor no (unset it)",
				VARIABLE_PREFIX, variables[i].name, value);
		variables[i].apply(arena, spec, value, on);
		return 0;
	}
	return 0;
}

int environment_parse(struct arena *arena, struct spec *spec, const struct reader_facts *facts)
{
	for (const char *const *entry = facts->environment; entry && *entry; entry++) {
		const char *rest = text_after(*entry, VARIABLE_PREFIX);
		int r = rest ? apply_variable(arena, spec, rest) : 0;

		if (r < 0)
			return r;
	}
	return 0;
}
