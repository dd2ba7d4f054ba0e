#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/text.h"
#include "declare/import-nixos.h"
#include "declare/import.h"
#include "io/fd.h"
#include "io/file.h"
#include "io/settings.h"
#include "kernel/namespace.h"
#include "kernel/resolve.h"
#include "machine/addresses.h"
#include "machine/find.h"
#include "prog/nixos-container/nixos-container.h"
#include "prog/nixos-container/power.h"

#define KEY_MAX 65536

/* ---- list and status ---- */

static const struct column columns[] = {
	{ "NAME", COLUMN_TEXT, false, false },	     { "STATUS", COLUMN_TEXT, false, false },
	{ "ADDRESS", COLUMN_TEXT, false, false },    { "ADDRESS6", COLUMN_TEXT, false, false },
	{ "AUTO_START", COLUMN_BOOL, false, false }, { "DECLARED", COLUMN_BOOL, false, false },
	{ "CONF", COLUMN_TEXT, false, false },	     { "ROOT", COLUMN_TEXT, false, false },
	{ "SYSTEM", COLUMN_TEXT, false, false },
};

/* "10.233.1.2/24" is printed without its mask; NULL: none. */
static char *address_of(struct arena *arena, const struct nixos *container, enum nixos_conf_key key)
{
	char text[IP_TEXT_ROOM];
	struct ip_prefix prefix;

	if (nixos_conf_address(&prefix, &container->conf, key) <= 0)
		return NULL;
	return arena_text(arena, ip_text(text, &prefix.ip));
}

static void add_row(const struct context *context, struct table *table,
		    const struct nixos *container, const char *status)
{
	struct arena *arena = context->arena;

	table_text(table, container->name);
	table_text(table, status);
	table_text(table, address_of(arena, container, NIXOS_CONF_LOCAL_ADDRESS));
	table_text(table, address_of(arena, container, NIXOS_CONF_LOCAL_ADDRESS6));
	table_bool(table, nixos_conf_flag(&container->conf, NIXOS_CONF_AUTO_START, false));
	table_bool(table, container->declared);
	table_text(table, container->conf_path);
	table_text(table, container->root);
	table_text(table, nixos_system(container));
}

int verb_list(void *context_, const struct text_list *words)
{
	struct context *context = context_;
	struct text_list names = { 0 };
	struct table table;
	int r = nixos_list(context->arena, &names);

	(void)words;
	if (r < 0)
		return r;
	if (context->options.format == TABLE_TEXT) {
		for (size_t i = 0; i < names.count && r >= 0; i++)
			r = program_print(&context->program,
					  arena_format(context->arena, "%s\n", names.items[i]));
		return r;
	}
	table_init(&table, context->arena, columns, ARRAY_SIZE(columns));
	for (size_t i = 0; i < names.count; i++) {
		struct nixos container;

		if (nixos_find(context->arena, &container, names.items[i]) >= 0)
			add_row(context, &table, &container, power_status(context, &container));
	}
	return program_print_table(&context->program, &table, "containers");
}

static int print_status(const struct context *context, const struct nixos *container,
			const char *status)
{
	struct table table;

	if (context->options.format == TABLE_TEXT)
		return program_print(&context->program,
				     arena_format(context->arena, "%s\n", status));
	table_init(&table, context->arena, columns, ARRAY_SIZE(columns));
	add_row(context, &table, container, status);
	return program_print_table(&context->program, &table, "containers");
}

int status_gone(struct context *context)
{
	const struct nixos none = { .name = context->name };

	return print_status(context, &none, "gone");
}

int verb_status(void *context_, const struct text_list *words)
{
	struct context *context = context_;
	const char *status = power_status(context, &context->container);

	(void)words;
	if (status == NULL)
		return fail_plain(-EPERM,
				  "cannot tell whether container '%s' runs: only root may look",
				  context->name);
	return print_status(context, &context->container, status);
}

/* ---- addresses and keys ---- */

