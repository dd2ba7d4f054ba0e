#include "engine/root-facts.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/macros.h"
#include "base/parse.h"
#include "base/text.h"
#include "io/dir.h"
#include "io/fd.h"
#include "io/file.h"
#include "kernel/resolve.h"

#define MACHINE_ID_LIMIT 4096
#define TOP_ENTRIES_MAX 4096

static bool exists(int fd, const char *path)
{
	autoclose int found = resolve_open(fd, path, O_PATH);

	return found >= 0;
}

/* ---- directories ---- */

static const struct {
	const char *name;
	size_t offset;
} top_names[] = {
#define TOP(name)                                              \
	{                                                      \
#name, offsetof(struct root_facts, has_##name) \
	}
	TOP(bin), TOP(sbin), TOP(lib),	TOP(lib64), TOP(root), TOP(usr),
	TOP(var), TOP(etc),  TOP(proc), TOP(sys),   TOP(dev),  TOP(run),
#undef TOP
};

struct top_walk {
	struct root_facts *facts;
	size_t seen;
};

static int visit_top(int dir_fd, const char *name, unsigned char type, void *context)
{
	struct top_walk *walk = context;

	(void)dir_fd;
	(void)type;
	for (size_t i = 0; i < ARRAY_SIZE(top_names); i++)
		if (text_equal(name, top_names[i].name))
			*(bool *)((char *)walk->facts + top_names[i].offset) = true;
	return ++walk->seen > TOP_ENTRIES_MAX;
}

/* Listed at once: one call instead of one for each name. A top with absurdly many entries, or one
 * that may be searched but not listed, is asked by name. */
