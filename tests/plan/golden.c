/* golden - compares plans with what *.case files expect; no privileges, no system call of a plan.
 *
 * A file holds cases, each of sections that begin with "@":
 *
 *   @ARGS      the command line (quotes as in .nspawn files); begins a case
 *   @ENV       NAME=VALUE …
 *   @USER      uid of who starts it (0)
 *   @SETTINGS  lines of a trusted "web.nspawn"
 *   @TREE      what is in the tree: "usr/bin", "etc/localtime->TARGET"; a Debian tree if left out
 *   @HOST      what the host is, besides the plain default: see host_word()
 *   @TAKEN     what was taken, besides what follows from the arguments: see taken_word()
 *   @EXPECT    the plan as --print-plan shows it; "(only steps that mention A, B)" leaves the
 *              others out
 *   @REFUSED   the sentence instead of a plan
 *
 * --update writes the last two anew.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/parse.h"
#include "base/text.h"
#include "format/disk.h"
#include "plan/plan.h"
#include "spec/readers.h"

struct golden_case {
	const char *args, *environment, *user, *settings, *tree, *host, *taken;
	const char *filter; /* words behind "mention ", or NULL */
	const char *expected;
};

struct facts {
	struct host host;
	struct root_facts root;
	struct taken taken;
	struct host_device bound;
};

static const char *const debian_tree =
	"bin->usr/bin lib->usr/lib lib64->usr/lib64 sbin->usr/sbin root usr/bin usr/sbin usr/lib "
	"usr/lib64/ld-linux-x86-64.so.2 var etc proc sys dev run etc/resolv.conf "
	"etc/localtime->/usr/share/zoneinfo/Etc/UTC usr/share/zoneinfo/Europe/Berlin";

static _Noreturn void die(const char *file, const char *why)
{
	fprintf(stderr, "%s: %s\n", file, why);
	exit(2);
}

/* ---- facts ---- */

static bool in_tree(const struct text_list *tree, const char *path)
{
	for (size_t i = 0; i < tree->count; i++) {
		const char *rest = text_after(tree->items[i], path);

		if (rest && (*rest == '\0' || *rest == '/' || text_after(rest, "->")))
			return true;
	}
	return false;
}

static const char *link_in_tree(const struct text_list *tree, const char *path)
{
	for (size_t i = 0; i < tree->count; i++) {
		const char *rest = text_after(tree->items[i], path);
		const char *target = rest ? text_after(rest, "->") : NULL;

		if (target)
			return target;
	}
	return NULL;
}

static void make_root(struct arena *arena, struct root_facts *root,
		      const struct golden_case *golden, const struct host *host,
		      const struct spec *spec)
{
	struct text_list tree = { 0 };
	const char *zone;

	text_split(arena, &tree, golden->tree ? golden->tree : debian_tree, " \n");
	root->path = spec->directory ? spec->directory : spec->image ? spec->image : "/srv/tree";
	root->usr_bin = in_tree(&tree, "usr/bin");
	root->usr_sbin = in_tree(&tree, "usr/sbin");
	root->usr_lib = in_tree(&tree, "usr/lib");
	root->usr_lib64 = in_tree(&tree, "usr/lib64");
	root->loader_in_lib64 = in_tree(&tree, "usr/lib64/ld-linux-x86-64.so.2");
	root->has_loader = root->loader_in_lib64 || in_tree(&tree, "usr/lib/ld-linux-x86-64.so.2");
	root->has_bin = in_tree(&tree, "bin");
	root->has_sbin = in_tree(&tree, "sbin");
	root->has_lib = in_tree(&tree, "lib");
	root->has_lib64 = in_tree(&tree, "lib64");
	root->has_root = in_tree(&tree, "root");
	root->has_usr = in_tree(&tree, "usr");
	root->has_var = in_tree(&tree, "var");
	root->has_etc = in_tree(&tree, "etc");
	root->has_proc = in_tree(&tree, "proc");
	root->has_sys = in_tree(&tree, "sys");
	root->has_dev = in_tree(&tree, "dev");
	root->has_run = in_tree(&tree, "run");
	root->has_resolv_conf_link = link_in_tree(&tree, "etc/resolv.conf");
	root->localtime_target = link_in_tree(&tree, "etc/localtime");
	if (!root->localtime_target && in_tree(&tree, "etc/localtime"))
		root->localtime_target = "";
	zone = host->localtime_target ? strstr(host->localtime_target, "zoneinfo/") : NULL;
	root->has_localtime_zone = zone &&
				   in_tree(&tree, arena_format(arena, "usr/share/%s", zone));
	root->program = spec->start == START_BOOT ? "/usr/lib/systemd/systemd" : NULL;
	for (size_t i = 0; i < sizeof(root->machine_id); i++)
		root->machine_id[i] = spec->has_machine_id ? spec->machine_id[i]
							   : (uint8_t)(i * 0x11);
}

