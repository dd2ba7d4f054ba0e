#include "declare/import-lxc.h"

#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/macros.h"
#include "base/parse.h"
#include "base/path.h"
#include "base/text.h"
#include "declare/import-words.h"
#include "declare/lxc.h"

typedef void take_fn(struct lxc *lxc, struct import_at at, const char *value);

static void read_text(struct lxc *lxc, const char *path, const char *text, size_t size);

/* ---- what runs ---- */

static void take_name(struct lxc *lxc, struct import_at at, const char *value)
{
	lxc->name = value;
	lxc->named_at = at;
}

static void take_init(struct lxc *lxc, struct import_at at, const char *value)
{
	struct text_list words = { 0 };

	if (text_equal(value, "/sbin/init"))
		return;
	text_split(lxc->import->arena, &words, value, " \t");
	lxc->has_init = true;
	import_set(lxc->import, lxc->machine, at, "Exec", "Boot", "no");
	import_set(lxc->import, lxc->machine, at, "Exec", "Parameters",
		   import_words(lxc->import->arena, &words, 0));
}

static void take_architecture(struct lxc *lxc, struct import_at at, const char *value)
{
	static const char *const narrow[] = { "i386", "i486", "i586", "i686", "x86", "linux32" };

	for (size_t i = 0; i < ARRAY_SIZE(narrow); i++)
		if (text_equal(value, narrow[i]))
			import_set(lxc->import, lxc->machine, at, "Exec", "Personality", "x86");
}

static void take_environment(struct lxc *lxc, struct import_at at, const char *value)
{
	if (strchr(value, '='))
		import_environment(lxc->import, &lxc->environment, at, value);
	else
		import_note(lxc->import, lxc->machine, at,
			    "variables of who starts it are not passed on");
}

/* ---- users and rights ---- */

/* "u 0 100000 65536": one range from 0 on, for users and groups alike. */
static void take_idmap(struct lxc *lxc, struct import_at at, const char *value)
{
	struct text_list words = { 0 };
	const char *range;
	uint32_t first, count;

	text_split(lxc->import->arena, &words, value, " \t");
	if (words.count != 4 || parse_u32(&first, words.items[2]) < 0 ||
	    parse_u32(&count, words.items[3]) < 0) {
		import_refuse(lxc->import, at, "this is not 'u INSIDE OUTSIDE COUNT'");
		return;
	}
	range = arena_format(lxc->import->arena, "%u:%u", first, count);
	if (text_equal(words.items[1], "0") && !lxc->users) {
		lxc->users = range;
		lxc->idmap_at = at;
	} else if (!text_equal(words.items[1], "0") || !text_equal(range, lxc->users)) {
		import_note(lxc->import, lxc->machine, at,
			    "one range is mapped, for users and groups alike: the first");
	}
}

static void take_drop(struct lxc *lxc, struct import_at at, const char *value)
{
	if (!*value)
		lxc->drop = (struct text_list){ 0 };
	lxc->drop_at = at;
	import_split(lxc->import->arena, &lxc->drop, value, " \t");
}

static void take_keep(struct lxc *lxc, struct import_at at, const char *value)
{
	lxc->drop_at = at;
	import_split(lxc->import->arena, &lxc->keep, value, " \t");
}

static void take_no_new_privileges(struct lxc *lxc, struct import_at at, const char *value)
{
	if (text_equal(value, "1"))
		import_set(lxc->import, lxc->machine, at, "Exec", "NoNewPrivileges", "yes");
}

/* ---- files ---- */

static void take_root(struct lxc *lxc, struct import_at at, const char *value)
{
	static const char *const kinds[] = { "dir:", "btrfs:", "zfs:" };
	const char *path = value;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (text_after(value, kinds[i]))
			path = text_after(value, kinds[i]);
	if (path_is_absolute(path))
		lxc->root = path;
	else
		import_note(
			lxc->import, lxc->machine, at,
			"'%.80s' is no directory: copy its tree to the place that Source= names",
			text_printable(lxc->import->arena, value));
}

