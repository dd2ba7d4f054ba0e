#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/name-clean.h"
#include "base/names.h"
#include "base/path.h"
#include "base/text.h"
#include "spec/check.h"
#include "spec/readers.h"
#include "spec/settings.h"

#define ID_RANGE 65536

static int derive_machine_name(struct arena *arena, struct spec *spec,
			       const struct resolve_facts *facts)
{
	const char *path = spec->directory ? spec->directory
			   : spec->image   ? spec->image
					   : spec->mstack;
	const char *name;
	char *stem;

	if (!path)
		path = spec->oci_bundle;
	name = text_equal(path, "/") ? facts->host_name : path_name(path);
	stem = arena_text(arena, name ? name : "");
	if (!spec->directory && text_ends(stem, ".raw"))
		stem[strlen(stem) - strlen(".raw")] = '\0';
	else if (!spec->directory && text_ends(stem, ".mstack"))
		stem[strlen(stem) - strlen(".mstack")] = '\0';

	spec->machine = name_clean(arena, stem);
	if (!spec->machine || !name_is_machine(spec->machine))
		return fail_input("cannot name the machine after '%s' (try --machine=NAME)", path);
	return 0;
}

static bool has_other_root(const struct spec *spec)
{
	return spec->mstack || spec->oci_bundle;
}

int spec_resolve_name(struct arena *arena, struct spec *spec, const struct resolve_facts *facts)
{
	int r = check_image(arena, spec);

	if (r < 0)
		return r;
	/* A copy that would be thrown away at once is better not made. */
	if (spec->template && !spec->directory && spec->ephemeral == TRISTATE_YES) {
		spec->directory = spec->template;
		spec->template = NULL;
	}
	if (!spec->machine && !spec->directory && !spec->image && !has_other_root(spec))
		spec->directory = path_simplify(arena, facts->working_directory);
	if (!spec->machine)
		return derive_machine_name(arena, spec, facts);
	return 0;
}

static void add_variable(struct arena *arena, struct spec *spec, char *variable)
{
	const struct setting *words = setting_by_key("Exec", "Parameters");
	uint32_t *line = &spec->setting_line[setting_by_key("Exec", "Environment") - spec_settings];

	text_list_add(arena, &spec->environment, variable);
	if (*line == 0)
		*line = spec->setting_line[words - spec_settings];
}

/* As on the kernel's command line: NAME=VALUE without a dot in NAME becomes a variable of init's
 * environment, with "_" for "-"; the rest are its arguments. */
static void split_boot_parameters(struct arena *arena, struct spec *spec)
{
	struct text_list words = spec->parameters;

	text_list_clear(&spec->parameters);
	for (size_t i = 0; i < words.count; i++) {
		size_t length = strcspn(words.items[i], "=");
		char *variable = arena_text(arena, words.items[i]);

		for (size_t c = 0; c < length; c++)
			if (variable[c] == '-')
				variable[c] = '_';
		if (!memchr(variable, '.', length) && name_is_environment(variable))
			add_variable(arena, spec, variable);
		else
			text_list_add(arena, &spec->parameters, words.items[i]);
	}
}

static void resolve_start(struct arena *arena, struct spec *spec)
{
	if (spec->boot == TRISTATE_YES || spec->init != NULL)
		spec->start = START_BOOT;
	else if (spec->as_pid2 == TRISTATE_YES)
		spec->start = START_PID2;
	else
		spec->start = START_COMMAND;
	if (spec->start == START_BOOT)
		split_boot_parameters(arena, spec);
}

static void resolve_users(struct spec *spec, const struct resolve_facts *facts)
{
	bool root = facts->uid == 0;

	if (spec->userns == USERNS_UNSET)
		spec->userns = USERNS_PICK;
	if (spec->ownership == OWNERSHIP_UNSET)
		spec->ownership = spec->userns == USERNS_PICK || spec->userns == USERNS_MANAGED
					  ? OWNERSHIP_AUTO
					  : OWNERSHIP_OFF;
	/* Without root no owner can be mapped or changed: the tree belongs to the ids that the
	 * container gets. */
	if (!root && spec->ownership == OWNERSHIP_AUTO)
		spec->ownership = OWNERSHIP_OFF;
	if (spec->userns != USERNS_NO && spec->uid_range == 0)
		spec->uid_range = ID_RANGE;
}

