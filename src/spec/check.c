#include "spec/check.h"

#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/text.h"
#include "spec/readers.h"
#include "spec/settings.h"

static int check_roots(const struct spec *spec)
{
	if (spec->directory && spec->image)
		return fail_input(
			"cannot use '--directory=' and '--image=' together (leave one out)");
	if (spec->mstack && (spec->directory || spec->image))
		return fail_input("cannot use '--mstack=' and '--%s=' together (leave one out)",
				  spec->directory ? "directory" : "image");
	if (spec->ephemeral == TRISTATE_YES && spec->mstack)
		return fail_input("cannot use '--ephemeral' and '--mstack=' together (try "
				  "--volatile=overlay)");
	if (spec->oci_bundle && (spec->directory || spec->image || spec->mstack || spec->template))
		return fail_input(
			"cannot use '--oci-bundle=' together with another root (leave one out)");
	if (spec->template && (spec->image || spec->mstack))
		return fail_input(
			"cannot use '--template=' and '--%s=' together (try --directory=)",
			spec->image ? "image" : "mstack");
	if (spec->template && !spec->directory && !spec->machine && spec->ephemeral != TRISTATE_YES)
		return fail_input("cannot use '--template=%s' without a place for the copy "
				  "(try --directory=PATH or --machine=NAME)",
				  spec->template);
	return 0;
}

static int check_tree(const struct spec *spec)
{
	if (spec->template && spec->ephemeral == TRISTATE_YES)
		return fail_input("cannot use '--template=' and '--ephemeral' together: one makes "
				  "a copy that stays, "
				  "the other one that goes (leave one out)");
	if (spec->cleanup && spec->ephemeral == TRISTATE_YES)
		return fail_input("cannot use '--cleanup' and '--ephemeral' together: nothing of "
				  "an ephemeral "
				  "machine has a lasting name (leave --ephemeral out)");
	if (spec->ephemeral == TRISTATE_YES && !spec->link_journal_try &&
	    (spec->link_journal == JOURNAL_HOST || spec->link_journal == JOURNAL_GUEST))
		return fail_input("cannot use '--ephemeral' and '--link-journal=%s' together: the "
				  "journal would "
				  "outlive its machine (try --link-journal=try-%s)",
				  spec->link_journal == JOURNAL_HOST ? "host" : "guest",
				  spec->link_journal == JOURNAL_HOST ? "host" : "guest");
	if (text_equal(spec->directory, "/") && spec->ephemeral != TRISTATE_YES &&
	    spec->volatile_mode != VOLATILE_YES && spec->volatile_mode != VOLATILE_STATE)
		return fail_input("cannot use '--directory=/': the host would share its root with "
				  "the container "
				  "(try --ephemeral or --volatile=yes)");
	if (spec->ownership == OWNERSHIP_CHOWN &&
	    (spec->read_only == TRISTATE_YES || spec->volatile_mode != VOLATILE_NO))
		return fail_input("cannot use '--private-users-ownership=chown' and '%s' together: "
				  "the owners on disk "
				  "could not be changed (try --private-users-ownership=map)",
				  spec->volatile_mode ? "--volatile=" : "--read-only");
	return 0;
}

static int check_start(const struct spec *spec)
{
	if (spec->start == START_BOOT && spec->as_pid2 == TRISTATE_YES)
		return fail_input("cannot use '%s' and '--as-pid2' together: an init program "
				  "must be PID 1 "
				  "(leave one out)",
				  spec->init != NULL ? "--init=" : "--boot");
	if ((spec->share_pid || spec->share_uts) && spec->start != START_COMMAND)
		return fail_input("cannot use '%s' with the host's %s namespace "
				  "(leave --share-system and SYSTEMD_NSPAWN_SHARE_… out)",
				  spec->start == START_BOOT ? "--boot" : "--as-pid2",
				  spec->share_pid ? "process" : "host name");
	if (spec->bind_users.count == 0 && spec->bind_user_shell)
		return fail_input(
			"cannot use '--bind-user-shell=' without a user (try --bind-user=NAME)");
	if (spec->bind_users.count == 0 && spec->bind_user_groups.count > 0)
		return fail_input(
			"cannot use '--bind-user-group=' without a user (try --bind-user=NAME)");
	for (size_t i = 0; i < ARRAY_SIZE(spec->forward_journal_limits); i++)
		if (spec->forward_journal_limits[i] && !spec->forward_journal)
			return fail_input("cannot limit a journal that is not forwarded "
					  "(try --forward-journal=PATH)");
	return 0;
}

