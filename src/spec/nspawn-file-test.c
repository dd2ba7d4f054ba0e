/* What tests/spec/files.case cannot show: files that are no text, and no end of them. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/text.h"
#include "base/unit.h"
#include "format/ini.h"
#include "format/specifier.h"
#include "spec/readers.h"

static struct arena arena;
static struct spec spec;
static int warnings = -1;
static const char *const environment[] = { "SECRET=x", NULL };
static const struct reader_facts facts = { .working_directory = "/", .environment = environment };

static void setup(void)
{
	warnings = memfd_create("warnings", MFD_CLOEXEC);
	ck_assert_int_ge(warnings, 0);
	ck_assert_int_ge(dup2(warnings, STDERR_FILENO), 0);
	fail_forget();
	spec_init(&spec);
}

static int parse(const char *text, size_t size, bool trusted)
{
	return nspawn_file_parse(&arena, &spec, &facts, text, size, "/x/web.nspawn", trusted);
}

static unsigned count_warnings(void)
{
	static char text[65536];
	ssize_t size = pread(warnings, text, sizeof(text), 0);
	unsigned lines = 0;

	ck_assert_int_lt(size, (ssize_t)sizeof(text));
	for (ssize_t i = 0; i < size; i++)
		lines += text[i] == '\n';
	return lines;
}

START_TEST(an_empty_file_says_nothing)
{
	setup();
	ck_assert_int_eq(parse("", 0, true), 0);
	ck_assert_uint_eq(count_warnings(), 0);
}
END_TEST

START_TEST(a_zero_byte_is_not_text)
{
	static const char text[] = "[Exec]\nBoot=yes\0\n";

	setup();
	ck_assert_int_lt(parse(text, sizeof(text) - 1, true), 0);
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "/x/web.nspawn"));
	ck_assert_int_eq(parse(text, sizeof(text) - 1, false), 0);
	ck_assert_uint_eq(count_warnings(), 1);
	ck_assert_int_eq(spec.boot, TRISTATE_UNSET);
}
END_TEST

START_TEST(a_file_that_is_too_long_is_not_read)
{
	char *text = malloc(NSPAWN_FILE_LIMIT + 1);

	setup();
	memset(text, '#', NSPAWN_FILE_LIMIT + 1);
	ck_assert_int_eq(parse(text, NSPAWN_FILE_LIMIT, true), 0);
	ck_assert_int_lt(parse(text, NSPAWN_FILE_LIMIT + 1, true), 0);
	ck_assert_int_eq(parse(text, NSPAWN_FILE_LIMIT + 1, false), 0);
	memset(text, '\n', NSPAWN_FILE_LIMIT);
	ck_assert_int_lt(parse(text, INI_LINES_MAX + 10, true), 0);
	free(text);
}
END_TEST

START_TEST(a_file_of_nonsense_does_not_fill_the_terminal)
{
	size_t size = 0;
	char *text = malloc(NSPAWN_FILE_LIMIT);

	setup();
	size += (size_t)snprintf(text, NSPAWN_FILE_LIMIT, "[Exec]\n");
	for (unsigned i = 0; i < 50000; i++)
		size += (size_t)snprintf(text + size, NSPAWN_FILE_LIMIT - size, "Nonsense=%u\n", i);
	ck_assert_int_eq(parse(text, size, false), 0);
	ck_assert_uint_le(count_warnings(), 30);
	free(text);
}
END_TEST

START_TEST(a_long_value_is_shortened_in_the_warning)
{
	size_t size = 60000;
	char *text = malloc(size), report[8192];
	ssize_t length;

	setup();
	memset(text, 'x', size);
	memcpy(text, "[Exec]\nKillSignal=", strlen("[Exec]\nKillSignal="));
	ck_assert_int_eq(parse(text, size, false), 0);
	length = pread(warnings, report, sizeof(report), 0);
	ck_assert_int_gt(length, 0);
	ck_assert_int_lt(length, 500);
	free(text);
}
END_TEST

START_TEST(no_value_reaches_the_terminal_as_it_is)
{
	static const char text[] = "[Exec]\nKillSignal=\033[2J\nHostname=a\033]0;x\007\n"
				   "Env\033ironment=x\n[\033Bad]\n";
	char report[8192];
	ssize_t length;

	setup();
	ck_assert_int_eq(parse(text, sizeof(text) - 1, false), 0);
	length = pread(warnings, report, sizeof(report), 0);
	ck_assert_int_gt(length, 0);
	ck_assert_ptr_null(memchr(report, '\033', (size_t)length));
	ck_assert_ptr_null(memchr(report, '\007', (size_t)length));
}
END_TEST

START_TEST(shell_and_unit_characters_stay_what_they_are)
{
	static const char text[] = "[Exec]\nBoot=yes\nParameters=\"$(id)\" %n `id` ;x\n"
				   "Environment=\"A=%n $HOME\"\n";

	setup();
	ck_assert_int_eq(parse(text, sizeof(text) - 1, false), 0);
	ck_assert_str_eq(spec.parameters.items[0], "$(id)");
	ck_assert_str_eq(spec.parameters.items[1], "%n");
	ck_assert_str_eq(spec.environment.items[0], "A=%n $HOME");
	ck_assert_uint_eq(count_warnings(), 0);
}
END_TEST

START_TEST(a_line_feed_begins_no_second_variable)
{
	setup();
	/* An escaped line feed is a value like any other: it never becomes a second assignment. */
	static const char text[] = "[Exec]\nEnvironment=\"A=1\\nB=2\"\n";

	ck_assert_int_eq(parse(text, sizeof(text) - 1, false), 0);
	for (size_t i = 0; i < spec.environment.count; i++)
		ck_assert_ptr_null(text_after(spec.environment.items[i], "B="));
}
END_TEST

