#include "declare/nixos-host.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/macros.h"
#include "base/path.h"
#include "base/text.h"
#include "declare/nixos-arguments.h"
#include "declare/nixos-store.h"
#include "declare/nixos.h"
#include "format/resolv-conf.h"
#include "image/change.h"
#include "image/lock.h"
#include "image/skeleton.h"
#include "io/dir.h"
#include "io/fd.h"
#include "io/file.h"
#include "kernel/resolve.h"

#define WORD_MAX 64
#define UPLINK "/run/systemd/resolve/resolv.conf"

/* ---- facts ---- */

static enum nixos_resolver look_at_resolver(struct arena *arena)
{
	struct resolv_conf conf;
	char *text;
	size_t size;

	if (file_read(arena, &text, &size, AT_FDCWD, "/etc/resolv.conf", RESOLV_CONF_SIZE_MAX) < 0)
		return NIXOS_RESOLVER_HOST;
	resolv_conf_parse(&conf, text, size);
	/* None at all is one at the loopback, for libc. */
	for (size_t i = 0; i < conf.server_count; i++) {
		struct ip ip = { .family = conf.servers[i].family };

		memcpy(ip.bytes, conf.servers[i].bytes, sizeof(ip.bytes));
		if (!ip_is_loopback(&ip))
			return NIXOS_RESOLVER_HOST;
	}
	return access(UPLINK, F_OK) == 0 ? NIXOS_RESOLVER_UPLINK : NIXOS_RESOLVER_LOOPBACK;
}

/* "x86_64-linux", without a newline; NULL: the closure does not say, or is only seen from inside.
 */
static char *look_at_system(struct arena *arena, const struct nixos *nixos)
{
	const char *path;
	autoclose int directory = nixos_store_open_system(arena, &path, nixos);
	autoclose int fd = directory < 0 ? directory : resolve_open_file(directory, "system");
	char *text;
	size_t size;

	if (fd < 0 || file_read_fd(arena, &text, &size, fd, WORD_MAX) < 0)
		return NULL;
	text[strcspn(text, " \t\r\n")] = '\0';
	return *text == '\0' ? NULL : text;
}

/* qemu-user is registered for it. */
static bool emulates(struct arena *arena, const char *system)
{
	const char *dash = system == NULL ? NULL : strchr(system, '-');
	char *name;

	if (dash == NULL)
		return false;
	name = arena_text_n(arena, system, (size_t)(dash - system));
	return path_is_file_name(name) &&
	       (access(arena_format(arena, "/proc/sys/fs/binfmt_misc/qemu-%s", name), F_OK) == 0 ||
		access(arena_format(arena, "/proc/sys/fs/binfmt_misc/%s-linux", name), F_OK) == 0);
}

int nixos_host_look(struct arena *arena, struct nixos_host *ret, const struct nixos *nixos)
{
	struct nixos_host host = { .resolver = look_at_resolver(arena) };
	struct utsname name;

	uname(&name);
	host.machine = arena_text(arena, name.machine);
	host.system = look_at_system(arena, nixos);
	host.emulates = emulates(arena, host.system);
	*ret = host;
	return 0;
}

/* ---- what is made ---- */

static int make_private(const char *path, mode_t mode)
{
	int r = dir_make_all(path, mode);

	return r < 0 ? fail(r, "cannot make the directory '%s'", path) : 0;
}

/* Under the tree's lock: what runs from it already keeps its files. */
static int make_tree(struct arena *arena, const struct nixos *nixos)
{
	bool clear = nixos_conf_flag(&nixos->conf, NIXOS_CONF_COPY_RESOLV_CONF, true);
	struct lock lock CLEANUP(lock_release) = LOCK_EMPTY;
	autoclose int fd = open(nixos->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r = 0;

	if (fd >= 0)
		r = lock_take(arena, &lock, change_real_path(arena, fd, nixos->root), fd, false,
			      geteuid() == 0);
	return r < 0 ? r : skeleton_make(nixos->root, clear);
}

int nixos_host_make_directories(const struct nixos *nixos)
{
	/* Those in between are closed to the host's users: files of theirs that are set-uid inside
	 * would be so outside. */
	static const char *const closed[] = { NIXOS_STATE_DIRECTORY, NIXOS_PROFILES_DIRECTORY };
	const char *const open_[] = { nixos->profiles, NIXOS_GCROOTS_DIRECTORY, nixos->gcroots };
	int r;

	r = make_private("/nix/var/nix/profiles", 0755);
	if (r >= 0)
		r = make_private(NIXOS_STORE_DIRECTORY, 0755);
	if (r >= 0 && nixos->old)
		r = make_private(NIXOS_OLD_STATE_DIRECTORY, 0700);
	for (size_t i = 0; i < ARRAY_SIZE(closed) && r >= 0; i++)
		r = make_private(closed[i], 0700);
	for (size_t i = 0; i < ARRAY_SIZE(open_) && r >= 0; i++)
		r = make_private(open_[i], 0755);
	return r;
}

int nixos_host_prepare(struct arena *arena, const struct nixos *nixos)
{
	int r = nixos_host_make_directories(nixos);

	return r < 0 ? r : make_tree(arena, nixos);
}

/* Other paths than those of the store may be the tree's own. */
int nixos_host_check_system(struct arena *arena, const struct nixos *nixos)
{
	const char *given = nixos_conf_value(&nixos->conf, NIXOS_CONF_SYSTEM_PATH);
	const char *path = path_join(arena, nixos_system(nixos), "init"), *real;
	autoclose int fd = -EBADF;
	struct stat status;

	if (given != NULL && !path_is_below(given, NIXOS_STORE_DIRECTORY))
		return 0;
	fd = nixos_store_open_system(arena, &real, nixos);
	/* A link may lead to what is only there inside. */
	if (fd >= 0 && fstatat(fd, "init", &status, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	if (fd == -EXDEV)
		return fail_plain(
			fd,
			"cannot start container '%s': its profile '%s' leads to what is no "
			"system of the store (try 'nixos-container rollback %s' or 'update "
			"%s')",
			nixos->name, nixos->system, nixos->name, nixos->name);
	if (given != NULL)
		return fail_plain(-ENOENT,
				  "cannot start container '%s': there is no '%s' (copy its system "
				  "here, as with 'nix copy')",
				  nixos->name, path);
	return fail_plain(
		-ENOENT,
		"cannot start container '%s': it has no system yet, neither SYSTEM_PATH= in "
		"'%s' nor the profile '%s' (try 'nixos-container update %s')",
		nixos->name, nixos->conf_path, nixos->system, nixos->name);
}