/* What of [X-Network] is said of links that are not there, or not ours. */
static int check_addressing(const struct spec *spec)
{
	const struct addressing *addressing = &spec->addressing;
	bool ours = spec->network_veth == TRISTATE_YES || spec->network_zone;
	bool any = ours || spec->network_bridge || spec->macvlans.count > 0 ||
		   spec->ipvlans.count > 0 || spec->interfaces.count > 0;
	bool addresses = addressing->mode == ADDRESSES_GIVEN;

	if ((addresses || addressing->host_addresses.count > 0 || spec_names_mac(spec)) && !any)
		return fail_input("cannot use '--network-address=', '--network-host-address=' or "
				  "'--network-mac=' without a link (try --network-veth)");
	if (addressing->mode == ADDRESSES_AUTO && !(ours && !spec->network_bridge))
		return fail_input("cannot use '--network-address=auto' with a link that leads to "
				  "somebody else's network (name the address, or try "
				  "--network-veth)");
	if (addressing->host_addresses.count > 0 && (!ours || spec->network_bridge))
		return fail_input(
			"cannot use '--network-host-address=' with a link whose other end "
			"is not ours (try --network-veth)");
	if (!addresses && (addressing->routes.count > 0 || addressing->gateway[0].family != 0 ||
			   addressing->gateway[1].family != 0))
		return fail_input(
			"cannot use '--network-gateway=' or '--network-route=' without an "
			"address (try --network-address=)");
	if (addressing->egress_set &&
	    (!ours || spec->network_bridge || spec->macvlans.count > 0 || spec->ipvlans.count > 0 ||
	     spec->interfaces.count > 0 || spec->veth_extras.count > 0))
		return fail_input("cannot use '--network-egress=' unless all that the container "
				  "sends comes through a link of ours (try --network-veth or "
				  "--network-zone=, and no other link)");
	return 0;
}

static int check_further(const struct spec *spec)
{
	for (size_t i = 0; i < spec->extra_links.count; i++) {
		const struct extra_link *link = &spec->extra_links.items[i];

		if (link->addressing.mode == ADDRESSES_AUTO && link->bridge != NULL)
			return fail_input("cannot use 'Address=auto' of [X-Network:%s] with a "
					  "bridge, which leads to somebody else's network (name "
					  "the address)",
					  link->name);
	}
	return 0;
}

static int check_network(const struct spec *spec)
{
	int r;
	bool links = spec->network_veth == TRISTATE_YES || spec->network_bridge ||
		     spec->network_zone || spec->interfaces.count > 0 || spec->macvlans.count > 0 ||
		     spec->ipvlans.count > 0 || spec->veth_extras.count > 0;

	if (spec->network_namespace_path && links)
		return fail_input("cannot use '--network-namespace-path=' together with interfaces "
				  "of our own: that "
				  "network is somebody else's (leave one out)");
	if (spec->network_bridge && spec->network_zone)
		return fail_input("cannot use '--network-bridge=' and '--network-zone=' together "
				  "(leave one out)");
	r = check_addressing(spec);
	if (r >= 0)
		r = check_further(spec);
	if (r < 0)
		return r;
	if (spec->ports.count > 0 && !spec_has_private_network(spec))
		return fail_input("cannot use '--port=' with the host's network, where every port "
				  "is the host's "
				  "(try --network-veth)");
	/* Neither do a macvlan's or an ipvlan's packets pass the host, nor do those of hardware. */
	if (spec->ports.count > 0 && spec->network_veth != TRISTATE_YES && !spec->network_bridge &&
	    !spec->network_zone)
		log_warning("'--port=' leads nowhere unless the container's first link is one to "
			    "the host (try --network-veth), going on without");
	return 0;
}

static int check_capabilities(const struct spec *spec)
{
	if (spec->capability_ambient == 0)
		return 0;
	if (spec->start == START_BOOT)
		return fail_input("cannot use '--ambient-capability=' and '--boot' together: an "
				  "init program has all "
				  "that the container has (leave one out)");
	if (spec->capability_ambient & ~spec_capabilities(spec))
		return fail_input(
			"cannot use '--ambient-capability=' for what the container does not keep "
			"(try the same names with --capability=)");
	return 0;
}

static int check_users(const struct spec *spec)
{
	bool private_network = spec_has_private_network(spec);

	if (spec->userns == USERNS_NO)
		return 0;
	if (spec->api_vfs == API_VFS_WRITABLE)
		return fail_input("cannot make /proc and /sys writable "
				  "(SYSTEMD_NSPAWN_API_VFS_WRITABLE) in a user "
				  "namespace (try --private-users=no)");
	if (spec->api_vfs == API_VFS_NETWORK && !private_network)
		return fail_input("cannot show the network's part of /sys "
				  "(SYSTEMD_NSPAWN_API_VFS_WRITABLE=network) in a "
				  "user namespace with the host's network (try --private-network)");
	if (spec->userns == USERNS_MANAGED && !private_network)
		return fail_input("cannot use '--private-users=managed' with the host's network "
				  "(try --private-network)");
	if (spec->userns_delegate > 0 && spec->userns != USERNS_MANAGED)
		return fail_input(
			"cannot use '--private-users-delegate=' with ids of one's own choosing "
			"(try --private-users=managed)");
	return 0;
}

