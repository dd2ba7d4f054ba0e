#include <errno.h>
#include <netinet/in.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/macros.h"
#include "base/text.h"
#include "format/attachment.h"
#include "format/port.h"
#include "io/fd.h"
#include "machine/find.h"
#include "machine/network-attach.h"
#include "machine/network-detach.h"
#include "machine/network-file.h"
#include "machine/network-list.h"
#include "machine/network-ports.h"
#include "net/facts.h"
#include "prog/machinectl/machinectl.h"

/* ---- what both verbs share ---- */

typedef int machine_fn(const struct context *context, struct table *table,
		       const struct machine *machine, bool many);

/* Of the machine that WORDS name behind the first, or of all; then its name is a column. */
static int list(struct context *context, const struct text_list *words,
		const struct column *columns, size_t count, machine_fn *add, const char *things)
{
	bool many = words->count < 2;
	struct machine *machines, one;
	struct table table;
	size_t found = 1;
	int r;

	machines = &one;
	r = many ? machine_list(context->arena, &machines, &found, context->runtime)
		 : machine_open(context->arena, &one, context->runtime, words->items[1]);
	if (r < 0)
		return r;
	table_init(&table, context->arena, many ? columns : columns + 1, many ? count : count - 1);
	for (size_t i = 0; i < found && r >= 0; i++)
		r = add(context, &table, &machines[i], many);
	return r < 0 ? r : program_print_table(&context->program, &table, things);
}

static int fail_words(const char *verb, const char *use)
{
	return fail_input("cannot run '%s' like this (try '%s %s')", verb, verb, use);
}

/* ---- port ---- */

static const struct column port_columns[] = {
	{ .title = "MACHINE" }, { .title = "PROTOCOL" },  { .title = "ADDRESS" },
	{ .title = "HOST" },	{ .title = "CONTAINER" },
};

static void add_range(const struct context *context, struct table *table, unsigned int first,
		      unsigned int count)
{
	table_text(table,
		   count == 1 ? arena_format(context->arena, "%u", first)
			      : arena_format(context->arena, "%u-%u", first, first + count - 1));
}

static int add_ports(const struct context *context, struct table *table,
		     const struct machine *machine, bool many)
{
	autoclose int directory = record_open_runtime(machine->runtime, "machines");
	struct facts facts = { 0 };
	int r = directory;

	if (r >= 0)
		r = network_file_read_of(context->arena, &facts, directory, machine->name,
					 machine->content.tag);
	if (r < 0 && r != -ENOENT)
		return fail(r, "cannot read the network of machine '%s'", machine->name);
	for (size_t i = 0; i < facts.port_count; i++) {
		const struct port *port = &facts.ports[i];
		char address[IP_TEXT_ROOM];

		if (many)
			table_text(table, machine->name);
		table_text(table, port->protocol == IPPROTO_UDP ? "udp" : "tcp");
		table_text(table,
			   port->address.family == 0
				   ? NULL
				   : arena_text(context->arena, ip_text(address, &port->address)));
		add_range(context, table, port->host, port->count);
		add_range(context, table, port->container, port->count);
	}
	return 0;
}

static int change_ports(struct context *context, const struct text_list *words, bool add)
{
	size_t count = words->count - 2;
	struct port *ports = arena_take_array(context->arena, count, sizeof(*ports));
	struct machine machine;
	int r;

	for (size_t i = 0; i < count; i++) {
		const char *why;

		if (port_parse(&ports[i], words->items[i + 2], &why) < 0)
			return fail_input("cannot understand the port '%s': %s",
					  words->items[i + 2], why);
	}
	r = machine_open_begun(context->arena, &machine, context->runtime, words->items[1]);
	if (r < 0)
		return r;
	return add ? network_ports_add(context->arena, &machine, ports, count)
		   : network_ports_remove(context->arena, &machine, ports, count);
}

int verb_port(void *context_, const struct text_list *words)
{
	struct context *context = context_;
	const char *what = words->items[0];

	if (text_equal(what, "list") && words->count <= 2)
		return list(context, words, port_columns, ARRAY_SIZE(port_columns), add_ports,
			    "ports");
	if (text_equal(what, "add") && words->count > 2)
		return change_ports(context, words, true);
	if (text_equal(what, "remove") && words->count > 2)
		return change_ports(context, words, false);
	return fail_words("port", "add NAME PORT...', 'port remove NAME PORT...' or 'port list");
}

/* ---- network ---- */

static const struct column network_columns[] = {
	{ .title = "MACHINE" }, { .title = "NAME" },	  { .title = "KIND" },
	{ .title = "HOST" },	{ .title = "ADDRESSES" },
};

static int add_interfaces(const struct context *context, struct table *table,
			  const struct machine *machine, bool many)
{
	struct network_list_item *items;
	size_t count;
	int r = network_list(context->arena, &items, &count, machine);

	/* Of all machines there is nothing to tell of those that have none, or end just now. */
	if (r < 0 && many) {
		fail_forget();
		return 0;
	}
	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++) {
		if (many)
			table_text(table, machine->name);
		table_text(table, items[i].name);
		table_text(table, items[i].kind);
		table_text(table, items[i].host);
		table_text(table, items[i].addresses);
	}
	return 0;
}

static int attach(struct context *context, const struct text_list *words)
{
	struct attachment attachment;
	struct machine machine;
	const char *why;
	char *name;
	int r;

	/* All of them are looked at before the first is made. */
	for (size_t i = 2; i < words->count; i++)
		if (attachment_parse(&attachment, words->items[i], &why) < 0)
			return fail_input("cannot attach '%s': %s", words->items[i], why);
	r = machine_open_begun(context->arena, &machine, context->runtime, words->items[1]);
	for (size_t i = 2; i < words->count && r >= 0; i++) {
		(void)attachment_parse(&attachment, words->items[i], &why);
		r = network_attach(context->arena, &name, &machine, &attachment);
		if (r >= 0 && !context->options.quiet)
			r = program_print(&context->program,
					  arena_format(context->arena, "%s\n", name));
	}
	return r;
}

static int detach(struct context *context, const struct text_list *words)
{
	struct machine machine;
	int r = machine_open_begun(context->arena, &machine, context->runtime, words->items[1]);

	for (size_t i = 2; i < words->count && r >= 0; i++)
		r = network_detach(context->arena, &machine, words->items[i]);
	return r;
}

int verb_network(void *context_, const struct text_list *words)
{
	struct context *context = context_;
	const char *what = words->items[0];

	if (text_equal(what, "list") && words->count <= 2)
		return list(context, words, network_columns, ARRAY_SIZE(network_columns),
			    add_interfaces, "interfaces");
	if (text_equal(what, "attach") && words->count > 2)
		return attach(context, words);
	if (text_equal(what, "detach") && words->count > 2)
		return detach(context, words);
	return fail_words("network", "attach NAME WHAT...', 'network detach NAME INTERFACE...' or "
				     "'network list");
}