static void host_word(struct facts *facts, const char *word, const char *file)
{
	struct host *host = &facts->host;
	unsigned major_number, minor_number;
	static char path[64];

	if (text_equal(word, "selinux"))
		host->selinux = true;
	else if (text_equal(word, "fuse"))
		host->has_fuse = true;
	else if (text_equal(word, "tun"))
		host->has_tun = true;
	else if (text_equal(word, "stub"))
		host->resolved_stub = true;
	else if (text_equal(word, "no-resolv-conf"))
		host->has_resolv_conf = false;
	else if (text_equal(word, "no-os-release"))
		host->os_release = NULL;
	else if (text_equal(word, "no-localtime"))
		host->localtime_target = NULL;
	else if (text_equal(word, "localtime"))
		host->localtime_target = "";
	else if (text_after(word, "localtime->"))
		host->localtime_target = text_after(word, "localtime->");
	else if (text_equal(word, "journal"))
		host->journal_exists = true;
	else if (text_equal(word, "journal-of-machine"))
		host->journal_exists = true, host->journal_machine = "/var/log/journal/ID";
	else if (text_equal(word, "no-pasta"))
		host->pasta = NULL;
	else if (text_equal(word, "cgroup2"))
		host->cgroup2_mount = "/sys/fs/cgroup";
	else if (text_equal(word, "networkd"))
		host->networkd = true;
	else if (sscanf(word, "block:%u:%u:%63s", &major_number, &minor_number, path) == 3) {
		facts->bound = (struct host_device){ path, S_IFBLK | 0660,
						     makedev(major_number, minor_number) };
		host->bound_devices = &facts->bound;
		host->bound_devices_count = 1;
	} else
		die(file, word);
}

static void make_host(struct arena *arena, struct facts *facts, const struct golden_case *golden,
		      const char *file)
{
	struct text_list words = { 0 };

	facts->host = (struct host){
		.devices = {
			{ "/dev/null", 0666, makedev(1, 3) },
			{ "/dev/zero", 0666, makedev(1, 5) },
			{ "/dev/full", 0666, makedev(1, 7) },
			{ "/dev/random", 0666, makedev(1, 8) },
			{ "/dev/urandom", 0666, makedev(1, 9) },
			{ "/dev/tty", 0666, makedev(5, 0) },
		},
		.os_release = "/etc/os-release",
		.localtime_target = "/usr/share/zoneinfo/Europe/Berlin",
		.has_resolv_conf = true,
		.loader = "ld-linux-x86-64.so.2",
		.nproc = { .set = true, .value = { 127000, 127000 } },
		.sigpending = { .set = true, .value = { 127000, 127000 } },
		.nr_open = 1048576,
		.pasta = "/usr/bin/pasta",
	};
	text_split(arena, &words, golden->host ? golden->host : "", " \n");
	for (size_t i = 0; i < words.count; i++)
		host_word(facts, words.items[i], file);
}

/* "GUEST,HOST", and the same of IPv6. */
static void pool_word(struct arena *arena, struct pooled *pooled, const char *words,
		      const char *file)
{
	struct text_list list = { 0 };

	text_split(arena, &list, words, ",");
	if (list.count != 2 && list.count != 4)
		die(file, words);
	pooled->taken = true;
	pooled->count = list.count / 2;
	for (size_t i = 0; i < list.count; i++)
		if (ip_parse_prefix(i % 2 ? &pooled->host[i / 2] : &pooled->guest[i / 2],
				    list.items[i]) < 0)
			die(file, list.items[i]);
}

static void further_word(struct arena *arena, struct pooled *pooled, const char *words,
			 const char *file)
{
	struct pooled own = { 0 };
	struct pooled_link *link = list_grow(arena, (void **)&pooled->further,
					     &pooled->further_count, sizeof(*link));

	pool_word(arena, &own, words, file);
	memcpy(link->guest, own.guest, sizeof(link->guest));
	memcpy(link->host, own.host, sizeof(link->host));
	link->count = own.count;
}