static bool has_option(const struct text_list *options, const char *name)
{
	return text_list_has(options, name);
}

static void take_tmpfs(struct lxc *lxc, struct import_at at, const char *place,
		       const struct text_list *options)
{
	static const char *const kept[] = { "size=", "mode=", "nr_inodes=" };
	char *text = arena_text(lxc->import->arena, place);
	bool first = true;

	for (size_t i = 0; i < options->count; i++)
		for (size_t n = 0; n < ARRAY_SIZE(kept); n++) {
			if (!text_after(options->items[i], kept[n]))
				continue;
			text = arena_format(lxc->import->arena, "%s%s%s", text, first ? ":" : ",",
					    options->items[i]);
			first = false;
		}
	import_tmpfs(lxc->import, lxc->machine, at, text);
}

void lxc_mount(struct lxc *lxc, struct import_at at, const char *value)
{
	struct arena *arena = lxc->import->arena;
	struct text_list words = { 0 }, options = { 0 };
	const char *place;

	text_split(arena, &words, value, " \t");
	if (words.count < 3) {
		import_refuse(lxc->import, at, "this is not 'SOURCE PLACE TYPE OPTIONS'");
		return;
	}
	if (words.count > 3)
		text_split(arena, &options, words.items[3], ",");
	place = words.items[1];
	if (lxc->root && path_is_below(place, lxc->root))
		place += strlen(lxc->root);
	place = path_simplify(arena, path_join(arena, "/", place));
	if (has_option(&options, "bind") || has_option(&options, "rbind"))
		import_bind(lxc->import, lxc->machine, at, words.items[0], place,
			    has_option(&options, "ro"));
	else if (text_equal(words.items[2], "tmpfs"))
		take_tmpfs(lxc, at, place, &options);
	else
		import_note(lxc->import, lxc->machine, at,
			    "file systems of the type '%.20s' are mounted inside of the machine",
			    text_printable(arena, words.items[2]));
}

/* A file that this one names; what cannot be read is noted. */
static bool read_other(struct lxc *lxc, struct import_at at, const char *path, char **ret,
		       size_t *ret_size)
{
	struct import *import = lxc->import;
	int r = import->read
			? import->read(import->read_context, import->arena, path, ret, ret_size)
			: -ENOENT;

	if (r < 0)
		import_note(import, lxc->machine, at, "cannot read '%.200s': %s",
			    text_printable(import->arena, path), strerror(-r));
	return r >= 0;
}

static void take_fstab(struct lxc *lxc, struct import_at at, const char *value)
{
	struct text_list lines = { 0 };
	char *text;
	size_t size;

	if (!read_other(lxc, at, value, &text, &size))
		return;
	text_split(lxc->import->arena, &lines, text, "\n");
	for (size_t i = 0; i < lines.count && i < IMPORT_LXC_LINES_MAX; i++)
		if (lines.items[i][strspn(lines.items[i], " \t")] != '#')
			lxc_mount(lxc, at, lines.items[i]);
}

static void take_include(struct lxc *lxc, struct import_at at, const char *value)
{
	char *text;
	size_t size;

	/* What LXC ships says what every container has, by itself, here. */
	if (path_is_below(value, "/usr/share/lxc/config"))
		return;
	if (lxc->depth >= IMPORT_LXC_INCLUDES_MAX) {
		import_refuse(lxc->import, at, "files include each other too deeply");
		return;
	}
	if (!read_other(lxc, at, value, &text, &size))
		return;
	lxc->depth++;
	read_text(lxc, value, text, size);
	lxc->depth--;
}

/* ---- limits ---- */

