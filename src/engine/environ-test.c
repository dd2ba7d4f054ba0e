#include "engine/environ.h"

#include <string.h>

#include "base/arena.h"
#include "base/unit.h"
#include "engine/host.h"
#include "machine/guest-users.h"

static struct arena arena;
static struct spec spec;
static struct root_facts root;
static struct host host;

static const char *const canaries[] = {
	"SECRET=canary",
	"TERM=xterm",
	"COLORTERM=truecolor",
	"NO_COLOR=1",
	"PATH=/evil",
	"LD_PRELOAD=/evil.so",
	"HOME=/home/canary",
	"USER=canary",
	"LOGNAME=canary",
	"LANG=de_DE",
	"NOTIFY_SOCKET=/run/canary",
	"LISTEN_FDS=9",
	"LISTEN_PID=9",
	"CREDENTIALS_DIRECTORY=/canary",
	"container=canary",
	"container_uuid=canary",
	"TERMINAL=canary",
	"TERMCAP=canary",
	"GLIBC_TUNABLES=canary",
	"WATCHDOG_USEC=1",
	"INVOCATION_ID=canary",
	"XDG_RUNTIME_DIR=/canary",
	NULL,
};

static char **build(const char *const *environment, const struct guest_user *user, int listen_fds)
{
	host.environment = environment;
	memset(root.machine_id, 0xab, sizeof(root.machine_id));
	return environ_build(&arena, &(struct environ_facts){
					     .spec = &spec,
					     .host = &host,
					     .root = &root,
					     .user = user,
					     .listen_fds = listen_fds,
				     });
}

/* The value that a program would see; NULL: none. Fails when there are two. */
static const char *value_of(char **environment, const char *name)
{
	size_t length = strlen(name);
	const char *value = NULL;

	for (; *environment; environment++) {
		ck_assert_ptr_nonnull(strchr(*environment, '='));
		if (strncmp(*environment, name, length) != 0 || (*environment)[length] != '=')
			continue;
		ck_assert_msg(!value, "%s is there twice", name);
		value = *environment + length + 1;
	}
	return value;
}

static void has(char **environment, const char *name, const char *value)
{
	const char *found = value_of(environment, name);

	ck_assert_msg(found && strcmp(found, value) == 0, "%s is %s, not %s", name,
		      found ? found : "missing", value);
}

static size_t count(char **environment)
{
	size_t n = 0;

	while (environment[n])
		n++;
	return n;
}

START_TEST(a_plain_start_has_what_programs_expect)
{
	char **environment;

	spec_init(&spec);
	environment = build((const char *const[]){ NULL }, NULL, 0);
	has(environment, "PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	has(environment, "container", "systemd-nspawn");
	has(environment, "container_uuid", "abababab-abab-abab-abab-abababababab");
	has(environment, "HOME", "/root");
	has(environment, "USER", "root");
	has(environment, "LOGNAME", "root");
	has(environment, "NOTIFY_SOCKET", "/run/host/notify");
	has(environment, "LANG", "C.UTF-8");
	has(environment, "TERM", "dumb");
	ck_assert_uint_eq(count(environment), 9);
}
END_TEST

START_TEST(nothing_of_the_hosts_environment_goes_in)
{
	static const char *const allowed[] = { "TERM", "COLORTERM", "NO_COLOR" };
	char **environment, **bare;

	spec_init(&spec);
	environment = build(canaries, NULL, 0);
	for (char **at = environment; *at; at++)
		ck_assert_msg(!strstr(*at, "canary") && !strstr(*at, "evil"), "%s", *at);
	has(environment, "TERM", "xterm");
	has(environment, "COLORTERM", "truecolor");
	has(environment, "NO_COLOR", "1");
	has(environment, "LANG", "C.UTF-8");
	ck_assert_ptr_null(value_of(environment, "LISTEN_FDS"));
	ck_assert_ptr_null(value_of(environment, "WATCHDOG_USEC"));

	/* But for those three it is what a caller without any environment gets. */
	bare = build((const char *const[]){ "TERM=xterm", NULL }, NULL, 0);
	for (size_t i = 1; i < sizeof(allowed) / sizeof(allowed[0]); i++)
		ck_assert_ptr_null(value_of(bare, allowed[i]));
	ck_assert_uint_eq(count(environment), count(bare) + 2);
}
END_TEST

START_TEST(a_pipe_has_no_terminal)
{
	char **environment;

	spec_init(&spec);
	spec.console = CONSOLE_PIPE;
	environment = build(canaries, NULL, 0);
	has(environment, "TERM", "dumb");
	ck_assert_ptr_null(value_of(environment, "COLORTERM"));
	spec.console = CONSOLE_INTERACTIVE;
	environment = build((const char *const[]){ "TERM=dumb", "COLORTERM=x", NULL }, NULL, 0);
	has(environment, "TERM", "dumb");
	ck_assert_ptr_null(value_of(environment, "COLORTERM"));
}
END_TEST

START_TEST(a_user_is_told_who_he_is)
{
	struct guest_user user = { .name = "alice", .uid = 1000, .home = "/home/alice" };
	char **environment;

	spec_init(&spec);
	environment = build(canaries, &user, 0);
	has(environment, "HOME", "/home/alice");
	has(environment, "USER", "alice");
	has(environment, "LOGNAME", "alice");
}
END_TEST

START_TEST(what_was_asked_for_is_told)
{
	struct credential credential = { .id = "key" };
	char **environment;

	spec_init(&spec);
	spec.credentials.items = &credential;
	spec.credentials.count = 1;
	spec.start = START_BOOT;
	spec.container_service = "other";
	text_list_clear(&host.os_release_fields);
	text_list_add(&arena, &host.os_release_fields, (char[]){ "container_host_id=debian" });
	environment = build(canaries, NULL, 3);
	has(environment, "CREDENTIALS_DIRECTORY", "/run/host/credentials");
	has(environment, "LISTEN_FDS", "3");
	has(environment, "LISTEN_PID", "1");
	has(environment, "container", "other");
	has(environment, "container_host_id", "debian");
	ck_assert_ptr_null(value_of(environment, "LANG")); /* an init has a locale of its own */
}
END_TEST

START_TEST(the_users_word_is_last)
{
	static char words[][32] = {
		"PATH=/mine",
		"TERM=vt100",
		"container=mine",
		"NOTIFY_SOCKET=/mine",
		"A=1",
		"A=2",
		"AB=3",
		"EMPTY=",
		"EQUAL=a=b",
		"HOM=short",
		"container_host_id=mine",
	};
	char **environment;

	spec_init(&spec);
	text_list_clear(&host.os_release_fields);
	text_list_add(&arena, &host.os_release_fields, (char[]){ "container_host_id=debian" });
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		text_list_add(&arena, &spec.environment, words[i]);
	environment = build(canaries, NULL, 0);
	has(environment, "PATH", "/mine");
	has(environment, "TERM", "vt100");
	has(environment, "container", "mine");
	has(environment, "NOTIFY_SOCKET", "/mine");
	has(environment, "A", "2");
	has(environment, "AB", "3");
	has(environment, "EMPTY", "");
	has(environment, "EQUAL", "a=b");
	has(environment, "HOM", "short");
	has(environment, "HOME", "/root");
	has(environment, "container_host_id", "mine");
}
END_TEST

int main(void)
{
	return UNIT_RUN("engine/environ", a_plain_start_has_what_programs_expect,
			nothing_of_the_hosts_environment_goes_in, a_pipe_has_no_terminal,
			a_user_is_told_who_he_is, what_was_asked_for_is_told,
			the_users_word_is_last);
}