/* What a running one has got from elsewhere, by DHCP for instance; NULL: none. */
static char *address_inside(const struct context *context)
{
	struct addresses addresses CLEANUP(addresses_end) = ADDRESSES_EMPTY;
	autoclose int leader = -EBADF;
	struct address *found = NULL;
	struct machine machine;
	uint32_t network;
	size_t count = 0;

	if (machine_open(context->arena, &machine, context->runtime, context->name) >= 0 &&
	    namespace_number(&network, machine.leader, "net") >= 0)
		leader = machine_open_leader(&machine);
	if (leader >= 0 && addresses_begin(&addresses) >= 0)
		(void)addresses_read(context->arena, &addresses, &found, &count, leader, network);
	fail_forget();
	return count == 0 || found[0].scope != RT_SCOPE_UNIVERSE
		       ? NULL
		       : addresses_text(context->arena, &found[0]);
}

int verb_show_ip(void *context_, const struct text_list *words)
{
	struct context *context = context_;
	struct arena *arena = context->arena;
	const char *text = address_of(arena, &context->container, NIXOS_CONF_LOCAL_ADDRESS);

	(void)words;
	if (text == NULL)
		text = address_of(arena, &context->container, NIXOS_CONF_LOCAL_ADDRESS6);
	if (text == NULL)
		text = address_inside(context);
	if (text == NULL)
		return fail_plain(-ENOENT,
				  "cannot show the address of container '%s': its conf has none, "
				  "nor has it one that is its own now",
				  context->name);
	return program_print(&context->program, arena_format(arena, "%s\n", text));
}

/* Below its root, whatever links the guest has made; one line, and nothing in it that a terminal
 * would obey (class S24). */
static int print_key(const struct context *context, int root_fd, const char *path)
{
	autoclose int fd = resolve_open_file(root_fd, path);
	char *text;
	size_t size;
	int r = fd < 0 ? fd : file_read_fd(context->arena, &text, &size, fd, KEY_MAX);

	if (r < 0)
		return r;
	text[strcspn(text, "\n")] = '\0';
	return program_print(&context->program, arena_format(context->arena, "%s\n",
							     text_printable(context->arena, text)));
}

int verb_show_host_key(void *context_, const struct text_list *words)
{
	struct context *context = context_;
	const char *root = context->container.root;
	autoclose int fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r;

	(void)words;
	r = fd < 0 ? -errno : print_key(context, fd, "etc/ssh/ssh_host_ed25519_key.pub");
	if (r < 0 && fd >= 0)
		r = print_key(context, fd, "etc/ssh/ssh_host_ecdsa_key.pub");
	if (r < 0)
		return fail(r, "cannot show the host key of container '%s' below '%s'",
			    context->name, root);
	return 0;
}

/* ---- export ---- */

/* What the conf has no place for. */
static int print_companion(const struct context *context)
{
	struct settings companion;
	int r = nixos_companion(context->arena, &companion, &context->container);

	for (size_t i = 0; r >= 0 && i < companion.count; i++)
		r = program_print(&context->program,
				  arena_format(context->arena, "\n# From %s.\n%s",
					       companion.parts[i].path, companion.parts[i].text));
	return r;
}

int verb_export(void *context_, const struct text_list *words)
{
	struct context *context = context_;
	const char *path = context->container.conf_path;
	struct arena *arena = context->arena;
	struct import import;
	char *text;
	size_t size;
	int r;

	(void)words;
	r = file_read(arena, &text, &size, AT_FDCWD, path, NIXOS_CONF_SIZE_MAX);
	if (r < 0)
		return fail(r, "cannot read '%s'", path);
	import_begin(&import, arena, NULL, NULL, NULL);
	import_nixos(&import, path, text, size);
	r = import_end(&import);
	if (r >= 0)
		r = program_print(&context->program, import_print(arena, import.machines[0]));
	if (r >= 0)
		r = print_companion(context);
	for (size_t i = 0; i < import.note_count && r >= 0; i++)
		log_notice("%s", import_note_text(arena, &import.notes[i]));
	return r;
}
