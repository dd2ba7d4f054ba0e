/* transcript [--update] FILE... - command lines and what becomes of them, as text.
 *
 * A case is a block of lines, blocks are separated by empty lines:
 *   # a comment
 *   @uid 1000              the caller (0 when not given)
 *   @environment NAME=VALUE
 *   @terminal              standard input and output are terminals
 *   @file trusted|untrusted    a settings file; its lines follow, each behind a "|"
 *   $ ARGUMENTS            as a shell reads them, quotes but no more
 * and below that what is expected: warnings, then the sentence of the refusal or what was
 * asked for and the resolved essentials. With --update the expectations are written anew. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/text.h"
#include "spec/print.h"
#include "spec/readers.h"
#include "spec/settings.h"

#define SETTINGS_FILE "/etc/systemd/nspawn/web.nspawn"
#define LINE_ROOM 4096
#define TEXT_ROOM 65536

struct text {
	char bytes[TEXT_ROOM];
	size_t size;
};

struct scenario {
	unsigned uid;
	bool terminal, has_file, trusted;
	struct text_list environment;
	struct text file, expected, heading;
	char command[LINE_ROOM];
	unsigned line;
};

static PRINTF(2, 3) void add(struct text *text, const char *format, ...)
{
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(text->bytes + text->size, TEXT_ROOM - text->size, format, args);
	va_end(args);
	if (length < 0 || (size_t)length >= TEXT_ROOM - text->size)
		abort();
	text->size += (size_t)length;
}

static void add_essentials(struct arena *arena, struct text *out, const struct spec *spec)
{
	static const char *const starts[] = { "command", "pid2", "boot" };
	static const char *const users[] = { "unset", "no", "tree", "pick", "fixed", "managed" };
	static const char *const owners[] = { "unset", "off", "chown", "map", "foreign", "auto" };
	static const char *const consoles[] = { "unset",   "interactive", "read-only",
						"passive", "pipe",	  "autopipe" };
	char *asked = spec_print(arena, spec);

	if (*asked)
		add(out, "%s\n", asked);
	for (size_t i = 0; spec->mounts.count > 1 && i < spec->mounts.count; i++)
		add(out, "= mount %zu at %s\n", i + 1, spec->mounts.items[i].destination);
	if (spec->share_ipc || spec->share_pid || spec->share_uts)
		add(out, "= shares%s%s%s\n", spec->share_ipc ? " ipc" : "",
		    spec->share_pid ? " pid" : "", spec->share_uts ? " uts" : "");
	if (spec->no_tmp || spec->no_lock || spec->no_os_release_check || spec->no_seccomp ||
	    spec->no_cgroup_namespace)
		add(out, "= without%s%s%s%s%s\n", spec->no_tmp ? " tmp" : "",
		    spec->no_lock ? " lock" : "", spec->no_os_release_check ? " os-release" : "",
		    spec->no_seccomp ? " seccomp" : "",
		    spec->no_cgroup_namespace ? " cgroup-namespace" : "");
	if (spec->suppress_sync == TRISTATE_YES)
		add(out, "= suppresses sync\n");
	if (!text_equal(spec->container_service, "systemd-nspawn"))
		add(out, "= container=%s\n", spec->container_service);
	add(out, "= %s %s users=%s owners=%s console=%s capabilities=%llx\n", spec->machine,
	    starts[spec->start], users[spec->userns], owners[spec->ownership],
	    consoles[spec->console], (unsigned long long)spec_capabilities(spec));
}

static int read_all(struct arena *arena, struct spec *spec, const struct scenario *scenario,
		    char **words, int count, const struct setting **ret_words_of)
{
	const struct reader_facts facts = {
		.working_directory = "/here",
		.environment = (const char *const *)scenario->environment.items,
		.uid = scenario->uid,
	};
	const struct resolve_facts resolve = {
		.uid = scenario->uid,
		.stdin_is_terminal = scenario->terminal,
		.stdout_is_terminal = scenario->terminal,
		.host_name = "host",
		.working_directory = "/here",
	};
	const struct text *file = &scenario->file;
	int r = args_parse(arena, spec, &facts, count, words, ret_words_of);

	if (r == 0)
		r = environment_parse(arena, spec, &facts);
	if (r == 0)
		r = spec_resolve_name(arena, spec, &resolve);
	if (r == 0 && scenario->has_file)
		r = nspawn_file_parse(arena, spec, &facts, file->bytes, file->size, SETTINGS_FILE,
				      scenario->trusted);
	if (r == 0)
		r = spec_resolve(arena, spec, &resolve);
	return r;
}

/* Warnings go to descriptor 2, wherever that leads. */
static void run(const struct scenario *scenario, struct text *out)
{
	int log = memfd_create("log", MFD_CLOEXEC);
	int saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	const struct setting *words_of = NULL;
	struct arena arena = { 0 };
	struct text_list words = { 0 }, given = { 0 };
	struct spec *spec = arena_new(&arena, struct spec);
	ssize_t size;
	int r;

	text_list_add(&arena, &words, arena_text(&arena, "nspawn"));
	if (text_split_quoted(&arena, &given, scenario->command) < 0 || log < 0 || saved < 0)
		abort();
	for (size_t i = 0; i < given.count; i++)
		text_list_add(&arena, &words, given.items[i]);
	dup2(log, STDERR_FILENO);
	fail_forget();
	spec_init(spec);
	r = read_all(&arena, spec, scenario, words.items, (int)words.count, &words_of);
	dup2(saved, STDERR_FILENO);

	size = pread(log, out->bytes, TEXT_ROOM / 2, 0);
	out->size = size > 0 ? (size_t)size : 0;
	if (r > 0)
		add(out, "%s\n", spec_words(&arena, words_of));
	else if (r < 0)
		add(out, "%s\n", fail_recorded()->text);
	else
		add_essentials(&arena, out, spec);
	out->bytes[out->size] = '\0';
	close(log);
	close(saved);
	arena_done(&arena);
}

