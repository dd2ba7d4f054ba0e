#include "spec/spec.h"

#include <string.h>

#include "base/list.h"
#include "base/text.h"
#include "spec/field.h"

#define BIT(number) (UINT64_C(1) << (number))

/* Reference, 10.1, by the numbers of linux/capability.h: chown dac_override dac_read_search
 * fowner fsetid kill setgid setuid setpcap linux_immutable net_bind_service net_broadcast
 * net_raw ipc_owner sys_chroot sys_ptrace sys_admin sys_boot sys_nice sys_resource
 * sys_tty_config mknod lease audit_write audit_control setfcap. */
#define CAPABILITIES_KEPT                                                                          \
	(BIT(0) | BIT(1) | BIT(2) | BIT(3) | BIT(4) | BIT(5) | BIT(6) | BIT(7) | BIT(8) | BIT(9) | \
	 BIT(10) | BIT(11) | BIT(13) | BIT(15) | BIT(18) | BIT(19) | BIT(21) | BIT(22) | BIT(23) | \
	 BIT(24) | BIT(26) | BIT(27) | BIT(28) | BIT(29) | BIT(30) | BIT(31))
#define NET_BIND_SERVICE 10
#define NET_ADMIN 12

void spec_init(struct spec *spec)
{
	*spec = (struct spec){
		.settings = SETTINGS_YES,
		.registration = REGISTER_AUTO,
		.ephemeral = TRISTATE_UNSET,
		.read_only = TRISTATE_UNSET,
		.boot = TRISTATE_UNSET,
		.as_pid2 = TRISTATE_UNSET,
		.notify_ready = TRISTATE_UNSET,
		.suppress_sync = TRISTATE_UNSET,
		.private_network = TRISTATE_UNSET,
		.network_veth = TRISTATE_UNSET,
		.addressing.nat = TRISTATE_UNSET,
		.no_new_privileges = TRISTATE_UNSET,
		.resolv_conf = RESOLV_AUTO,
		.timezone = TIMEZONE_AUTO,
		.link_journal = JOURNAL_AUTO,
		.container_service = "systemd-nspawn",
	};
	health_init(&spec->health);
}

static void forget_network(struct spec *spec)
{
	spec->private_network = spec->network_veth = TRISTATE_UNSET;
	spec->network_bridge = spec->network_zone = spec->network_namespace_path = NULL;
	memset(&spec->interfaces, 0, sizeof(spec->interfaces));
	memset(&spec->macvlans, 0, sizeof(spec->macvlans));
	memset(&spec->ipvlans, 0, sizeof(spec->ipvlans));
	memset(&spec->veth_extras, 0, sizeof(spec->veth_extras));
}

static void forget_addresses(struct addressing *addressing)
{
	addressing->mode = ADDRESSES_UNSET;
	addressing->no_gateway = false;
	memset(&addressing->addresses, 0, sizeof(addressing->addresses));
	memset(&addressing->host_addresses, 0, sizeof(addressing->host_addresses));
	memset(addressing->gateway, 0, sizeof(addressing->gateway));
	memset(&addressing->routes, 0, sizeof(addressing->routes));
}

static void forget_policy(struct addressing *addressing)
{
	addressing->nat = TRISTATE_UNSET;
	addressing->dns = DNS_AUTO;
	addressing->egress_set = false;
	text_list_clear(&addressing->egress);
}

static void forget_start(struct spec *spec)
{
	spec->boot = spec->as_pid2 = TRISTATE_UNSET;
	text_list_clear(&spec->parameters);
}

static void forget_ids(struct spec *spec)
{
	spec->userns = USERNS_UNSET;
	spec->ownership = OWNERSHIP_UNSET;
	spec->uid_base = spec->uid_range = spec->userns_delegate = 0;
}

const char *spec_file_of(const struct spec *spec, uint32_t line)
{
	size_t part = line >> 24;

	return part < spec->settings_files.count ? spec->settings_files.items[part] : ".nspawn";
}

/* Groups that hold one value need no case here: the file's value takes its place. */
void spec_forget_group(struct spec *spec, enum setting_group group)
{
	for (size_t i = 0; i < spec_settings_count && group != GROUP_CAPABILITY; i++)
		if (spec_settings[i].group == group)
			spec->setting_line[i] = 0;
	switch (group) {
	case GROUP_START_MODE: forget_start(spec); break;
	case GROUP_ENVIRONMENT: text_list_clear(&spec->environment); break;
	case GROUP_USERNS: forget_ids(spec); break;
	case GROUP_SYSCALL_FILTER:
		text_list_clear(&spec->syscall_allow);
		text_list_clear(&spec->syscall_deny);
		break;
	case GROUP_ADDRESS_FAMILIES:
		spec->address_families_set = spec->address_families_deny = false;
		text_list_clear(&spec->address_families);
		break;
	case GROUP_CPU_AFFINITY:
		spec->cpu_affinity_set = false;
		memset(spec->cpu_affinity, 0, sizeof(spec->cpu_affinity));
		break;
	case GROUP_CUSTOM_MOUNTS: memset(&spec->mounts, 0, sizeof(spec->mounts)); break;
	case GROUP_BIND_USER: text_list_clear(&spec->bind_users); break;
	case GROUP_NETWORK: forget_network(spec); break;
	case GROUP_EXPOSE_PORTS: memset(&spec->ports, 0, sizeof(spec->ports)); break;
	case GROUP_ADDRESSES: forget_addresses(&spec->addressing); break;
	case GROUP_LINK:
		spec->addressing.interface_name = NULL;
		spec->addressing.mac_set = false;
		break;
	case GROUP_POLICY: forget_policy(&spec->addressing); break;
	case GROUP_CREDENTIALS: memset(&spec->credentials, 0, sizeof(spec->credentials)); break;
	default: break;
	}
}

bool spec_has_private_network(const struct spec *spec)
{
	return spec->private_network == TRISTATE_YES || spec->network_veth == TRISTATE_YES ||
	       spec->network_bridge || spec->network_zone || spec->interfaces.count > 0 ||
	       spec->macvlans.count > 0 || spec->ipvlans.count > 0 || spec->veth_extras.count > 0;
}

bool spec_names_mac(const struct spec *spec)
{
	return spec->addressing.mac_set && spec->group_origin[GROUP_LINK] != BY_DEFAULT;
}

uint64_t spec_capabilities(const struct spec *spec)
{
	uint64_t kept = CAPABILITIES_KEPT | spec->capability_plus;

	/* With a network of its own there is nothing of the host's to administrate. With the
	 * host's network and foreign ids, a low port would be taken from the host in the name of
	 * somebody else. */
	if (spec_has_private_network(spec))
		kept |= BIT(NET_ADMIN);
	else if (spec->userns != USERNS_NO)
		kept &= ~BIT(NET_BIND_SERVICE);
	return kept & ~spec->capability_minus;
}

bool spec_tree_is_read_only(const struct spec *spec)
{
	if (spec->read_only == TRISTATE_YES || spec->volatile_mode != VOLATILE_NO)
		return true;
	for (size_t i = 0; i < spec->mounts.count; i++)
		if (text_equal(spec->mounts.items[i].destination, "/"))
			return true;
	return false;
}

const char *spec_limit_name(int resource)
{
	return resource >= 0 && resource < RLIM_NLIMITS ? field_limit_words[resource] : NULL;
}