static int check_mounts(const struct spec *spec)
{
	for (size_t i = 0; i < spec->mounts.count; i++) {
		const struct custom_mount *mount = &spec->mounts.items[i];

		if (mount->idmap != IDMAP_NONE && spec->userns == USERNS_NO)
			return fail_input(
				"cannot map the owners of '%s' (%s) without a user namespace "
				"(try --private-users=pick, or noidmap)",
				mount->words, mount->reason);
		/* The mount is the tree then: nobody could read a base from it or map what it is
		 * made of. */
		if (text_equal(mount->destination, "/") && spec->userns != USERNS_NO &&
		    (spec->userns != USERNS_FIXED || spec->ownership != OWNERSHIP_OFF))
			return fail_input("cannot mount '%s' (%s) over the container's root with "
					  "ids that are not known "
					  "before (try --private-users=no, or BASE with "
					  "--private-users-ownership=off)",
					  mount->words, mount->reason);
	}
	return 0;
}

static int check_rights(const struct spec *spec, const struct resolve_facts *facts)
{
	if (facts->uid == 0) {
		if (spec->scope_user)
			return fail_input(
				"cannot use '--user' as root: root has the host's service manager "
				"(try --uid=NAME to choose a user of the container)");
		return 0;
	}
	if (spec->scope_system)
		return fail_input("cannot use '--system' without root (leave it out)");
	if (spec->userns == USERNS_NO || spec->userns == USERNS_FROM_TREE)
		return fail_input("cannot use '--private-users=%s' without root: only a user "
				  "namespace gives the "
				  "rights that a container needs (leave it out)",
				  spec->userns == USERNS_NO ? "no" : "yes");
	if (spec->userns == USERNS_FIXED && spec->uid_base == 0)
		return fail_input("cannot use '--private-users=identity' without root: these ids "
				  "are not ours "
				  "(leave it out)");
	if (spec->ownership == OWNERSHIP_MAP)
		return fail_input("cannot use '--private-users-ownership=map' without root: the "
				  "kernel lets only root "
				  "map a file system's owners (leave it out)");
	return 0;
}

int check_combinations(const struct spec *spec, const struct resolve_facts *facts)
{
	int r;

	r = check_start(spec);
	if (r == 0)
		r = check_tree(spec);
	if (r == 0)
		r = check_network(spec);
	if (r == 0)
		r = check_rights(spec, facts);
	if (r == 0)
		r = check_users(spec);
	if (r == 0)
		r = check_capabilities(spec);
	if (r == 0)
		r = check_mounts(spec);
	return r;
}

static int refuse_unbuilt(const struct spec *spec, const struct setting *row, const char *value,
			  const char *why)
{
	uint32_t line = spec->setting_line[row - spec_settings];

	if (line > 0 && line != SPEC_LINE_OPTION)
		return fail_input("cannot use '%s=%s' in %s line %u: %s", strchr(row->key, '.') + 1,
				  value, spec_file_of(spec, line), SPEC_LINE_NUMBER(line), why);
	return fail_input("cannot use '--%s%s%s': %s", row->option, *value ? "=" : "", value, why);
}

static bool is_asked(struct arena *arena, const struct setting *row, const struct spec *spec)
{
	if (text_equal(row->option, "background"))
		return !text_empty(spec->background); /* "": no tint, which is what there is */
	return row->print(arena, row, spec) != NULL;
}

int check_unbuilt(struct arena *arena, const struct spec *spec)
{
	bool ambiguous;

	/* What a scope would have been, where none is made. */
	if (spec->keep_unit && spec->slice != NULL)
		log_notice("'--slice=' means nothing with '--keep-unit', going on without");
	if (spec->keep_unit && spec->properties.count > 0)
		log_notice("'--property=' means nothing with '--keep-unit', going on without");
	for (size_t i = 0; i < spec_settings_count; i++)
		if (spec_settings[i].unbuilt && is_asked(arena, &spec_settings[i], spec))
			return refuse_unbuilt(spec, &spec_settings[i], "",
					      spec_settings[i].unbuilt);
	if (spec->userns == USERNS_MANAGED)
		return refuse_unbuilt(
			spec, setting_by_option("private-users", 13, &ambiguous), "managed",
			"ids from a service are not built yet (try --private-users=pick)");
	if (spec->ownership == OWNERSHIP_FOREIGN)
		return refuse_unbuilt(spec,
				      setting_by_option("private-users-ownership", 23, &ambiguous),
				      "foreign",
				      "trees owned by the foreign id range are not built yet "
				      "(try --private-users-ownership=map or chown)");
	return 0;
}

int check_image(struct arena *arena, const struct spec *spec)
{
	int r = check_roots(spec);

	/* These have no place in a file: nothing that is read later can take them back. */
	for (size_t i = 0; r == 0 && i < spec_settings_count; i++)
		if (spec_settings[i].unbuilt && spec_settings[i].group == GROUP_DIRECTORY &&
		    is_asked(arena, &spec_settings[i], spec))
			r = refuse_unbuilt(spec, &spec_settings[i], "", spec_settings[i].unbuilt);
	return r;
}
