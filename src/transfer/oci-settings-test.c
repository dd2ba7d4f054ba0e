#include "transfer/oci-settings.h"

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/macros.h"
#include "base/unit.h"
#include "transfer/oci-document.h"

static struct oci_config empty(void)
{
	return (struct oci_config){
		.architecture = "",
		.os = "",
		.user = "",
		.directory = "",
		.signal = "",
	};
}

static void add(struct arena *arena, struct text_list *list, const char *text)
{
	text_list_add(arena, list, arena_text(arena, text));
}

static const char *made(struct arena *arena, const struct oci_config *config, bool has_init,
			struct text_list *notes)
{
	char *text = NULL;

	fail_forget();
	ck_assert_msg(oci_settings(arena, &text, notes, config, has_init) == 0, "%s",
		      fail_recorded()->text);
	return text;
}

START_TEST(all_that_may_be_said_is_written)
{
	autoarena struct arena arena = { 0 };
	struct oci_config config = empty();
	struct text_list notes = { 0 };

	add(&arena, &config.entrypoint, "/app");
	add(&arena, &config.command, "a \"b\" \\ $(c)");
	add(&arena, &config.environment, "PATH=/usr/bin:/bin");
	config.user = "1000:1000";
	config.directory = "/srv//app/";
	config.signal = "SIGQUIT";
	add(&arena, &config.ports, "80/tcp");
	add(&arena, &config.ports, "53/udp");
	add(&arena, &config.volumes, "/var/lib/app");
	ck_assert_str_eq(made(&arena, &config, true, &notes),
			 "# What the image says of how it is run.\n"
			 "[Exec]\n"
			 "Boot=no\n"
			 "Parameters=\"/app\" \"a \\\"b\\\" \\\\ $(c)\"\n"
			 "Environment=\"PATH=/usr/bin:/bin\"\n"
			 "User=1000\n"
			 "WorkingDirectory=/srv/app\n"
			 "KillSignal=SIGQUIT\n"
			 "\n"
			 "[Network]\n"
			 "# The image listens on these ports.\n"
			 "#VirtualEthernet=yes\n"
			 "#Port=tcp:80\n"
			 "#Port=udp:53\n"
			 "\n"
			 "[Files]\n"
			 "# The image keeps its data in these places.\n"
			 "#Bind=/srv/var/lib/app:/var/lib/app\n");
	ck_assert_uint_eq(notes.count, 0);
}
END_TEST

START_TEST(an_init_is_booted)
{
	autoarena struct arena arena = { 0 };
	struct oci_config config = empty();
	struct text_list notes = { 0 };

	ck_assert_ptr_nonnull(strstr(made(&arena, &config, true, &notes), "Boot=yes"));
	ck_assert_ptr_nonnull(strstr(made(&arena, &config, false, &notes), "Boot=no"));
	add(&arena, &config.command, "/sbin/init");
	add(&arena, &config.command, "5");
	ck_assert_ptr_nonnull(
		strstr(made(&arena, &config, true, &notes), "Boot=yes\nParameters=\"5\"\n"));
	ck_assert_ptr_nonnull(strstr(made(&arena, &config, false, &notes),
				     "Boot=no\nParameters=\"/sbin/init\" \"5\"\n"));
	config.command.items[0] = arena_text(&arena, "/bin/sh");
	ck_assert_ptr_nonnull(strstr(made(&arena, &config, true, &notes), "Boot=no"));
}
END_TEST

static const char *const hostile[] = {
	"a\nBind=/:/host",
	"a\rb",
	"a\x1b[2J",
	"a\x7f",
	"\xff",
	"a\xe2\x80\xae"
	"b",
	"%n", /* last: a word or variable may have it */
};

START_TEST(a_value_that_is_more_than_itself_is_refused)
{
	for (size_t i = 0; i < ARRAY_SIZE(hostile); i++)
		for (int place = 0; place < 5; place++) {
			autoarena struct arena arena = { 0 };
			struct oci_config config = empty();
			struct text_list notes = { 0 };
			char *text = NULL;

			if (place < 2 && *hostile[i] == '%')
				continue;
			fail_forget();
			switch (place) {
			case 0: add(&arena, &config.entrypoint, hostile[i]); break;
			case 1: add(&arena, &config.command, hostile[i]); break;
			case 2: config.user = hostile[i]; break;
			case 3: config.directory = hostile[i]; break;
			case 4: config.signal = hostile[i]; break;
			}
			ck_assert_int_lt(oci_settings(&arena, &text, &notes, &config, true), 0);
			ck_assert_ptr_null(strchr(fail_recorded()->text, '\n'));
			ck_assert_ptr_null(strchr(fail_recorded()->text, '\x1b'));
		}
}
END_TEST