static void take_cpu_max(struct lxc *lxc, struct import_at at, const char *value)
{
	struct text_list words = { 0 };
	uint32_t quota, period = 100000;

	text_split(lxc->import->arena, &words, value, " \t");
	if (words.count > 0 && text_equal(words.items[0], "max"))
		return;
	if (words.count < 1 || words.count > 2 || parse_u32(&quota, words.items[0]) < 0 ||
	    (words.count == 2 && parse_u32(&period, words.items[1]) < 0) || period == 0)
		import_refuse(lxc->import, at, "this is not 'QUOTA PERIOD'");
	else
		import_setf(lxc->import, lxc->machine, at, "X-Service", "CPUQuota", "%llu%%",
			    (unsigned long long)quota * 100 / period);
}

static void take_device(struct lxc *lxc, struct import_at at, const char *value)
{
	static const struct {
		const char *numbers, *path;
	} known[] = {
		{ "c 10:200 ", "/dev/net/tun" },
		{ "c 10:229 ", "/dev/fuse" },
		{ "c 10:232 ", "/dev/kvm" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		const char *rights = text_after(value, known[i].numbers);

		if (!rights)
			continue;
		import_setf(lxc->import, lxc->machine, at, "X-Service", "DeviceAllow", "%s %s",
			    known[i].path, rights);
		return;
	}
	import_note(lxc->import, lxc->machine, at,
		    "devices are allowed by their paths: name it by DeviceAllow= and Bind=");
}

static void take_cgroup(struct lxc *lxc, struct import_at at, const char *key, const char *value)
{
	static const struct {
		const char *file, *key;
		bool size;
	} files[] = {
		{ "memory.max", "MemoryMax", true },
		{ "memory.limit_in_bytes", "MemoryMax", true },
		{ "memory.high", "MemoryHigh", true },
		{ "memory.swap.max", "MemorySwapMax", true },
		{ "cpu.weight", "CPUWeight", false },
		{ "cpuset.cpus", "AllowedCPUs", false },
		{ "pids.max", "TasksMax", false },
		{ "io.weight", "IOWeight", false },
	};

	if (text_equal(value, "max") || text_equal(key, "devices.deny"))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		if (!text_equal(key, files[i].file))
			continue;
		if (files[i].size)
			import_set_size(lxc->import, lxc->machine, at, files[i].key, value);
		else
			import_set(lxc->import, lxc->machine, at, "X-Service", files[i].key, value);
		return;
	}
	if (text_equal(key, "cpu.max"))
		take_cpu_max(lxc, at, value);
	else if (text_equal(key, "cpu.shares"))
		import_cpu_shares(lxc->import, lxc->machine, at, value);
	else if (text_equal(key, "devices.allow"))
		take_device(lxc, at, value);
	else
		import_note(lxc->import, lxc->machine, at, "there is no setting for it");
}

static void take_limit(struct lxc *lxc, struct import_at at, const char *name, const char *value)
{
	struct arena *arena = lxc->import->arena;
	struct text_list halves = { 0 };

	text_split(arena, &halves, value, ":");
	for (size_t i = 0; i < halves.count; i++)
		if (text_equal(halves.items[i], "unlimited"))
			halves.items[i] = arena_text(arena, "-1");
	import_ulimit(lxc->import, lxc->machine, at, name,
		      halves.count == 2
			      ? arena_format(arena, "%s:%s", halves.items[0], halves.items[1])
		      : halves.count == 1 ? halves.items[0]
					  : "");
}

/* ---- service ---- */

static void take_auto(struct lxc *lxc, struct import_at at, const char *value)
{
	if (text_equal(value, "1"))
		import_set(lxc->import, lxc->machine, at, "X-Install", "WantedBy",
			   "machines.target");
}

static void take_ephemeral(struct lxc *lxc, struct import_at at, const char *value)
{
	if (text_equal(value, "1"))
		import_set(lxc->import, lxc->machine, at, "Exec", "Ephemeral", "yes");
}

/* ---- keys ---- */