static const struct specifiers specifiers = { .machine = "web", .host = "box" };

static int parse_parts(const char *first, const char *second, bool trusted)
{
	const struct nspawn_part parts[] = {
		{ "/x/web.nspawn", first, strlen(first) },
		{ "/x/web.nspawn.d/more.conf", second, strlen(second) },
	};
	struct reader_facts known = facts;

	known.specifiers = &specifiers;
	return nspawn_file_parse_parts(&arena, &spec, &known, parts, 2, trusted);
}

START_TEST(a_drop_in_is_part_of_the_file)
{
	setup();
	ck_assert_int_eq(parse_parts("[Exec]\nBoot=yes\nHostname=a\n[Files]\nBind=/a\n",
				     "[Exec]\nParameters=x\nHostname=b\n[Files]\n\nBind=/b\n",
				     true),
			 0);
	ck_assert_str_eq(spec.hostname, "b");
	ck_assert_uint_eq(spec.parameters.count, 1);
	ck_assert_uint_eq(spec.mounts.count, 2);
	ck_assert_str_eq(spec.mounts.items[0].reason, "web.nspawn line 5");
	ck_assert_str_eq(spec.mounts.items[1].reason, "more.conf line 6");
}
END_TEST

static int parse_image(const char *image, const char *file)
{
	const struct nspawn_part parts[] = {
		{ "/x/images/web.nspawn", image, strlen(image), true },
		{ "/x/files/web.nspawn", file, strlen(file), false },
	};

	setup();
	return nspawn_file_parse_parts(&arena, &spec, &facts, parts, 2, true);
}

static const char *const of_program = "[Exec]\nBoot=no\nParameters=\"/serve\" \"-v\"\nUser=www\n"
				      "Environment=\"PATH=/app\"\nKillSignal=SIGQUIT\n";

START_TEST(what_an_image_says_holds_below_what_the_file_says)
{
	ck_assert_int_eq(parse_image(of_program, "[Exec]\nUser=nobody\n[Files]\nBind=/a\n"), 0);
	ck_assert_int_eq(spec.boot, TRISTATE_NO);
	ck_assert_uint_eq(spec.parameters.count, 2);
	ck_assert_str_eq(spec.parameters.items[0], "/serve");
	ck_assert_str_eq(spec.user, "nobody");
	ck_assert_str_eq(spec.environment.items[0], "PATH=/app");
	ck_assert_str_eq(spec.mounts.items[0].reason, "web.nspawn line 4");
	ck_assert_int_eq(parse_image(of_program, "[Exec]\nParameters=/own\n"), 0);
	ck_assert_int_eq(spec.boot, TRISTATE_NO);
	ck_assert_uint_eq(spec.parameters.count, 1);
	ck_assert_str_eq(spec.parameters.items[0], "/own");
	ck_assert_uint_eq(count_warnings(), 0);
}
END_TEST