/* Two layers, and a directory for changes in PATH. */
static void layered(struct arena *arena, struct root_facts *root, const char *path)
{
	struct text_list *layers = arena_new(arena, struct text_list);

	text_list_add(arena, layers, arena_text(arena, "/srv/layer-a"));
	text_list_add(arena, layers, arena_text(arena, "/srv/layer-b"));
	root->layers = layers;
	root->changes = path ? arena_format(arena, "%s/rw", path) : NULL;
}

/* A disk image with a root, and what WORDS name: "usr,home". */
static void imaged(struct arena *arena, struct root_facts *root, const char *words,
		   const char *file)
{
	struct disk *disk = arena_new(arena, struct disk);
	struct text_list list = { 0 };

	*disk = (struct disk){ 0 };
	disk->parts[DISK_ROOT] = (struct disk_part){ SUPERBLOCK_EXT4, false, 1 << 20, 1 << 29 };
	text_split(arena, &list, words, ",");
	for (size_t i = 0; i < list.count; i++) {
		unsigned int role = 0;

		while (role < DISK_ROLES && !text_equal(disk_role_name(role), list.items[i]))
			role++;
		if (role == DISK_ROLES)
			die(file, list.items[i]);
		disk->parts[role] = (struct disk_part){ SUPERBLOCK_EROFS, true,
							(role + 1) * (UINT64_C(1) << 30), 4096 };
	}
	root->disk = disk;
}

static void taken_word(struct arena *arena, struct facts *facts, const struct spec *spec,
		       const char *word, const char *file)
{
	static const struct {
		const char *word;
		enum userns_rung rung;
	} rungs[] = {
		{ "none", RUNG_NONE },	     { "idmapped", RUNG_IDMAPPED },
		{ "shifted", RUNG_SHIFTED }, { "subordinate", RUNG_SUBORDINATE },
		{ "single", RUNG_SINGLE },
	};
	struct taken *taken = &facts->taken;

	for (size_t i = 0; i < ARRAY_SIZE(rungs); i++) {
		if (text_equal(word, rungs[i].word)) {
			taken->userns = rungs[i].rung;
			return;
		}
	}
	if (text_after(word, "further="))
		further_word(arena, &taken->pooled, text_after(word, "further="), file);
	else if (text_after(word, "pool="))
		pool_word(arena, &taken->pooled, text_after(word, "pool="), file);
	else if (text_equal(word, "no-cgroup"))
		taken->cgroup = CGROUP_NONE, taken->cgroup_path = NULL;
	else if (text_equal(word, "unit"))
		taken->cgroup = CGROUP_UNIT;
	else if (text_equal(word, "chown"))
		taken->ownership_chown = true;
	else if (text_equal(word, "gid5"))
		taken->subordinate_gid5 = true;
	else if (text_equal(word, "masked-proc"))
		taken->nested_proc_masked = true;
	else if (text_equal(word, "read-only-medium"))
		facts->root.read_only_medium = true;
	else if (text_equal(word, "btrfs") || text_equal(word, "reflink"))
		facts->root.snapshot_rung = word,
		facts->root.path = spec->template ? spec->directory : "/srv/.#snapshot.tree0123";
	else if (text_after(word, "disk="))
		imaged(arena, &facts->root, text_after(word, "disk="), file);
	else if (text_equal(word, "served"))
		facts->root.disk_served = true;
	else if (text_equal(word, "layers"))
		layered(arena, &facts->root, facts->root.path);
	else if (text_equal(word, "layers-only"))
		layered(arena, &facts->root, NULL);
	else if (text_equal(word, "overlay"))
		facts->root.snapshot_rung = word,
		facts->root.ephemeral_upper = "/srv/.#snapshot.tree0123";
	else
		die(file, word);
}

static void make_taken(struct arena *arena, struct facts *facts, const struct golden_case *golden,
		       const struct spec *spec, unsigned uid, const char *file)
{
	struct taken *taken = &facts->taken;
	struct text_list words = { 0 };
	bool numbered = spec->userns == USERNS_FIXED;

	*taken = (struct taken){
		.userns = spec->userns == USERNS_NO ? RUNG_NONE
			  : uid != 0		    ? RUNG_SUBORDINATE
			  : numbered		    ? RUNG_SHIFTED
						    : RUNG_IDMAPPED,
		.cgroup = CGROUP_OWN,
		.base = numbered ? spec->uid_base : 524288,
		.range = numbered ? spec->uid_range : 65536,
		.cgroup_path = "/redd/tree/payload",
		.network_shared = !spec_has_private_network(spec) || spec->network_namespace_path,
	};
	for (size_t i = 0; i < sizeof(taken->boot_id); i++)
		taken->boot_id[i] = 0xb0;
	if (taken->userns == RUNG_NONE)
		taken->base = taken->range = 0;
	text_split(arena, &words, golden->taken ? golden->taken : "", " \n");
	for (size_t i = 0; i < words.count; i++)
		taken_word(arena, facts, spec, words.items[i], file);
	taken->ownership_map = taken->userns == RUNG_IDMAPPED;
}