static const struct {
	const char *key;
	take_fn *take;
} rows[] = {
	{ "uts.name", take_name },
	{ "rootfs.path", take_root },
	{ "init.cmd", take_init },
	{ "arch", take_architecture },
	{ "environment", take_environment },
	{ "idmap", take_idmap },
	{ "cap.drop", take_drop },
	{ "cap.keep", take_keep },
	{ "no_new_privs", take_no_new_privileges },
	{ "mount.entry", lxc_mount },
	{ "mount.fstab", take_fstab },
	{ "mount", take_fstab },
	{ "include", take_include },
	{ "start.auto", take_auto },
	{ "ephemeral", take_ephemeral },
};

static const struct {
	const char *key, *section, *name;
} plain_keys[] = {
	{ "init.uid", "Exec", "User" },
	{ "init.cwd", "Exec", "WorkingDirectory" },
	{ "signal.halt", "Exec", "KillSignal" },
};

/* What a container has without a word, and what says nothing here. */
static const char *const silent_keys[] = {
	"mount.auto",	"autodev",	"tty.",	      "pty.",	  "console.",
	"log.",		"group",	"signal.",    "monitor.", "execute.cmd",
	"rootfs.mount", "hook.version", "cgroup.dir",
};

static const struct {
	const char *key, *why;
} reasons[] = {
	{ "hook.", "programs of the host are not run around a machine" },
	{ "apparmor.", "Redd's own confinement stays" },
	{ "selinux.", "Redd's own confinement stays" },
	{ "seccomp.", "the filter is Redd's: SystemCallFilter= changes it" },
	{ "start.", "the order is that of [X-Unit] After=" },
	{ "sysctl.", "write them into the machine's own /etc/sysctl.d, or on the host" },
};

static bool is_old(const char *key)
{
	return text_equal(key, "utsname") || text_equal(key, "rootfs") ||
	       text_after(key, "network.") || text_equal(key, "id_map") ||
	       text_equal(key, "aa_profile");
}

static bool take_row(struct lxc *lxc, struct import_at at, const char *key, const char *value)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (text_equal(key, rows[i].key)) {
			rows[i].take(lxc, at, value);
			return true;
		}
	for (size_t i = 0; i < ARRAY_SIZE(plain_keys); i++)
		if (text_equal(key, plain_keys[i].key)) {
			import_set(lxc->import, lxc->machine, at, plain_keys[i].section,
				   plain_keys[i].name, value);
			return true;
		}
	return false;
}

static void take_key(struct lxc *lxc, struct import_at at, const char *key, const char *value)
{
	const char *rest = text_after(key, "cgroup2.");

	if (take_row(lxc, at, key, value) || lxc_network_key(lxc, at, key, value))
		return;
	rest = rest ? rest : text_after(key, "cgroup.");
	if (rest && !text_after(rest, "dir")) {
		take_cgroup(lxc, at, rest, value);
		return;
	}
	rest = text_after(key, "prlimit.");
	if (rest) {
		take_limit(lxc, at, rest, value);
		return;
	}
	if (is_old(key)) {
		import_refuse(lxc->import, at,
			      "this is a key of LXC 2: run lxc-update-config on the file first");
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(silent_keys); i++)
		if (text_after(key, silent_keys[i]))
			return;
	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++)
		if (text_after(key, reasons[i].key)) {
			import_note(lxc->import, lxc->machine, at, "%s", reasons[i].why);
			return;
		}
	import_note(lxc->import, lxc->machine, at, "there is no setting for it");
}

/* ---- lines ---- */

static char *trimmed(struct arena *arena, const char *text, size_t length)
{
	while (length > 0 && strchr(" \t\r", *text))
		text++, length--;
	while (length > 0 && strchr(" \t\r", text[length - 1]))
		length--;
	return arena_text_n(arena, text, length);
}