START_TEST(words_of_an_image_are_for_its_program_or_its_init)
{
	ck_assert_int_eq(parse_image(of_program, "[Exec]\nBoot=yes\n"), 0);
	ck_assert_int_eq(spec.boot, TRISTATE_YES);
	ck_assert_uint_eq(spec.parameters.count, 0);
	ck_assert_ptr_null(spec.user);
	ck_assert_uint_eq(spec.environment.count, 0);
	ck_assert_int_eq(parse_image(of_program, "[Exec]\nProcessTwo=yes\n"), 0);
	ck_assert_int_eq(spec.as_pid2, TRISTATE_YES);
	ck_assert_uint_eq(spec.parameters.count, 2);
	ck_assert_int_eq(parse_image("[Exec]\nBoot=yes\nParameters=\"a\"\n",
				     "[Exec]\nBoot=no\nParameters=/own\n"),
			 0);
	ck_assert_int_eq(spec.boot, TRISTATE_NO);
	ck_assert_str_eq(spec.parameters.items[0], "/own");
	ck_assert_int_eq(
		parse_image("[Exec]\nBoot=yes\nParameters=\"a\"\n", "[Exec]\nProcessTwo=yes\n"), 0);
	ck_assert_int_eq(spec.as_pid2, TRISTATE_YES);
	ck_assert_uint_eq(spec.parameters.count, 0);
	ck_assert_uint_eq(count_warnings(), 0);
}
END_TEST

START_TEST(an_image_is_not_trusted_though_the_file_is)
{
	ck_assert_int_eq(parse_image("[Exec]\nCapability=CAP_SYS_ADMIN\n[Files]\nBind=/:/host\n"
				     "[X-Network:lan1]\nAddress=10.0.0.2/24\n",
				     "[Files]\nBind=/a\n"),
			 0);
	ck_assert_uint_eq(spec.mounts.count, 1);
	ck_assert_uint_eq(spec.extra_links.count, 0);
	ck_assert_uint_eq(count_warnings(), 3);
}
END_TEST

static const char *const extended =
	"[X-Image]\nSource=tar:/x\nPersist=/var/lib/%i /srv\n"
	"[X-Network:lan1]\nAddress=10.0.0.2/24\n"
	"[X-Credential]\nSet=a:50%%\nLoad=b:/etc/hostname\n"
	"[X-Service]\nMemoryMax=1G\nExecStartPre=/bin/evil %s\nOOMScoreAdjust=-500\n"
	"[X-Unit]\nDescription=%n\n[X-Health]\nCommand=/bin/check %H\nOnFailure=stop\n";

START_TEST(own_sections_are_read_and_their_specifiers_replaced)
{
	setup();
	ck_assert_int_eq(parse_parts(extended,
				     "[X-Network:lan1]\nHostAddress=10.0.0.1/24\nBridge=br0\n",
				     true),
			 0);
	ck_assert_uint_eq(count_warnings(), 0);
	ck_assert_uint_eq(spec.persist.count, 2);
	ck_assert_str_eq(spec.persist.items[0], "/var/lib/web");
	ck_assert_uint_eq(spec.extra_links.count, 1);
	ck_assert_str_eq(spec.extra_links.items[0].name, "lan1");
	ck_assert_uint_eq(spec.extra_links.items[0].addressing.addresses.count, 1);
	ck_assert_uint_eq(spec.extra_links.items[0].addressing.host_addresses.count, 1);
	ck_assert_str_eq(spec.extra_links.items[0].bridge, "br0");
	ck_assert_ptr_null(spec.network_bridge);
	ck_assert_uint_eq(spec.addressing.addresses.count, 0);
	ck_assert_uint_eq(spec.credentials.count, 2);
	ck_assert_int_eq(memcmp(spec.credentials.items[0].data, "50%", 3), 0);
	ck_assert_uint_eq(spec.service.count, 1);
	ck_assert_str_eq(spec.service.items[0], "MemoryMax=1G");
	ck_assert_int_eq(spec.oom_score, -500);
	ck_assert_str_eq(spec.health.command.items[1], "box");
	ck_assert_int_eq(spec.health.on_failure, HEALTH_STOP);
}
END_TEST

