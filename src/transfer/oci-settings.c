#include "transfer/oci-settings.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/macros.h"
#include "base/names.h"
#include "base/parse.h"
#include "base/path.h"
#include "base/text.h"
#include "transfer/oci-document.h"

/* A new row needs an answer to the question what a hostile image could do with it. */
static const struct {
	const char *key;
	enum oci_trust trust;
} trusted[] = {
	{ "Entrypoint", OCI_ALLOWED },
	{ "Cmd", OCI_ALLOWED },
	{ "Env", OCI_ALLOWED },
	{ "User", OCI_ALLOWED },
	{ "WorkingDir", OCI_ALLOWED },
	{ "StopSignal", OCI_ALLOWED },
	{ "Volumes", OCI_PROPOSED },
	{ "ExposedPorts", OCI_PROPOSED },
	{ "Labels", OCI_IGNORED },
	{ "Healthcheck", OCI_IGNORED },
	{ "Shell", OCI_IGNORED },
	{ "OnBuild", OCI_IGNORED },
	{ "ArgsEscaped", OCI_IGNORED },
	{ "Hostname", OCI_IGNORED },
	{ "Domainname", OCI_IGNORED },
	{ "Memory", OCI_IGNORED },
	{ "MemorySwap", OCI_IGNORED },
	{ "CpuShares", OCI_IGNORED },
	{ "NetworkDisabled", OCI_IGNORED },
	{ "MacAddress", OCI_IGNORED },
};

/* Variables by which container managers and inits talk with each other. */
static const char *const reserved[] = {
	"container",  "container_uuid", "container_host_id", "NOTIFY_SOCKET",
	"LISTEN_FDS", "LISTEN_PID",	"LISTEN_FDNAMES",    "CREDENTIALS_DIRECTORY",
	"MAINPID",    "WATCHDOG_PID",	"WATCHDOG_USEC",
};

static const char *const inits[] = {
	"/sbin/init",
	"/usr/sbin/init",
	"/lib/systemd/systemd",
	"/usr/lib/systemd/systemd",
};

enum oci_trust oci_settings_trust(const char *key)
{
	for (size_t i = 0; i < ARRAY_SIZE(trusted); i++)
		if (strcmp(trusted[i].key, key) == 0)
			return trusted[i].trust;
	return OCI_IGNORED;
}

struct writer {
	struct arena *arena;
	const struct oci_config *config;
	struct text_list lines, *notes;
	size_t size;
};

/* ---- values ---- */

/* Nothing that could end a line or reach a terminal. */
static bool is_plain(const char *value)
{
	size_t size = strlen(value), length;

	if (size > OCI_VALUE_MAX)
		return false;
	for (; size > 0; value += length, size -= length) {
		uint32_t code;

		length = text_utf8_decode(&code, value, size);
		if (length == 0 || (code != '\t' && text_is_unsafe(code)))
			return false;
	}
	return true;
}

/* In names and paths, nothing either that some readers of settings files replace. */
static bool is_fixed(const char *value)
{
	return is_plain(value) && strchr(value, '%') == NULL;
}

static char *quote(struct arena *arena, const char *value)
{
	char *text = arena_take(arena, 2 * strlen(value) + 3);
	size_t used = 0;

	text[used++] = '"';
	for (; *value != '\0'; value++) {
		if (*value == '"' || *value == '\\')
			text[used++] = '\\';
		text[used++] = *value;
	}
	text[used++] = '"';
	return text;
}

static void add(struct writer *writer, const char *key, const char *value)
{
	char *line = arena_format(writer->arena, "%s%s\n", key, value);

	writer->size += strlen(line);
	text_list_add(writer->arena, &writer->lines, line);
}

static void note(struct writer *writer, const char *what, const char *value)
{
	text_list_add(writer->arena, writer->notes,
		      arena_format(writer->arena, "%s '%.80s'", what,
				   text_printable(writer->arena, value)));
}

static int refuse(struct writer *writer, const char *what, const char *value)
{
	return fail_input("cannot use the image: its %s '%.80s' %s", what,
			  text_printable(writer->arena, value),
			  strlen(value) > OCI_VALUE_MAX
				  ? "is too long"
				  : "has characters that no setting may have");
}

/* ---- settings ---- */

static int write_parameters(struct writer *writer, const struct text_list *words, size_t first)
{
	char *text = arena_text(writer->arena, "");

	for (size_t i = first; i < words->count; i++) {
		if (!is_plain(words->items[i]))
			return refuse(writer, "command's word", words->items[i]);
		text = arena_format(writer->arena, "%s%s%s", text, i > first ? " " : "",
				    quote(writer->arena, words->items[i]));
		if (strlen(text) > OCI_SETTINGS_MAX)
			return refuse(writer, "command", words->items[first]);
	}
	if (*text != '\0')
		add(writer, "Parameters=", text);
	return 0;
}

static bool is_init(const char *program)
{
	for (size_t i = 0; i < ARRAY_SIZE(inits); i++)
		if (strcmp(program, inits[i]) == 0)
			return true;
	return false;
}

static int write_start(struct writer *writer, bool has_init)
{
	const struct oci_config *config = writer->config;
	struct text_list words = { 0 };
	bool boot;

	for (size_t i = 0; i < config->entrypoint.count; i++)
		text_list_add(writer->arena, &words, config->entrypoint.items[i]);
	for (size_t i = 0; i < config->command.count; i++)
		text_list_add(writer->arena, &words, config->command.items[i]);
	boot = words.count > 0 ? has_init && is_init(words.items[0]) : has_init;
	add(writer, "Boot=", boot ? "yes" : "no");
	return write_parameters(writer, &words, boot && words.count > 0 ? 1 : 0);
}