/* ---- from a command line to a plan ---- */

static int make_spec(struct arena *arena, struct spec *spec, const struct golden_case *golden,
		     unsigned uid)
{
	struct text_list words = { 0 }, rest = { 0 }, environment = { 0 };
	const struct setting *words_of;
	struct reader_facts facts = { .working_directory = "/srv", .uid = uid };
	struct resolve_facts resolve_facts = {
		.uid = uid,
		.stdin_is_terminal = true,
		.stdout_is_terminal = true,
		.host_name = "host",
		.working_directory = "/srv",
	};
	int r;

	r = text_split_quoted(arena, &rest, golden->args);
	if (r < 0)
		return fail_input("the arguments cannot be split");
	text_list_add(arena, &words, arena_text(arena, "systemd-nspawn"));
	for (size_t i = 0; i < rest.count; i++)
		text_list_add(arena, &words, rest.items[i]);
	text_split(arena, &environment, golden->environment ? golden->environment : "", "\n");
	facts.environment = (const char *const *)environment.items;
	spec_init(spec);
	r = args_parse(arena, spec, &facts, (int)words.count, words.items, &words_of);
	if (r >= 0)
		r = environment_parse(arena, spec, &facts);
	if (r >= 0)
		r = spec_resolve_name(arena, spec, &resolve_facts);
	if (r >= 0 && golden->settings)
		r = nspawn_file_parse(arena, spec, &facts, golden->settings,
				      strlen(golden->settings), "/etc/systemd/nspawn/web.nspawn",
				      true);
	if (r >= 0)
		r = spec_resolve(arena, spec, &resolve_facts);
	return r;
}

static bool mentions(struct arena *arena, const char *filter, const char *line)
{
	const char *rest = filter;

	while (*rest) {
		size_t length = strcspn(rest, ",)");

		if (length > 0 && strstr(line, arena_text_n(arena, rest, length)))
			return true;
		rest += length + strspn(rest + length, ",) ");
	}
	return false;
}

static char *print_some(struct arena *arena, const struct plan *plan, const char *filter)
{
	struct plan some = { .steps = arena_take_array(arena, plan->count, sizeof(struct step)) };

	for (size_t i = 0; i < plan->count; i++) {
		struct plan one = { .steps = &plan->steps[i], .count = 1 };

		if (!filter || mentions(arena, filter, plan_print(arena, &one, false)))
			some.steps[some.count++] = plan->steps[i];
	}
	return plan_print(arena, &some, false);
}

/* The text of @EXPECT, or "@REFUSED …\n". */
static char *build(struct arena *arena, const struct golden_case *golden, const char *file)
{
	struct spec *spec = arena_new(arena, struct spec);
	struct facts facts = { 0 };
	struct plan plan;
	uint32_t uid = 0;
	int r;

	if (golden->user && parse_u32(&uid, golden->user) < 0)
		die(file, "@USER is no number");
	fail_forget();
	r = make_spec(arena, spec, golden, uid);
	if (r >= 0) {
		make_host(arena, &facts, golden, file);
		facts.host.uid = uid;
		make_root(arena, &facts.root, golden, &facts.host, spec);
		make_taken(arena, &facts, golden, spec, uid, file);
		r = plan_build(arena, &plan, spec, &facts.host, &facts.root, &facts.taken);
	}
	if (r < 0)
		return arena_format(arena, "@REFUSED %s\n", fail_recorded()->text);
	return print_some(arena, &plan, golden->filter);
}

/* ---- files ---- */

static char *read_file(struct arena *arena, const char *path)
{
	FILE *file = fopen(path, "re");
	char *text = arena_take(arena, 256 * 1024);
	size_t size;

	if (!file)
		die(path, strerror(errno));
	size = fread(text, 1, 256 * 1024 - 1, file);
	text[size] = '\0';
	fclose(file);
	return text;
}

struct reader {
	struct arena *arena;
	const char *path;
	const char *rest;
	char *updated; /* the file with what is built now */
	size_t cases, failed;
	bool updating;
};