static bool read_directive(struct arena *arena, struct scenario *scenario, const char *line)
{
	const char *value;

	if ((value = text_after(line, "@uid ")))
		scenario->uid = (unsigned)strtoul(value, NULL, 10);
	else if ((value = text_after(line, "@environment ")))
		text_list_add(arena, &scenario->environment, arena_text(arena, value));
	else if (text_equal(line, "@terminal"))
		scenario->terminal = true;
	else if (text_equal(line, "@file trusted"))
		scenario->has_file = scenario->trusted = true;
	else if (text_equal(line, "@file untrusted"))
		scenario->has_file = true;
	else if ((value = text_after(line, "|")))
		add(&scenario->file, "%s\n", value);
	else if (line[0] != '#')
		return false;
	return true;
}

/* One block; false at the end of the file. */
static bool read_block(struct arena *arena, struct scenario *scenario, FILE *file, unsigned *line)
{
	char bytes[LINE_ROOM];
	bool any = false;

	memset(scenario, 0, sizeof(*scenario));
	while (fgets(bytes, sizeof(bytes), file)) {
		++*line;
		bytes[strcspn(bytes, "\n")] = '\0';
		if (!bytes[0]) {
			if (any)
				break;
			continue;
		}
		any = true;
		if (scenario->line == 0 && (text_equal(bytes, "$") || text_after(bytes, "$ "))) {
			snprintf(scenario->command, LINE_ROOM, "%s", bytes + 1);
			scenario->line = *line;
		} else if (scenario->line > 0) {
			add(&scenario->expected, "%s\n", bytes);
			continue;
		} else if (!read_directive(arena, scenario, bytes)) {
			fprintf(stderr, "line %u: neither a directive nor a command\n", *line);
			exit(2);
		}
		add(&scenario->heading, "%s\n", bytes);
	}
	return any;
}

static unsigned play(const char *path, bool update, unsigned *cases)
{
	static struct scenario scenario;
	static struct text out, whole;
	struct arena arena = { 0 };
	FILE *file = fopen(path, "re");
	unsigned failed = 0, line = 0;

	if (!file) {
		perror(path);
		exit(2);
	}
	whole.size = 0;
	while (read_block(&arena, &scenario, file, &line)) {
		if (whole.size > 0)
			add(&whole, "\n");
		add(&whole, "%s", scenario.heading.bytes);
		if (scenario.line == 0)
			continue;
		run(&scenario, &out);
		add(&whole, "%s", out.bytes);
		++*cases;
		if (update || strcmp(out.bytes, scenario.expected.bytes) == 0)
			continue;
		failed++;
		printf("%s:%u: $ %s\nexpected:\n%sgot:\n%s\n", path, scenario.line,
		       scenario.command, scenario.expected.bytes, out.bytes);
	}
	fclose(file);
	arena_done(&arena);
	if (update && (file = fopen(path, "we"))) {
		fputs(whole.bytes, file);
		fclose(file);
	}
	return failed;
}

int main(int argc, char **argv)
{
	bool update = argc > 1 && text_equal(argv[1], "--update");
	unsigned failed = 0, cases = 0;

	for (int i = update ? 2 : 1; i < argc; i++)
		failed += play(argv[i], update, &cases);
	printf("%u cases, %u failed\n", cases, failed);
	return failed > 0 || cases == 0;
}