static bool is_reserved(const char *assignment)
{
	for (size_t i = 0; i < ARRAY_SIZE(reserved); i++)
		if (text_assigned(assignment, reserved[i]) != NULL)
			return true;
	return false;
}

/* A variable that cannot be set is left out: the program is still the same. */
static void write_environment(struct writer *writer)
{
	const struct text_list *list = &writer->config->environment;

	for (size_t i = 0; i < list->count; i++) {
		const char *assignment = list->items[i];

		if (!is_plain(assignment) || !name_is_environment(assignment) ||
		    is_reserved(assignment))
			note(writer, "the variable", assignment);
		else
			add(writer, "Environment=", quote(writer->arena, assignment));
	}
}

/* A group is left out: it is that of the user in the machine's own list. */
static int write_user(struct writer *writer)
{
	const char *user = writer->config->user, *colon = strchr(user, ':');
	char *name = arena_text_n(writer->arena, user,
				  colon == NULL ? strlen(user) : (size_t)(colon - user));
	uint32_t id;

	if (*user == '\0')
		return 0;
	if (!is_fixed(user) || strlen(name) > 255 ||
	    (!name_is_user(name) && parse_id(&id, name) < 0))
		return refuse(writer, "user", user);
	if (colon != NULL && colon[1] != '\0' && strcmp(colon + 1, name) != 0)
		note(writer, "the group of the user", user);
	add(writer, "User=", name);
	return 0;
}

static int write_directory(struct writer *writer)
{
	const char *directory = writer->config->directory;
	char *path = path_simplify(writer->arena, directory);

	if (*directory == '\0')
		return 0;
	if (!is_fixed(directory) || strpbrk(directory, "\t\"'\\") != NULL ||
	    !path_is_absolute(path) || !path_is_normal(path))
		return refuse(writer, "working directory", directory);
	if (strcmp(path, "/") != 0)
		add(writer, "WorkingDirectory=", path);
	return 0;
}

static int write_signal(struct writer *writer)
{
	const char *signal = writer->config->signal, *name;
	int number;

	if (*signal == '\0')
		return 0;
	if (!is_fixed(signal) || parse_signal(&number, signal) < 0)
		return refuse(writer, "stop signal", signal);
	name = parse_signal_name(number);
	if (name == NULL)
		return refuse(writer, "stop signal", signal);
	add(writer, "KillSignal=", name);
	return 0;
}

/* ---- proposals ---- */

static void propose_ports(struct writer *writer)
{
	const struct text_list *list = &writer->config->ports;
	size_t proposed = 0;

	for (size_t i = 0; i < list->count; i++) {
		char *number = arena_text(writer->arena, list->items[i]);
		char *slash = strchr(number, '/'), *protocol = (char *)"tcp";
		uint16_t port;

		if (slash != NULL) {
			*slash = '\0';
			protocol = slash + 1;
		}
		if (parse_port(&port, number) < 0 ||
		    (strcmp(protocol, "tcp") != 0 && strcmp(protocol, "udp") != 0)) {
			note(writer, "the port", list->items[i]);
			continue;
		}
		if (proposed++ == 0)
			add(writer, "",
			    "\n[Network]\n# The image listens on these ports.\n"
			    "#VirtualEthernet=yes");
		add(writer, "#Port=", arena_format(writer->arena, "%s:%u", protocol, port));
	}
}

static void propose_volumes(struct writer *writer)
{
	const struct text_list *list = &writer->config->volumes;
	size_t proposed = 0;

	for (size_t i = 0; i < list->count; i++) {
		const char *volume = list->items[i];

		if (!is_fixed(volume) || strpbrk(volume, "\t :\"'\\") != NULL ||
		    !path_is_absolute(volume) || !path_is_normal(volume)) {
			note(writer, "the volume", volume);
			continue;
		}
		if (proposed++ == 0)
			add(writer, "", "\n[Files]\n# The image keeps its data in these places.");
		add(writer, "#Bind=/srv", arena_format(writer->arena, "%s:%s", volume, volume));
	}
}

int oci_settings(struct arena *arena, char **ret, struct text_list *ret_notes,
		 const struct oci_config *config, bool has_init)
{
	struct text_list notes = { 0 };
	struct writer writer = { .arena = arena, .config = config, .notes = &notes };
	size_t used = 0;
	char *text;
	int r;

	add(&writer, "", OCI_SETTINGS_BEGIN "\n[Exec]");
	r = write_start(&writer, has_init);
	if (r >= 0)
		write_environment(&writer);
	if (r >= 0)
		r = write_user(&writer);
	if (r >= 0)
		r = write_directory(&writer);
	if (r >= 0)
		r = write_signal(&writer);
	if (r < 0)
		return r;
	propose_ports(&writer);
	propose_volumes(&writer);
	for (size_t i = 0; i < config->ignored.count; i++)
		note(&writer, "the key", config->ignored.items[i]);
	if (writer.size > OCI_SETTINGS_MAX)
		return fail_input("cannot use the image: its configuration is too long for "
				  "settings (%d KiB)",
				  OCI_SETTINGS_MAX / 1024);
	text = arena_take(arena, writer.size + 1);
	for (size_t i = 0; i < writer.lines.count; i++) {
		memcpy(text + used, writer.lines.items[i], strlen(writer.lines.items[i]));
		used += strlen(writer.lines.items[i]);
	}
	*ret = text;
	*ret_notes = notes;
	return 0;
}