START_TEST(nothing_of_them_is_for_a_file_that_came_with_a_tree)
{
	setup();
	ck_assert_int_eq(parse_parts(extended, "", false), 0);
	ck_assert_uint_eq(spec.persist.count, 0);
	ck_assert_uint_eq(spec.extra_links.count, 0);
	ck_assert_uint_eq(spec.credentials.count, 0);
	ck_assert_uint_eq(spec.service.count, 0);
	ck_assert(!spec.oom_score_set);
	ck_assert_uint_eq(spec.health.command.count, 0);
	ck_assert_uint_gt(count_warnings(), 5);
}
END_TEST

START_TEST(what_a_further_link_cannot_have_is_told)
{
	setup();
	ck_assert_int_eq(
		parse_parts("[X-Network:lan1]\nGateway=10.0.0.1\nNAT=yes\nColour=red\n",
			    "[X-Network:a/b]\nAddress=10.0.0.2\n[X-Network:lan2]\nAddress=no\n",
			    true),
		0);
	ck_assert_uint_eq(spec.extra_links.items[0].addressing.addresses.count, 0);
	ck_assert_uint_eq(count_warnings(), 5);
}
END_TEST

START_TEST(an_init_by_its_path_is_for_who_boots)
{
	setup();
	ck_assert_int_eq(
		parse_parts("[Exec]\nBoot=yes\n[X-Nix]\nStore=full\nInit=/nix/store/a/init\n", "",
			    true),
		0);
	ck_assert_str_eq(spec.init, "/nix/store/a/init");
	ck_assert_int_eq(spec.boot, TRISTATE_YES);
	setup();
	ck_assert_int_eq(parse_parts("[X-Nix]\nInit=/nix/store/a/init\n", "", true), 0);
	ck_assert_ptr_null(spec.init);
	ck_assert_uint_eq(count_warnings(), 0);
}
END_TEST

START_TEST(an_unknown_specifier_stays)
{
	setup();
	ck_assert_int_eq(parse_parts("[X-Image]\nPersist=/a%z\n", "", true), 0);
	ck_assert_str_eq(spec.persist.items[0], "/a%z");
	ck_assert_uint_eq(count_warnings(), 0);
}
END_TEST

/* Else a file that came with a tree would have as much of it as it asks for. */
START_TEST(what_is_not_believed_costs_no_memory)
{
	static char text[NSPAWN_FILE_LIMIT + 1] = "[X-Service]\nMemoryMax=";
	static const char host[] = "a-host-of-a-rather-long-name.example.org";
	const struct specifiers long_ones = { .machine = "web", .host = host };
	struct reader_facts with = facts;
	long before;

	setup();
	with.specifiers = &long_ones;
	for (size_t size = strlen(text); size + 2 <= NSPAWN_FILE_LIMIT; size += 2)
		memcpy(text + size, "%H", 2);
	before = unit_peak();
	ck_assert_int_eq(nspawn_file_parse(&arena, &spec, &with, text, strlen(text),
					   "/x/web.nspawn", false),
			 0);
	ck_assert_int_lt(unit_peak() - before, 16 * 1024);
	/* One that is believed may have them replaced, once. */
	ck_assert_int_eq(nspawn_file_parse(&arena, &spec, &with, text, strlen(text),
					   "/x/web.nspawn", true),
			 0);
	ck_assert_int_lt(unit_peak() - before, 64 * 1024);
	ck_assert_uint_eq(spec.service.count, 0);
	ck_assert_uint_eq(count_warnings(), 2);
}
END_TEST

int main(void)
{
	return UNIT_RUN(
		"spec/nspawn-file", an_empty_file_says_nothing, a_zero_byte_is_not_text,
		a_file_that_is_too_long_is_not_read, a_file_of_nonsense_does_not_fill_the_terminal,
		a_long_value_is_shortened_in_the_warning, no_value_reaches_the_terminal_as_it_is,
		shell_and_unit_characters_stay_what_they_are, a_line_feed_begins_no_second_variable,
		a_drop_in_is_part_of_the_file, what_an_image_says_holds_below_what_the_file_says,
		words_of_an_image_are_for_its_program_or_its_init,
		an_image_is_not_trusted_though_the_file_is,
		own_sections_are_read_and_their_specifiers_replaced,
		nothing_of_them_is_for_a_file_that_came_with_a_tree,
		what_a_further_link_cannot_have_is_told, an_init_by_its_path_is_for_who_boots,
		an_unknown_specifier_stays, what_is_not_believed_costs_no_memory);
}