static void gather_top(struct root_facts *facts, int top_fd)
{
	autoclose int fd = openat(top_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct top_walk walk = { .facts = facts };
	struct stat st;

	if (fd >= 0 && dir_walk(fd, visit_top, &walk) == 0)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(top_names); i++)
		*(bool *)((char *)facts + top_names[i].offset) =
			fstatat(top_fd, top_names[i].name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool has_in(struct arena *arena, int top_fd, const char *directory, const char *name)
{
	return exists(top_fd, arena_format(arena, "%s/%s", directory, name));
}

/* Only what a link may have to be made to. */
static void gather_usr(struct arena *arena, struct root_facts *facts, int top_fd,
		       const struct spec *spec, const struct host *host)
{
	bool empty = spec->volatile_mode == VOLATILE_YES;

	facts->usr_bin = (empty || !facts->has_bin) && exists(top_fd, "/usr/bin");
	facts->usr_sbin = (empty || !facts->has_sbin) && exists(top_fd, "/usr/sbin");
	facts->usr_lib = (empty || !facts->has_lib) && exists(top_fd, "/usr/lib");
	if (!host->loader || (!empty && facts->has_lib64))
		return;
	facts->usr_lib64 = exists(top_fd, "/usr/lib64");
	facts->loader_in_lib64 = facts->usr_lib64 &&
				 has_in(arena, top_fd, "/usr/lib64", host->loader);
	facts->has_loader = facts->loader_in_lib64;
	if (!facts->has_loader)
		facts->has_loader = has_in(arena, top_fd, "/usr/lib", host->loader);
}

/* ---- /etc ---- */

static bool is_resolv_conf_asked(enum resolv_conf_mode mode)
{
	return mode == RESOLV_AUTO || (mode >= RESOLV_COPY_HOST && mode <= RESOLV_COPY_STUB);
}

static const char *link_text(struct arena *arena, int directory, const char *name)
{
	char target[1024];
	ssize_t length = readlinkat(directory, name, target, sizeof(target));

	if (length >= 0 && (size_t)length < sizeof(target))
		return arena_text_n(arena, target, (size_t)length);
	return length < 0 && errno == ENOENT ? NULL : "";
}

static const char *zone_of(const char *target)
{
	const char *zone = text_after(target, "/usr/share/zoneinfo/");

	return zone ? zone : text_after(target, "../usr/share/zoneinfo/");
}

static void gather_etc(struct arena *arena, struct root_facts *facts, int top_fd,
		       const struct spec *spec, const struct host *host)
{
	autoclose int etc = -EBADF;
	const char *zone;
	struct stat st;

	if (!is_resolv_conf_asked(spec->resolv_conf) && spec->timezone == TIMEZONE_OFF)
		return;
	etc = resolve_open(top_fd, "/etc", O_PATH | O_DIRECTORY);
	if (etc < 0)
		return;
	if (is_resolv_conf_asked(spec->resolv_conf))
		facts->has_resolv_conf_link = fstatat(etc, "resolv.conf", &st,
						      AT_SYMLINK_NOFOLLOW) == 0 &&
					      S_ISLNK(st.st_mode);
	if (spec->timezone == TIMEZONE_OFF)
		return;
	facts->localtime_target = link_text(arena, etc, "localtime");
	zone = text_empty(host->localtime_target) ? NULL : zone_of(host->localtime_target);
	if (zone && (spec->timezone == TIMEZONE_AUTO || spec->timezone == TIMEZONE_SYMLINK))
		facts->has_localtime_zone = has_in(arena, top_fd, "/usr/share/zoneinfo", zone);
}

/* ---- identity ---- */

/* 0: the tree has one. "uninitialized", an empty or a strange file: it has none yet. */
static int read_machine_id(uint8_t ret[16], int top_fd)
{
	autoclose int fd = -EBADF;
	struct arena scratch = { 0 };
	char *text;
	size_t size;
	int r;

	fd = resolve_open_file(top_fd, "/etc/machine-id");
	if (fd < 0)
		return fd;
	r = file_read_fd(&scratch, &text, &size, fd, MACHINE_ID_LIMIT);
	if (r >= 0) {
		text[strcspn(text, "\n")] = '\0';
		r = parse_id128(ret, text);
	}
	arena_done(&scratch);
	return r < 0 ? r : 0;
}

static int gather_machine_id(struct root_facts *facts, int top_fd, const struct spec *spec)
{
	uint8_t *id = facts->machine_id;

	if (read_machine_id(id, top_fd) == 0)
		return 0;
	if (spec->has_machine_id) {
		memcpy(id, spec->machine_id, sizeof(facts->machine_id));
		return 0;
	}
	if (getrandom(id, sizeof(facts->machine_id), 0) != (ssize_t)sizeof(facts->machine_id))
		return fail(-EIO, "cannot get random numbers");
	id[6] = (uint8_t)((id[6] & 0x0F) | 0x40); /* RFC 9562: version 4, variant 10 */
	id[8] = (uint8_t)((id[8] & 0x3F) | 0x80);
	return 0;
}

int root_facts_gather(struct arena *arena, struct root_facts *facts, int top_fd,
		      const struct spec *spec, const struct host *host)
{
	struct statvfs medium;
	struct stat st;

	if (fstat(top_fd, &st) < 0)
		return fail(-errno, "cannot look at the top of the tree");
	facts->uid = st.st_uid;
	facts->gid = st.st_gid;
	/* What is looked at of a layered image cannot be written to; what the tree will be can. */
	facts->read_only_medium = facts->layers == NULL && fstatvfs(top_fd, &medium) == 0 &&
				  medium.f_flag & ST_RDONLY;
	gather_top(facts, top_fd);
	gather_usr(arena, facts, top_fd, spec, host);
	gather_etc(arena, facts, top_fd, spec, host);
	return gather_machine_id(facts, top_fd, spec);
}

int root_facts_check(int top_fd, const char *path, const struct spec *spec)
{
	struct stat st;

	if (spec->start == START_BOOT) {
		if (spec->no_os_release_check || exists(top_fd, "/etc/os-release") ||
		    exists(top_fd, "/usr/lib/os-release"))
			return 0;
		return fail_plain(-ENOENT,
				  "cannot boot '%s': it has no /etc/os-release and no "
				  "/usr/lib/os-release, so it is no OS tree (leave out "
				  "--boot to run a program in it, or set "
				  "SYSTEMD_NSPAWN_CHECK_OS_RELEASE=0)",
				  path);
	}
	if (fstatat(top_fd, "usr", &st, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	return fail_plain(-ENOENT,
			  "cannot run a container from '%s': it has no /usr, so it is no OS "
			  "tree (is this the right directory?)",
			  path);
}