static void take_line(struct lxc *lxc, const char *path, unsigned int number, const char *line)
{
	struct arena *arena = lxc->import->arena;
	size_t length = strcspn(line, "=:");
	struct import_at at = { path, number, trimmed(arena, line, length) };
	const char *key = text_after(at.key, "lxc."), *value;

	if (*at.key == '\0' && line[length] == '\0')
		return;
	if (line[length] == '\0' || *at.key == '\0') {
		import_refuse(lxc->import, at, "this is not 'KEY = VALUE'");
		return;
	}
	value = trimmed(arena, line + length + 1, strlen(line + length + 1));
	if (key) {
		take_key(lxc, at, key, value);
	} else if (line[length] == ':') {
		lxc->proxmox = true;
		lxc_proxmox_key(lxc, at, at.key, value);
	} else {
		import_refuse(lxc->import, at, "this is no key of LXC's");
	}
}

/* Snapshots stand behind a heading. */
static void read_text(struct lxc *lxc, const char *path, const char *text, size_t size)
{
	const char *end = text + size;
	unsigned int number = 0;

	while (text < end && lxc->import->status >= 0) {
		size_t length = strcspn(text, "\n");
		char *line = trimmed(lxc->import->arena, text, length);

		number++;
		if (++lxc->lines > IMPORT_LXC_LINES_MAX)
			import_refuse(lxc->import, (struct import_at){ path, number, "lxc" },
				      "there are too many lines");
		else if (*line == '[')
			return;
		else if (*line != '#')
			take_line(lxc, path, number, line);
		text += length + 1;
	}
}

/* What can be said only when all was read. */
static void finish(struct lxc *lxc, struct import_at at)
{
	struct import *import = lxc->import;
	struct text_list all = { 0 };

	if (!lxc->has_init)
		import_set(import, lxc->machine, at, "Exec", "Boot", "yes");
	import_set(import, lxc->machine, lxc->users && lxc->idmap_at.file ? lxc->idmap_at : at,
		   "Exec", "PrivateUsers", lxc->users ? lxc->users : "no");
	import_set(import, lxc->machine, lxc->named_at, "Exec", "Hostname",
		   lxc->name ? lxc->name : lxc->machine->name);
	import_environment_set(import, lxc->machine, at, &lxc->environment);
	text_list_add(import->arena, &all, arena_text(import->arena, "ALL"));
	if (lxc->keep.count > 0)
		import_capabilities(import, lxc->machine, lxc->drop_at, &lxc->keep, &all);
	else if (lxc->drop.count > 0)
		import_capabilities(import, lxc->machine, lxc->drop_at, &lxc->keep, &lxc->drop);
	lxc_network(lxc);
	import_setf(import, lxc->machine, at, "X-Image", "Source", "dir:%s",
		    lxc->root ? lxc->root
			      : arena_format(import->arena, "/var/lib/machines/%s",
					     lxc->machine->name));
	import_set(import, lxc->machine, at, "X-Image", "Root", "direct");
}

/* ".../NAME/config" or ".../100.conf". */
static const char *name_of(struct import *import, const char *path)
{
	const char *name = path_name(path);

	if (text_equal(name, "config"))
		return path_name(path_parent(import->arena, path));
	return text_ends(name, ".conf") ? arena_text_n(import->arena, name, strlen(name) - 5)
					: name;
}

void import_lxc(struct import *import, const char *path, const char *text, size_t size)
{
	struct import_at at = { path, 1, "lxc" };
	struct lxc lxc = { .import = import, .named_at = at };
	struct import_machine machine = { .name = "?" };

	if (strlen(text) != size) {
		import_refuse(import, at, "there is a NUL character");
		return;
	}
	/* Its name is known only at the end. */
	lxc.machine = &machine;
	read_text(&lxc, path, text, size);
	if (import->status < 0)
		return;
	lxc.machine = import_add(import, lxc.named_at, lxc.name ? lxc.name : name_of(import, path),
				 path_name(path));
	if (!lxc.machine)
		return;
	lxc.machine->lines = machine.lines;
	lxc.machine->count = machine.count;
	lxc.machine->persist = machine.persist;
	lxc.machine->size = machine.size;
	for (size_t i = 0; i < import->note_count; i++)
		if (import->notes[i].machine == machine.name)
			import->notes[i].machine = lxc.machine->name;
	finish(&lxc, at);
}