/* The next section: its name, the rest of its line, and the lines below it. */
static bool next_section(struct reader *reader, const char **ret_name, const char **ret_text)
{
	const char *start = reader->rest, *end = start, *space;

	if (*start != '@')
		return false;
	do {
		end += strcspn(end, "\n");
		end += *end == '\n';
	} while (*end && *end != '@');
	space = start + strcspn(start, " \n");
	*ret_name = arena_text_n(reader->arena, start, (size_t)(space - start));
	*ret_text = arena_text_n(reader->arena, space, (size_t)(end - space));
	reader->rest = end;
	return true;
}

static const char *trimmed(struct arena *arena, const char *text)
{
	size_t length;

	text += strspn(text, " \t\n");
	length = strlen(text);
	while (length > 0 && strchr(" \t\n", text[length - 1]))
		length--;
	return arena_text_n(arena, text, length);
}

static void compare(struct reader *reader, const struct golden_case *golden, const char *heading,
		    const char *expected)
{
	const char *is = build(reader->arena, golden, reader->path);
	bool refused = text_after(is, "@REFUSED");
	const char *section = refused ? is : arena_format(reader->arena, "%s\n%s", heading, is);

	reader->cases++;
	reader->updated = arena_format(reader->arena, "%s%s\n", reader->updated, section);
	if (text_equal(trimmed(reader->arena, section), trimmed(reader->arena, expected)))
		return;
	reader->failed++;
	if (reader->updating)
		return;
	printf("%s: the plan of '%s' is not as expected\n--- expected\n%s\n--- is\n%s\n",
	       reader->path, golden->args, expected, section);
}

static void take_section(struct reader *reader, struct golden_case *golden, const char *name,
			 const char *text)
{
	const char *value = trimmed(reader->arena, text);
	const struct {
		const char *name;
		const char **field;
	} sections[] = {
		{ "@ENV", &golden->environment },   { "@USER", &golden->user },
		{ "@SETTINGS", &golden->settings }, { "@TREE", &golden->tree },
		{ "@HOST", &golden->host },	    { "@TAKEN", &golden->taken },
	};

	for (size_t i = 0; i < ARRAY_SIZE(sections); i++) {
		if (text_equal(name, sections[i].name)) {
			*sections[i].field = value;
			return;
		}
	}
	die(reader->path, name);
}

static void run_file(struct reader *reader)
{
	struct golden_case golden = { 0 };
	const char *name, *text;

	while (next_section(reader, &name, &text)) {
		const char *whole = arena_format(reader->arena, "%s%s", name, text);

		if (text_equal(name, "@EXPECT")) {
			const char *heading = arena_text_n(reader->arena, whole,
							   strcspn(whole, "\n"));

			golden.filter = strstr(heading, "mention ");
			golden.filter = golden.filter ? golden.filter + strlen("mention ") : NULL;
			compare(reader, &golden, heading, whole);
			continue;
		}
		if (text_equal(name, "@REFUSED")) {
			golden.filter = NULL;
			compare(reader, &golden, "@EXPECT", whole);
			continue;
		}
		if (text_equal(name, "@ARGS"))
			golden = (struct golden_case){ .args = trimmed(reader->arena, text) };
		else
			take_section(reader, &golden, name, text);
		reader->updated = arena_format(reader->arena, "%s%s", reader->updated, whole);
	}
	if (*reader->rest)
		die(reader->path, "what is not in a section");
}

static void update(const struct reader *reader)
{
	FILE *file = fopen(reader->path, "we");

	if (!file)
		die(reader->path, strerror(errno));
	fputs(reader->updated, file);
	fclose(file);
}

int main(int argc, char **argv)
{
	bool updating = argc > 1 && strcmp(argv[1], "--update") == 0;
	size_t cases = 0, failed = 0;

	for (int i = updating ? 2 : 1; i < argc; i++) {
		autoarena struct arena arena = { 0 };
		struct reader reader = { .arena = &arena, .path = argv[i], .updating = updating };

		reader.updated = arena_text(&arena, "");
		reader.rest = read_file(&arena, argv[i]);
		/* What stands before the first case says what the file is about. */
		while (*reader.rest && *reader.rest != '@') {
			size_t line = strcspn(reader.rest, "\n") + 1;

			reader.updated = arena_format(&arena, "%s%.*s", reader.updated, (int)line,
						      reader.rest);
			reader.rest += line;
		}
		run_file(&reader);
		cases += reader.cases;
		failed += reader.failed;
		if (updating)
			update(&reader);
	}
	printf("%zu cases, %zu failed\n", cases, failed);
	return failed > 0 && !updating;
}