START_TEST(a_variable_port_or_volume_like_that_is_left_out)
{
	static const char *const variables[] = { "",	  "A",
						 "=x",	  "container=oci",
						 "A B=x", "NOTIFY_SOCKET=/x" };

	for (size_t i = 0; i < ARRAY_SIZE(hostile) + ARRAY_SIZE(variables); i++) {
		autoarena struct arena arena = { 0 };
		struct oci_config config = empty();
		struct text_list notes = { 0 };
		const char *text;

		if (i < ARRAY_SIZE(hostile)) {
			add(&arena, &config.environment,
			    *hostile[i] == '%' ? "A B=%n"
					       : arena_format(&arena, "A=%s", hostile[i]));
			add(&arena, &config.ports, hostile[i]);
			add(&arena, &config.volumes, arena_format(&arena, "/%s", hostile[i]));
		} else {
			add(&arena, &config.environment, variables[i - ARRAY_SIZE(hostile)]);
		}
		text = made(&arena, &config, false, &notes);
		ck_assert_str_eq(text,
				 "# What the image says of how it is run.\n[Exec]\nBoot=no\n");
		ck_assert_uint_eq(notes.count, i < ARRAY_SIZE(hostile) ? 3 : 1);
	}
}
END_TEST

START_TEST(a_percent_sign_in_a_word_is_one)
{
	autoarena struct arena arena = { 0 };
	struct oci_config config = empty();
	struct text_list notes = { 0 };
	const char *text;

	add(&arena, &config.command, "date");
	add(&arena, &config.command, "+%s");
	add(&arena, &config.environment, "FORMAT=%h %n");
	text = made(&arena, &config, false, &notes);
	ck_assert_ptr_nonnull(strstr(text, "Parameters=\"date\" \"+%s\"\n"));
	ck_assert_ptr_nonnull(strstr(text, "Environment=\"FORMAT=%h %n\"\n"));
	ck_assert_uint_eq(notes.count, 0);
}
END_TEST

START_TEST(paths_outside_and_odd_users_are_refused)
{
	static const char *const directories[] = { "w", "../w", "/w/../../root", "/a\tb", "/a\"" };
	static const char *const users[] = { "-u", "a/b", "4294967295", "u v", ":0", "0x0" };
	autoarena struct arena arena = { 0 };
	struct text_list notes = { 0 };
	char *text;

	for (size_t i = 0; i < ARRAY_SIZE(directories); i++) {
		struct oci_config config = empty();

		config.directory = directories[i];
		ck_assert_msg(oci_settings(&arena, &text, &notes, &config, false) < 0, "%s",
			      directories[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(users); i++) {
		struct oci_config config = empty();

		config.user = users[i];
		ck_assert_msg(oci_settings(&arena, &text, &notes, &config, false) < 0, "%s",
			      users[i]);
	}
}
END_TEST

START_TEST(what_is_too_long_is_refused)
{
	autoarena struct arena arena = { 0 };
	struct oci_config config = empty();
	struct text_list notes = { 0 };
	char word[OCI_VALUE_MAX + 2], *text;

	memset(word, 'a', sizeof(word));
	word[sizeof(word) - 1] = '\0';
	add(&arena, &config.command, word);
	ck_assert_int_lt(oci_settings(&arena, &text, &notes, &config, false), 0);
	config = empty();
	word[sizeof(word) - 2] = '\0';
	for (int i = 0; i < 40; i++)
		add(&arena, &config.command, word);
	ck_assert_int_lt(oci_settings(&arena, &text, &notes, &config, false), 0);
	config = empty();
	word[1] = '=';
	for (int i = 0; i < 40; i++)
		add(&arena, &config.environment, word);
	ck_assert_int_lt(oci_settings(&arena, &text, &notes, &config, false), 0);
}
END_TEST

/* Of the keys that the specification knows; another one means nothing until it stands here. */
START_TEST(every_key_has_its_trust)
{
	static const char *const allowed[] = { "Entrypoint", "Cmd",	   "Env",
					       "User",	     "WorkingDir", "StopSignal" };
	static const char *const proposed[] = { "Volumes", "ExposedPorts" };
	static const char *const ignored[] = {
		"Labels", "Healthcheck", "Shell",	    "OnBuild",	  "ArgsEscaped", "Hostname",
		"Memory", "MemorySwap",	 "NetworkDisabled", "MacAddress", "Privileged",	 "Binds",
		"",	  "env",
	};

	for (size_t i = 0; i < ARRAY_SIZE(allowed); i++)
		ck_assert_int_eq(oci_settings_trust(allowed[i]), OCI_ALLOWED);
	for (size_t i = 0; i < ARRAY_SIZE(proposed); i++)
		ck_assert_int_eq(oci_settings_trust(proposed[i]), OCI_PROPOSED);
	for (size_t i = 0; i < ARRAY_SIZE(ignored); i++)
		ck_assert_int_eq(oci_settings_trust(ignored[i]), OCI_IGNORED);
}
END_TEST

int main(void)
{
	return UNIT_RUN("transfer/oci-settings", all_that_may_be_said_is_written, an_init_is_booted,
			a_value_that_is_more_than_itself_is_refused,
			a_variable_port_or_volume_like_that_is_left_out,
			a_percent_sign_in_a_word_is_one, paths_outside_and_odd_users_are_refused,
			what_is_too_long_is_refused, every_key_has_its_trust);
}