static void resolve_console(struct spec *spec, const struct resolve_facts *facts)
{
	bool terminals = facts->stdin_is_terminal && facts->stdout_is_terminal;

	if (spec->console == CONSOLE_UNSET)
		spec->console = terminals ? CONSOLE_INTERACTIVE : CONSOLE_READ_ONLY;
	else if (spec->console == CONSOLE_AUTOPIPE)
		spec->console = terminals ? CONSOLE_INTERACTIVE : CONSOLE_PIPE;
	if (spec->console != CONSOLE_PIPE)
		return;
	if (terminals && !spec->quiet)
		log_notice("the container gets our terminal itself, and may type into it (try "
			   "--console=interactive)");
	spec->quiet = true;
}

static void settle(int *state)
{
	if (*state == TRISTATE_UNSET)
		*state = TRISTATE_NO;
}

/* Whoever names an address wants a link that has it. */
static bool is_extra(const struct spec *spec, const char *name)
{
	for (size_t i = 0; i < spec->veth_extras.count; i++) {
		const struct interface_pair *pair = &spec->veth_extras.items[i];

		if (text_equal(pair->container ? pair->container : pair->host, name))
			return true;
	}
	return false;
}

/* [X-Network:LINK] makes one, unless the link is somebody's already, or options say how the
 * network is. */
static void resolve_extra_links(struct arena *arena, struct spec *spec)
{
	struct interface_list *list = &spec->veth_extras;

	for (size_t i = 0; i < spec->extra_links.count; i++) {
		const char *name = spec->extra_links.items[i].name;
		struct interface_pair *pair;

		if (is_extra(spec, name))
			continue;
		if (spec->group_origin[GROUP_NETWORK] == BY_OPTION ||
		    spec->network_namespace_path) {
			log_warning("there is no link '%s' for [X-Network:%s] (see "
				    "--network-veth-extra=), going on without",
				    name, name);
			continue;
		}
		pair = list_grow(arena, (void **)&list->items, &list->count, sizeof(*pair));
		pair->host = name;
	}
}

static void resolve_network(struct spec *spec)
{
	const struct addressing *addressing = &spec->addressing;
	bool wanted = addressing->mode == ADDRESSES_AUTO || addressing->mode == ADDRESSES_GIVEN ||
		      addressing->host_addresses.count > 0 || spec_names_mac(spec);
	bool links = spec->network_bridge || spec->network_zone || spec->interfaces.count > 0 ||
		     spec->macvlans.count > 0 || spec->ipvlans.count > 0;

	if (wanted && !links && spec->network_veth == TRISTATE_UNSET &&
	    !spec->network_namespace_path)
		spec->network_veth = TRISTATE_YES;
	settle(&spec->network_veth);
	settle(&spec->private_network);
}

static void resolve_rest(struct arena *arena, struct spec *spec)
{
	settle(&spec->ephemeral);
	settle(&spec->read_only);
	settle(&spec->notify_ready);
	settle(&spec->suppress_sync);
	settle(&spec->no_new_privileges);
	resolve_extra_links(arena, spec);
	resolve_network(spec);
	if (spec->share_pid || spec->share_uts)
		spec->registration = REGISTER_NO;
}

/* As text, but a "/" goes before every other byte, so that a directory stands before what is in
 * it. */
static int path_order(const char *a, const char *b)
{
	int x, y;

	while (*a && *a == *b)
		a++, b++;
	x = *a == '/' ? 1 : *a ? (unsigned char)*a + 1 : 0;
	y = *b == '/' ? 1 : *b ? (unsigned char)*b + 1 : 0;
	return x - y;
}

/* Parents first; what goes to the same place keeps its order, and so the last one is on top. */
static void sort_mounts(struct custom_mount_list *mounts)
{
	for (size_t i = 1; i < mounts->count; i++) {
		struct custom_mount mount = mounts->items[i];
		size_t place = i;

		for (; place > 0; place--) {
			const struct custom_mount *before = &mounts->items[place - 1];

			if (path_order(before->destination, mount.destination) <= 0)
				break;
			mounts->items[place] = *before;
		}
		mounts->items[place] = mount;
	}
}

int spec_resolve(struct arena *arena, struct spec *spec, const struct resolve_facts *facts)
{
	int r = spec_resolve_name(arena, spec, facts);

	if (r < 0)
		return r;
	resolve_start(arena, spec);
	resolve_users(spec, facts);
	resolve_rest(arena, spec);
	r = check_combinations(spec, facts);
	if (r < 0)
		return r;
	r = check_unbuilt(arena, spec);
	if (r < 0)
		return r;
	resolve_console(spec, facts);
	sort_mounts(&spec->mounts);
	return 0;
}
