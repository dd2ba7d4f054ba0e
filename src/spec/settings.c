/* The master copy: one row for each option of the command line and each key of a .nspawn file.
 * The order is the order of --help. What stands in `unbuilt` is parsed and checked like the
 * rest, and spec_resolve() refuses it when somebody asked for it. */
#include "spec/settings.h"

#include <stddef.h>

#include "base/macros.h"
#include "spec/field.h"

#define FIELD(name) .offset = offsetof(struct spec, name)

#define NO_VERITY "looking at signatures of root hashes is not built yet (try without)"
#define ENCRYPTED                                                                                  \
	"decrypting what systemd has encrypted is not built yet (try LoadCredentialEncrypted= in " \
	"[X-Service], and Load=ID:ID here)"
#define NO_FORWARDING "forwarding a journal is not built yet (try --link-journal=)"

/* clang-format off */

static const char *const volatile_words[] = { "no", "yes", "state", "overlay", NULL };
static const char *const settings_words[] = { "yes", "no", "override", "trusted", NULL };
static const char *const register_words[] = { "auto", "no", "yes", NULL };
static const char *const ownership_words[] = { "off", "chown", "map", "foreign", "auto", NULL };
static const char *const users_words[] = { "yes", "no", "pick", "identity", "managed", NULL };
static const char *const console_words[] = {
	"interactive", "read-only", "passive", "pipe", "autopipe", NULL
};
static const char *const timezone_words[] = {
	"off", "auto", "copy", "bind", "symlink", "delete", NULL
};
static const char *const journal_words[] = {
	"no", "host", "guest", "try-host", "try-guest", "auto", NULL
};
static const char *const json_words[] = { "off", "pretty", "short", NULL };
static const char *const death_words[] = { "kill", "keep", NULL };
static const char *const reboot_words[] = { "restart", "exit", NULL };
static const char *const bool_words[] = { "yes", "no", NULL };
static const char *const resolv_words[] = {
	"off", "auto", "delete",
	"copy-host", "copy-static", "copy-uplink", "copy-stub",
	"replace-host", "replace-static", "replace-uplink", "replace-stub",
	"bind-host", "bind-static", "bind-uplink", "bind-stub", NULL
};

#define LIMIT_ROW(name_, resource_) \
	{ .key = "Exec.Limit" name_, .section = "Resources", .value = "VALUE|SOFT:HARD", \
	  .help = "set the limit " name_ " of the payload", \
	  .parse = field_limit, .print = field_print_limit, .constant = (resource_), \
	  .group = GROUP_RLIMIT_FIRST + (resource_), .flags = SETTING_TRUSTED }

/* What systemd knows of a unit, and Redd where no unit has it. */
#define SERVICE_ROW(name_, value_) \
	{ .key = "X-Service." name_, .section = "Service", .value = value_, \
	  .help = "the unit setting " name_ "= of the machine's service", \
	  .parse = field_service, .print = field_print_service, .group = GROUP_SERVICE, \
	  .flags = SETTING_REPEATS | SETTING_TRUSTED }

#define HEALTH_ROW(name_, value_) \
	{ .key = "X-Health." name_, .section = "Service", .value = value_, \
	  .help = "whether the machine works: " name_, \
	  .parse = field_health, .print = field_print_health, \
	  .group = GROUP_HEALTH, .flags = SETTING_TRUSTED }

const struct setting spec_settings[] = {
	{ .option = "help", .letter = 'h', .section = "General",
	  .help = "print this text",
	  .parse = field_flag, .print = field_print_flag, FIELD(help) },

	{ .option = "version", .section = "General",
	  .help = "print the version",
	  .parse = field_flag, .print = field_print_flag, FIELD(version) },

	{ .option = "print-plan", .section = "General",
	  .help = "print the steps that would be done, each with its reason, and do none",
	  .parse = field_flag, .print = field_print_flag, FIELD(explain_plan) },

	{ .option = "json", .section = "General", .value = "pretty|short|off",
	  .words = json_words,
	  .help = "print the plan as JSON",
	  .parse = field_json, .print = field_print_text, FIELD(json),
	  .flags = SETTING_HELP },

	{ .option = "quiet", .letter = 'q', .section = "General",
	  .help = "print nothing but what the container prints",
	  .parse = field_flag, .print = field_print_flag, FIELD(quiet) },

	{ .option = "no-pager", .section = "General",
	  .help = "accepted for compatibility: no pager is used",
	  .parse = field_flag, .print = field_print_flag, FIELD(no_pager) },

	{ .option = "no-ask-password", .section = "General",
	  .help = "never ask for a passphrase",
	  .parse = field_flag, .print = field_print_flag, FIELD(no_ask_password) },

	{ .option = "settings", .section = "General", .value = "MODE", .words = settings_words,
	  .help = "whether a .nspawn file is read, trusted, or wins over the command line",
	  .parse = field_word, .print = field_print_word, FIELD(settings),
	  .flags = SETTING_HELP },

	{ .option = "cleanup", .section = "General",
	  .help = "remove what an earlier run of this machine left behind, and start nothing",
	  .parse = field_flag, .print = field_print_flag, FIELD(cleanup) },

	{ .option = "introspect-cli", .section = "General",
	  .help = "describe the options to a program",
	  .unbuilt = "a description of the options for programs is not built yet (try --help)",
	  .parse = field_flag, .print = field_print_flag, FIELD(introspect),
	  .flags = SETTING_HIDDEN },

	/* ---- */

	{ .option = "directory", .letter = 'D', .section = "Image", .value = "PATH",
	  .help = "the tree that becomes the container's root",
	  .parse = field_path, .print = field_print_text, FIELD(directory),
	  .group = GROUP_DIRECTORY },

	{ .option = "template", .section = "Image", .value = "PATH",
	  .help = "make the tree as a copy of this one first, if it does not exist",
	  .parse = field_path, .print = field_print_text, FIELD(template),
	  .group = GROUP_DIRECTORY },

	{ .option = "ephemeral", .letter = 'x', .key = "Exec.Ephemeral", .section = "Image",
	  .help = "run on a snapshot that is thrown away at the end",
	  .parse = field_tristate, .print = field_print_tristate, FIELD(ephemeral),
	  .group = GROUP_EPHEMERAL,
	  .flags = SETTING_TRUSTED },

	{ .option = "image", .letter = 'i', .section = "Image", .value = "PATH",
	  .help = "a disk image or block device as the container's root",
	  .parse = field_path, .print = field_print_text, FIELD(image), .group = GROUP_DIRECTORY },

	{ .option = "image-policy", .section = "Image", .value = "POLICY",
	  .help = "which partitions of an image to use, and how protected they must be",
	  .unbuilt = "policies for disk images are not built yet (try without)",
	  .parse = field_policy, .print = field_print_text, FIELD(image_policy) },

	{ .option = "mstack", .section = "Image", .value = "PATH",
	  .help = "a directory of layers as the container's root",
	  .unbuilt = "layered images are not built yet (try --directory= with --overlay=)",
	  .parse = field_path, .print = field_print_text, FIELD(mstack), .group = GROUP_DIRECTORY },

	{ .option = "oci-bundle", .section = "Image", .value = "PATH",
	  .help = "run an OCI bundle",
	  .unbuilt = "OCI bundles are not built yet (try --directory= with the bundle's root "
	             "directory)",
	  .parse = field_path, .print = field_print_text, FIELD(oci_bundle),
	  .group = GROUP_DIRECTORY },

	{ .option = "read-only", .key = "Files.ReadOnly", .section = "Image",
	  .help = "let nothing write to the tree",
	  .parse = field_tristate, .print = field_print_tristate, FIELD(read_only),
	  .group = GROUP_READ_ONLY },

	{ .option = "volatile", .key = "Files.Volatile", .section = "Image", .value = "MODE",
	  .words = volatile_words,
	  .help = "keep changes in memory: of the whole root (yes), of /var (state), or over the "
	          "tree (overlay)",
	  .parse = field_word, .print = field_print_word, FIELD(volatile_mode),
	  .group = GROUP_VOLATILE,
	  .flags = SETTING_OPTIONAL_VALUE | SETTING_HELP },

	{ .option = "root-hash", .section = "Image", .value = "HASH",
	  .help = "root hash of an image protected by dm-verity",
	  .parse = field_root_hash, .print = field_print_text, FIELD(root_hash) },

	{ .option = "root-hash-sig", .section = "Image", .value = "PATH|base64:DATA",
	  .help = "signature of the root hash",
	  .unbuilt = NO_VERITY,
	  .parse = field_root_hash_sig, .print = field_print_text, FIELD(root_hash_sig) },

	{ .option = "verity-data", .section = "Image", .value = "PATH",
	  .help = "hash tree of an image, in a file of its own",
	  .parse = field_path, .print = field_print_text, FIELD(verity_data) },

	{ .option = "pivot-root", .key = "Exec.PivotRoot", .section = "Image",
	  .value = "NEW[:OLD]",
	  .help = "make a directory of the tree the root, and put the old root at OLD",
	  .parse = field_pivot_root, .print = field_print_pivot,
	  .group = GROUP_PIVOT_ROOT, .flags = SETTING_TRUSTED },

	/* ---- */

	{ .option = "as-pid2", .letter = 'a', .key = "Exec.ProcessTwo", .section = "Execution",
	  .help = "run the command as PID 2, below a small init of our own",
	  .parse = field_tristate, .print = field_print_tristate, FIELD(as_pid2),
	  .group = GROUP_START_MODE },

	{ .option = "boot", .letter = 'b', .key = "Exec.Boot", .section = "Execution",
	  .help = "look for an init program in the tree and run it as PID 1",
	  .parse = field_tristate, .print = field_print_tristate, FIELD(boot),
	  .group = GROUP_START_MODE },

	{ .option = "init", .key = "X-Nix.Init", .section = "Execution", .value = "PATH",
	  .help = "run this program of the container as its init, instead of looking for one",
	  .parse = field_chdir, .print = field_print_text, FIELD(init),
	  .group = GROUP_START_MODE },

	{ .key = "Exec.Parameters", .section = "Execution", .value = "WORDS",
	  .help = "the command and its arguments, or arguments for the init program",
	  .parse = field_texts, .print = field_print_texts, FIELD(parameters),
	  .group = GROUP_START_MODE,
	  .flags = SETTING_REPEATS | SETTING_RESETS },

	{ .option = "chdir", .key = "Exec.WorkingDirectory", .section = "Execution",
	  .value = "PATH",
	  .help = "start the command in this directory of the container",
	  .parse = field_chdir, .print = field_print_text, FIELD(working_directory),
	  .group = GROUP_WORKING_DIRECTORY },

	{ .option = "setenv", .letter = 'E', .key = "Exec.Environment", .section = "Execution",
	  .value = "NAME[=VALUE]",
	  .help = "set a variable for PID 1, or pass on the caller's",
	  .parse = field_setenv, .print = field_print_texts, FIELD(environment),
	  .group = GROUP_ENVIRONMENT,
	  .flags = SETTING_REPEATS | SETTING_RESETS },

	{ .option = "uid", .letter = 'u', .key = "Exec.User", .section = "Execution",
	  .value = "USER",
	  .help = "run the command as this user of the container",
	  .parse = field_user, .print = field_print_text, FIELD(user), .group = GROUP_USER },

	{ .option = "kill-signal", .key = "Exec.KillSignal", .section = "Execution",
	  .value = "SIGNAL", .words = field_signal_words,
	  .help = "the signal that asks PID 1 to shut down",
	  .parse = field_signal, .print = field_print_signal, FIELD(kill_signal),
	  .group = GROUP_KILL_SIGNAL,
	  .flags = SETTING_HELP },

	{ .option = "notify-ready", .key = "Exec.NotifyReady", .section = "Execution",
	  .value = "BOOL", .words = bool_words,
	  .help = "report readiness when the container's PID 1 does",
	  .parse = field_tristate, .print = field_print_tristate, FIELD(notify_ready),
	  .group = GROUP_NOTIFY_READY },

	{ .option = "suppress-sync", .key = "Exec.SuppressSync", .section = "Execution",
	  .value = "BOOL", .words = bool_words,
	  .help = "let fsync() and its kin do nothing for the payload",
	  .parse = field_tristate, .print = field_print_tristate, FIELD(suppress_sync),
	  .group = GROUP_SUPPRESS_SYNC },

	/* ---- */

	{ .option = "machine", .letter = 'M', .section = "Identity", .value = "NAME",
	  .help = "the machine's name",
	  .parse = field_machine, .print = field_print_text, FIELD(machine) },

	{ .option = "hostname", .key = "Exec.Hostname", .section = "Identity", .value = "NAME",
	  .help = "the host name, when it is not the machine's name",
	  .parse = field_machine, .print = field_print_text, FIELD(hostname),
	  .group = GROUP_HOSTNAME },

	{ .option = "uuid", .key = "Exec.MachineID", .section = "Identity", .value = "UUID",
	  .help = "the machine ID, for a tree that has none",
	  .parse = field_uuid, .print = field_print_uuid, .group = GROUP_MACHINE_ID,
	  .flags = SETTING_TRUSTED },

	{ .option = "register", .section = "Identity", .value = "BOOL|auto",
	  .words = register_words,
	  .help = "make the machine known to the host's machine manager",
	  .parse = field_word, .print = field_print_word, FIELD(registration),
	  .flags = SETTING_HELP },

	{ .option = "keep-unit", .section = "Identity",
	  .help = "make no scope: stay in the unit that we were started in",
	  .parse = field_flag, .print = field_print_flag, FIELD(keep_unit) },

	{ .option = "on-supervisor-death", .section = "Identity", .value = "kill|keep",
	  .words = death_words,
	  .help = "whether the container ends with the program that supervises it, or runs on "
	          "until 'machinectl adopt'",
	  .parse = field_word, .print = field_print_word, FIELD(on_supervisor_death),
	  .flags = SETTING_HELP },

	{ .option = "on-reboot", .section = "Identity", .value = "restart|exit",
	  .words = reboot_words,
	  .help = "start the container again when it reboots, or end with status 133",
	  .parse = field_word, .print = field_print_word, FIELD(on_reboot),
	  .flags = SETTING_HELP },

	{ .option = "slice", .letter = 'S', .section = "Identity", .value = "SLICE",
	  .help = "the slice of the machine's scope",
	  .parse = field_slice, .print = field_print_text, FIELD(slice), .group = GROUP_SLICE },

	{ .option = "property", .section = "Identity", .value = "NAME=VALUE",
	  .help = "a property of the machine's scope",
	  .parse = field_property, .print = field_print_texts, FIELD(properties),
	  .flags = SETTING_REPEATS },

	{ .option = "user", .section = "Identity", .value = "NAME", .stands_for = "uid",
	  .help = "use the caller's own service manager; with a NAME, an old spelling of "
	          "--uid=NAME",
	  .parse = field_scope, .print = field_print_scope, FIELD(user), .constant = 'u',
	  .flags = SETTING_OPTIONAL_VALUE },

	{ .option = "system", .section = "Identity",
	  .help = "use the host's service manager",
	  .parse = field_scope, .print = field_print_scope, .constant = 's' },

	{ .option = "share-system", .section = "Identity",
	  .help = "share the host's process, IPC and host name namespaces",
	  .parse = field_share_system,
	  .flags = SETTING_HIDDEN },

	/* ---- */

	{ .option = "private-users", .key = "Exec.PrivateUsers", .section = "User namespace",
	  .value = "WORD|BASE[:RANGE]", .words = users_words,
	  .help = "give the container ids of its own: chosen freely (pick, the default), read "
	          "from the tree (yes), the caller's (identity), or from BASE on",
	  .parse = field_private_users, .print = field_print_private_users, .group = GROUP_USERNS,
	  .flags = SETTING_OPTIONAL_VALUE | SETTING_TRUSTED },

	{ .letter = 'U', .section = "User namespace", .stands_for = "private-users",
	  .help = "the same as --private-users=pick --private-users-ownership=auto",
	  .parse = field_pick, .group = GROUP_USERNS },

	{ .option = "private-users-ownership", .key = "Files.PrivateUsersOwnership",
	  .section = "User namespace", .value = "MODE", .words = ownership_words,
	  .help = "how the tree's owners become the container's: by a mapped mount (map), by "
	          "changing them on disk (chown), not at all (off)",
	  .parse = field_word, .print = field_print_word, FIELD(ownership),
	  .constant = OWNERSHIP_OFF, .group = GROUP_USERNS,
	  .flags = SETTING_TRUSTED | SETTING_HELP },

	{ .option = "private-users-chown", .key = "Files.PrivateUsersChown",
	  .section = "User namespace", .stands_for = "private-users-ownership", .value = "BOOL",
	  .help = "an old spelling of --private-users-ownership=chown",
	  .parse = field_legacy_chown, .group = GROUP_USERNS,
	  .flags = SETTING_HIDDEN | SETTING_OPTIONAL_VALUE | SETTING_TRUSTED },

	{ .option = "private-users-delegate", .key = "Exec.PrivateUsersDelegate",
	  .section = "User namespace", .value = "COUNT",
	  .help = "further id ranges for containers inside the container",
	  .unbuilt = "delegated id ranges are not built yet (try --private-users=BASE:RANGE with "
	             "a larger range)",
	  .parse = field_delegate, .print = field_print_delegate, .group = GROUP_USERNS,
	  .flags = SETTING_TRUSTED },

	/* ---- */

	{ .option = "private-network", .key = "Network.Private", .section = "Network",
	  .help = "a network of its own, with nothing but the loopback interface",
	  .parse = field_tristate, .print = field_print_tristate, FIELD(private_network),
	  .group = GROUP_NETWORK,
	  .flags = SETTING_TRUSTED },

	{ .option = "network-namespace-path", .key = "Network.NamespacePath",
	  .section = "Network", .value = "PATH",
	  .help = "join the network namespace that this file stands for",
	  .parse = field_path, .print = field_print_text, FIELD(network_namespace_path),
	  .group = GROUP_NETWORK,
	  .flags = SETTING_TRUSTED },

	{ .option = "network-interface", .key = "Network.Interface", .section = "Network",
	  .value = "HOST[:CONTAINER]",
	  .help = "move an interface of the host into the container",
	  .parse = field_interface_pair, .print = field_print_interface_pairs, FIELD(interfaces),
	  .group = GROUP_NETWORK,
	  .flags = SETTING_REPEATS | SETTING_TRUSTED | SETTING_SPACES | SETTING_RESETS },

	{ .option = "network-macvlan", .key = "Network.MACVLAN", .section = "Network",
	  .value = "HOST[:CONTAINER]",
	  .help = "add a macvlan interface on top of one of the host",
	  .parse = field_interface_pair, .print = field_print_interface_pairs, FIELD(macvlans),
	  .group = GROUP_NETWORK,
	  .flags = SETTING_REPEATS | SETTING_TRUSTED | SETTING_SPACES | SETTING_RESETS },

	{ .option = "network-ipvlan", .key = "Network.IPVLAN", .section = "Network",
	  .value = "HOST[:CONTAINER]",
	  .help = "add an ipvlan interface on top of one of the host",
	  .parse = field_interface_pair, .print = field_print_interface_pairs, FIELD(ipvlans),
	  .group = GROUP_NETWORK,
	  .flags = SETTING_REPEATS | SETTING_TRUSTED | SETTING_SPACES | SETTING_RESETS },

	{ .option = "network-veth", .letter = 'n', .key = "Network.VirtualEthernet",
	  .section = "Network",
	  .help = "connect the container to the host by a virtual Ethernet link",
	  .parse = field_tristate, .print = field_print_wanted, FIELD(network_veth),
	  .group = GROUP_NETWORK,
	  .flags = SETTING_TRUSTED },

	{ .option = "network-veth-extra", .key = "Network.VirtualEthernetExtra",
	  .section = "Network", .value = "HOST[:CONTAINER]",
	  .help = "add one more virtual Ethernet link",
	  .parse = field_veth_pair, .print = field_print_interface_pairs, FIELD(veth_extras),
	  .group = GROUP_NETWORK,
	  .flags = SETTING_REPEATS | SETTING_TRUSTED },

	{ .option = "network-bridge", .key = "Network.Bridge", .section = "Network",
	  .value = "INTERFACE",
	  .help = "connect the virtual Ethernet link to this bridge of the host",
	  .parse = field_bridge, .print = field_print_text, FIELD(network_bridge),
	  .group = GROUP_NETWORK,
	  .flags = SETTING_TRUSTED },

	{ .option = "network-zone", .key = "Network.Zone", .section = "Network", .value = "NAME",
	  .help = "connect the containers of a zone with each other by a bridge that comes and "
	          "goes",
	  .parse = field_zone, .print = field_print_text, FIELD(network_zone),
	  .group = GROUP_NETWORK,
	  .flags = SETTING_TRUSTED },

	{ .option = "port", .letter = 'p', .key = "Network.Port", .section = "Network",
	  .value = "[tcp:|udp:][ADDRESS:]HOST[-LAST][:CONTAINER]",
	  .help = "forward a port of the host, or a range of ports, to the container",
	  .parse = field_port, .print = field_print_ports, .group = GROUP_EXPOSE_PORTS,
	  .flags = SETTING_REPEATS | SETTING_TRUSTED },

	{ .option = "network-address", .key = "X-Network.Address", .section = "Network",
	  .value = "ADDRESS[/LENGTH]|auto|no",
	  .help = "the address of the container's first link; auto: from a pool",
	  .parse = field_address, .print = field_print_address, .group = GROUP_ADDRESSES,
	  .flags = SETTING_REPEATS | SETTING_TRUSTED | SETTING_SPACES },

	{ .option = "network-host-address", .key = "X-Network.HostAddress", .section = "Network",
	  .value = "ADDRESS[/LENGTH]",
	  .help = "the address of the host's end of that link",
	  .parse = field_prefix, .print = field_print_prefixes, FIELD(addressing.host_addresses),
	  .group = GROUP_ADDRESSES,
	  .flags = SETTING_REPEATS | SETTING_TRUSTED | SETTING_SPACES },

	{ .option = "network-gateway", .key = "X-Network.Gateway", .section = "Network",
	  .value = "ADDRESS|no",
	  .help = "where the container's default route leads",
	  .parse = field_gateway, .print = field_print_gateway, .group = GROUP_ADDRESSES,
	  .flags = SETTING_REPEATS | SETTING_TRUSTED | SETTING_SPACES },

	{ .option = "network-route", .key = "X-Network.Route", .section = "Network",
	  .value = "NETWORK[,GATEWAY]",
	  .help = "one more route in the container",
	  .parse = field_route, .print = field_print_routes, .group = GROUP_ADDRESSES,
	  .flags = SETTING_REPEATS | SETTING_TRUSTED | SETTING_SPACES },

	{ .option = "network-name", .key = "X-Network.InterfaceName", .section = "Network",
	  .value = "NAME",
	  .help = "what the link is called in the container; host0 if not given",
	  .parse = field_interface_name, .print = field_print_text,
	  FIELD(addressing.interface_name), .group = GROUP_LINK,
	  .flags = SETTING_TRUSTED },

	{ .option = "network-mac", .key = "X-Network.MACAddress", .section = "Network",
	  .value = "MAC|stable",
	  .help = "the link's hardware address in the container",
	  .parse = field_mac, .print = field_print_mac, .group = GROUP_LINK,
	  .flags = SETTING_TRUSTED },

	{ .option = "network-dns", .key = "X-Network.DNS", .section = "Network",
	  .value = "auto|host|no|ADDRESS",
	  .help = "which name server the container asks",
	  .parse = field_dns, .print = field_print_dns, .group = GROUP_POLICY,
	  .flags = SETTING_TRUSTED },

	{ .option = "network-nat", .key = "X-Network.NAT", .section = "Network", .value = "BOOL",
	  .help = "hide the container behind the host's addresses",
	  .parse = field_tristate, .print = field_print_tristate, FIELD(addressing.nat),
	  .group = GROUP_POLICY,
	  .flags = SETTING_TRUSTED },

	{ .option = "network-egress", .key = "X-Network.Egress", .section = "Network",
	  .value = "NAME[:PORT]|NETWORK[:PORT]…",
	  .help = "let the container reach nothing but this",
	  .parse = field_egress, .print = field_print_egress, FIELD(addressing.egress),
	  .group = GROUP_POLICY,
	  .flags = SETTING_REPEATS | SETTING_TRUSTED },

	{ .key = "X-Network.NamespacePath", .section = "Network", .value = "PATH",
	  .help = "join the network namespace that this file stands for",
	  .parse = field_path, .print = field_print_text, FIELD(network_namespace_path),
	  .group = GROUP_NETWORK,
	  .flags = SETTING_TRUSTED },

	{ .key = "X-Network.Names", .section = "Network", .value = "NAMES",
	  .help = "further names by which other containers and the host find the container",
	  .parse = field_names, .print = field_print_texts, FIELD(names), .group = GROUP_NAMES,
	  .flags = SETTING_REPEATS | SETTING_TRUSTED | SETTING_SPACES },

	/* ---- */

	{ .option = "capability", .key = "Exec.Capability", .section = "Security",
	  .value = "NAMES|all", .words = field_capability_words,
	  .help = "let the payload keep these capabilities as well",
	  .parse = field_capabilities, .print = field_print_capabilities, FIELD(capability_plus),
	  .group = GROUP_CAPABILITY,
	  .flags = SETTING_REPEATS | SETTING_TRUSTED | SETTING_HELP },

	{ .option = "drop-capability", .key = "Exec.DropCapability", .section = "Security",
	  .value = "NAMES|all", .words = field_capability_words,
	  .help = "take these capabilities away, whoever gave them",
	  .parse = field_capabilities, .print = field_print_capabilities, FIELD(capability_minus),
	  .group = GROUP_CAPABILITY,
	  .flags = SETTING_REPEATS | SETTING_HELP },

	{ .option = "ambient-capability", .key = "Exec.AmbientCapability", .section = "Security",
	  .value = "NAMES", .words = field_capability_words,
	  .help = "pass these capabilities on to a command that does not run as root",
	  .parse = field_ambient, .print = field_print_capabilities, FIELD(capability_ambient),
	  .group = GROUP_CAPABILITY,
	  .flags = SETTING_REPEATS | SETTING_TRUSTED | SETTING_HELP },

	{ .option = "no-new-privileges", .key = "Exec.NoNewPrivileges", .section = "Security",
	  .value = "BOOL", .words = bool_words,
	  .help = "let no program of the container gain privileges, by set-uid bits for instance",
	  .parse = field_tristate, .print = field_print_tristate, FIELD(no_new_privileges),
	  .group = GROUP_NO_NEW_PRIVILEGES },

	{ .option = "system-call-filter", .key = "Exec.SystemCallFilter", .section = "Security",
	  .value = "[~]NAMES",
	  .help = "allow more system calls or @groups of them; with '~', forbid them",
	  .parse = field_system_calls, .print = field_print_system_calls,
	  .group = GROUP_SYSCALL_FILTER,
	  .flags = SETTING_REPEATS | SETTING_TRUSTED_ALLOW },

	{ .option = "restrict-address-families", .key = "Exec.RestrictAddressFamilies",
	  .section = "Security", .value = "[~]NAMES|none", .words = field_address_family_words,
	  .help = "allow sockets of these families only; with '~', of all others",
	  .parse = field_address_families, .print = field_print_address_families,
	  .group = GROUP_ADDRESS_FAMILIES,
	  .flags = SETTING_REPEATS | SETTING_HELP },

	{ .option = "selinux-context", .letter = 'Z', .section = "Security", .value = "LABEL",
	  .help = "SELinux label of the processes",
	  .parse = field_label, .print = field_print_text, FIELD(selinux_context) },

	{ .option = "selinux-apifs-context", .letter = 'L', .section = "Security",
	  .value = "LABEL",
	  .help = "SELinux label of the file systems that are made for the container",
	  .parse = field_label, .print = field_print_text, FIELD(selinux_apifs_context) },

	{ .option = "nesting", .section = "Security",
	  .help = "give the container what a container manager inside of it needs",
	  .parse = field_flag, .print = field_print_flag, FIELD(nesting) },

	/* ---- */

	{ .option = "rlimit", .section = "Resources", .value = "NAME=VALUE|NAME=SOFT:HARD",
	  .words = field_limit_words,
	  .help = "set a resource limit of the payload",
	  .parse = field_rlimit, .print = field_print_rlimits,
	  .flags = SETTING_REPEATS | SETTING_HELP },
	LIMIT_ROW("CPU", RLIMIT_CPU),
	LIMIT_ROW("FSIZE", RLIMIT_FSIZE),
	LIMIT_ROW("DATA", RLIMIT_DATA),
	LIMIT_ROW("STACK", RLIMIT_STACK),
	LIMIT_ROW("CORE", RLIMIT_CORE),
	LIMIT_ROW("RSS", RLIMIT_RSS),
	LIMIT_ROW("NOFILE", RLIMIT_NOFILE),
	LIMIT_ROW("AS", RLIMIT_AS),
	LIMIT_ROW("NPROC", RLIMIT_NPROC),
	LIMIT_ROW("MEMLOCK", RLIMIT_MEMLOCK),
	LIMIT_ROW("LOCKS", RLIMIT_LOCKS),
	LIMIT_ROW("SIGPENDING", RLIMIT_SIGPENDING),
	LIMIT_ROW("MSGQUEUE", RLIMIT_MSGQUEUE),
	LIMIT_ROW("NICE", RLIMIT_NICE),
	LIMIT_ROW("RTPRIO", RLIMIT_RTPRIO),
	LIMIT_ROW("RTTIME", RLIMIT_RTTIME),

	{ .option = "oom-score-adjust", .key = "Exec.OOMScoreAdjust", .section = "Resources",
	  .value = "NUMBER",
	  .help = "how willingly the kernel kills the payload when memory runs out, -1000 to "
	          "1000",
	  .parse = field_oom_score, .print = field_print_oom_score, .group = GROUP_OOM_SCORE,
	  .flags = SETTING_TRUSTED },

	{ .option = "cpu-affinity", .key = "Exec.CPUAffinity", .section = "Resources",
	  .value = "LIST",
	  .help = "the CPUs that the payload runs on, as in '0-3,7'",
	  .parse = field_cpu_affinity, .print = field_print_cpu_affinity,
	  .group = GROUP_CPU_AFFINITY,
	  .flags = SETTING_TRUSTED },

	{ .option = "personality", .key = "Exec.Personality", .section = "Resources",
	  .value = "NAME", .words = field_personality_words,
	  .help = "the architecture that uname() reports",
	  .parse = field_personality, .print = field_print_arch,
	  .group = GROUP_PERSONALITY,
	  .flags = SETTING_HELP },

	/* ---- */

	{ .option = "resolv-conf", .key = "Exec.ResolvConf", .section = "Integration",
	  .value = "MODE", .words = resolv_words,
	  .help = "how the container gets its /etc/resolv.conf",
	  .parse = field_word, .print = field_print_word, FIELD(resolv_conf),
	  .group = GROUP_RESOLV_CONF,
	  .flags = SETTING_HELP },

	{ .option = "timezone", .key = "Exec.Timezone", .section = "Integration", .value = "MODE",
	  .words = timezone_words,
	  .help = "how the container gets its /etc/localtime",
	  .parse = field_word, .print = field_print_word, FIELD(timezone),
	  .group = GROUP_TIMEZONE,
	  .flags = SETTING_HELP },

	{ .option = "link-journal", .key = "Exec.LinkJournal", .section = "Integration",
	  .value = "MODE", .words = journal_words,
	  .help = "let the host see the container's journal: which side keeps the files",
	  .parse = field_link_journal, .print = field_print_link_journal,
	  .group = GROUP_LINK_JOURNAL,
	  .flags = SETTING_TRUSTED | SETTING_HELP },

	{ .letter = 'j', .section = "Integration", .stands_for = "link-journal",
	  .help = "the same as --link-journal=try-guest",
	  .parse = field_try_guest, .group = GROUP_LINK_JOURNAL },

	{ .option = "forward-journal", .section = "Integration", .value = "FILE|DIRECTORY",
	  .help = "write the container's journal there",
	  .unbuilt = NO_FORWARDING,
	  .parse = field_path, .print = field_print_text, FIELD(forward_journal) },

	{ .option = "forward-journal-max-use", .section = "Integration", .value = "BYTES",
	  .help = "how much room the forwarded journal may take",
	  .unbuilt = NO_FORWARDING,
	  .parse = field_journal_limit, .print = field_print_journal_limit, .constant = 0 },

	{ .option = "forward-journal-keep-free", .section = "Integration", .value = "BYTES",
	  .help = "how much room the forwarded journal must leave",
	  .unbuilt = NO_FORWARDING,
	  .parse = field_journal_limit, .print = field_print_journal_limit, .constant = 1 },

	{ .option = "forward-journal-max-file-size", .section = "Integration", .value = "BYTES",
	  .help = "how large one file of the forwarded journal may be",
	  .unbuilt = NO_FORWARDING,
	  .parse = field_journal_limit, .print = field_print_journal_limit, .constant = 2 },

	{ .option = "forward-journal-max-files", .section = "Integration", .value = "COUNT",
	  .help = "how many files the forwarded journal may have",
	  .unbuilt = NO_FORWARDING,
	  .parse = field_journal_limit, .print = field_print_journal_limit, .constant = 3 },

	/* ---- */

	{ .option = "bind", .key = "Files.Bind", .section = "Mounts",
	  .value = "PATH[:PATH[:OPTIONS]]",
	  .help = "show a file or directory of the host in the container",
	  .parse = field_bind, .print = field_print_mounts,
	  .constant = FIELD_MOUNT(MOUNT_BIND, false), .group = GROUP_CUSTOM_MOUNTS,
	  .flags = SETTING_REPEATS | SETTING_TRUSTED },

	{ .option = "bind-ro", .key = "Files.BindReadOnly", .section = "Mounts",
	  .value = "PATH[:PATH[:OPTIONS]]",
	  .help = "the same, read-only",
	  .parse = field_bind, .print = field_print_mounts,
	  .constant = FIELD_MOUNT(MOUNT_BIND, true), .group = GROUP_CUSTOM_MOUNTS,
	  .flags = SETTING_REPEATS | SETTING_TRUSTED },

	{ .option = "inaccessible", .key = "Files.Inaccessible", .section = "Mounts",
	  .value = "PATH",
	  .help = "hide a file or directory of the container",
	  .parse = field_inaccessible, .print = field_print_mounts,
	  .constant = FIELD_MOUNT(MOUNT_INACCESSIBLE, false), .group = GROUP_CUSTOM_MOUNTS,
	  .flags = SETTING_REPEATS | SETTING_TRUSTED },

	{ .option = "tmpfs", .key = "Files.TemporaryFileSystem", .section = "Mounts",
	  .value = "PATH[:OPTIONS]",
	  .help = "put an empty file system in memory there",
	  .parse = field_tmpfs, .print = field_print_mounts,
	  .constant = FIELD_MOUNT(MOUNT_TMPFS, false), .group = GROUP_CUSTOM_MOUNTS,
	  .flags = SETTING_REPEATS | SETTING_TRUSTED },

	{ .option = "overlay", .key = "Files.Overlay", .section = "Mounts",
	  .value = "LOWER[:LOWER…]:UPPER:PATH",
	  .help = "lay directories of the host over each other; changes go to UPPER",
	  .parse = field_overlay, .print = field_print_mounts,
	  .constant = FIELD_MOUNT(MOUNT_OVERLAY, false), .group = GROUP_CUSTOM_MOUNTS,
	  .flags = SETTING_REPEATS | SETTING_TRUSTED },

	{ .option = "overlay-ro", .key = "Files.OverlayReadOnly", .section = "Mounts",
	  .value = "LOWER[:LOWER…]:UPPER:PATH",
	  .help = "the same, read-only",
	  .parse = field_overlay, .print = field_print_mounts,
	  .constant = FIELD_MOUNT(MOUNT_OVERLAY, true), .group = GROUP_CUSTOM_MOUNTS,
	  .flags = SETTING_REPEATS | SETTING_TRUSTED },

	{ .option = "bind-user", .key = "Files.BindUser", .section = "Mounts", .value = "NAME",
	  .help = "make a user of the host, with the home directory, known in the container",
	  .parse = field_bind_user, .print = field_print_texts, FIELD(bind_users),
	  .group = GROUP_BIND_USER,
	  .flags = SETTING_REPEATS | SETTING_TRUSTED | SETTING_SPACES | SETTING_RESETS },

	{ .option = "bind-user-shell", .key = "Files.BindUserShell", .section = "Mounts",
	  .value = "BOOL|PATH",
	  .help = "the shell of such users: the host's (yes), the container's default (no), or "
	          "this one",
	  .parse = field_bind_user_shell, .print = field_print_text, FIELD(bind_user_shell),
	  .group = GROUP_BIND_USER_SHELL,
	  .flags = SETTING_TRUSTED },

	{ .option = "bind-user-group", .section = "Mounts", .value = "NAME",
	  .help = "put such users into this group of the container",
	  .parse = field_bind_user, .print = field_print_texts, FIELD(bind_user_groups),
	  .flags = SETTING_REPEATS },

	/* ---- */

	{ .option = "console", .section = "Console and credentials", .value = "MODE",
	  .words = console_words,
	  .help = "what the payload has as its standard input and output",
	  .parse = field_word, .print = field_print_word, FIELD(console),
	  .constant = CONSOLE_INTERACTIVE, .group = GROUP_CONSOLE,
	  .flags = SETTING_HELP },

	{ .option = "pipe", .letter = 'P', .section = "Console and credentials",
	  .stands_for = "console",
	  .help = "the same as --console=pipe: pass our own standard input and output on",
	  .parse = field_constant, FIELD(console), .constant = CONSOLE_PIPE,
	  .group = GROUP_CONSOLE },

	{ .option = "background", .section = "Console and credentials", .value = "SGR",
	  .help = "tint the terminal with this colour; empty for none",
	  .unbuilt = "colouring the terminal is not built yet (try without)",
	  .parse = field_background, .print = field_print_text, FIELD(background) },

	{ .option = "set-credential", .section = "Console and credentials", .value = "ID:VALUE",
	  .help = "pass a secret to the payload",
	  .parse = field_credential, .print = field_print_secrets, .constant = 0,
	  .group = GROUP_CREDENTIALS,
	  .flags = SETTING_REPEATS },

	{ .option = "load-credential", .section = "Console and credentials", .value = "ID:PATH",
	  .help = "pass a secret that a file, a socket or a credential of our own holds",
	  .parse = field_credential, .print = field_print_secrets, .constant = 1,
	  .group = GROUP_CREDENTIALS,
	  .flags = SETTING_REPEATS },

	{ .key = "X-Credential.Set", .section = "Console and credentials", .value = "ID:VALUE",
	  .help = "pass a secret to the payload",
	  .parse = field_credential, .print = field_print_secrets, .constant = 0,
	  .group = GROUP_CREDENTIALS,
	  .flags = SETTING_REPEATS | SETTING_TRUSTED },

	{ .key = "X-Credential.Load", .section = "Console and credentials", .value = "ID:PATH",
	  .help = "pass a secret that a file, a socket or a credential of our own holds",
	  .parse = field_credential, .print = field_print_secrets, .constant = 1,
	  .group = GROUP_CREDENTIALS,
	  .flags = SETTING_REPEATS | SETTING_TRUSTED },

	{ .key = "X-Credential.LoadEncrypted", .section = "Console and credentials",
	  .value = "ID:PATH",
	  .help = "pass a secret that systemd has encrypted",
	  .unbuilt = ENCRYPTED,
	  .parse = field_text, .print = field_print_text, FIELD(encrypted_credential),
	  .group = GROUP_CREDENTIALS,
	  .flags = SETTING_TRUSTED },

	/* ---- */

	{ .key = "X-Image.Persist", .section = "Image", .value = "PATHS",
	  .help = "directories of the container that outlive its image",
	  .parse = field_persist, .print = field_print_texts, FIELD(persist),
	  .group = GROUP_PERSIST,
	  .flags = SETTING_REPEATS | SETTING_TRUSTED | SETTING_SPACES },

	SERVICE_ROW("MemoryMin", "SIZE"),
	SERVICE_ROW("MemoryLow", "SIZE"),
	SERVICE_ROW("MemoryHigh", "SIZE"),
	SERVICE_ROW("MemoryMax", "SIZE"),
	SERVICE_ROW("MemorySwapMax", "SIZE"),
	SERVICE_ROW("MemoryZSwapMax", "SIZE"),
	SERVICE_ROW("CPUQuota", "PERCENT"),
	SERVICE_ROW("CPUQuotaPeriodSec", "TIME"),
	SERVICE_ROW("CPUWeight", "WEIGHT"),
	SERVICE_ROW("AllowedCPUs", "LIST"),
	SERVICE_ROW("AllowedMemoryNodes", "LIST"),
	SERVICE_ROW("IOWeight", "WEIGHT"),
	SERVICE_ROW("IODeviceWeight", "PATH WEIGHT"),
	SERVICE_ROW("IOReadBandwidthMax", "PATH SIZE"),
	SERVICE_ROW("IOWriteBandwidthMax", "PATH SIZE"),
	SERVICE_ROW("IOReadIOPSMax", "PATH NUMBER"),
	SERVICE_ROW("IOWriteIOPSMax", "PATH NUMBER"),
	SERVICE_ROW("TasksMax", "NUMBER"),
	SERVICE_ROW("DevicePolicy", "auto|closed|strict"),
	SERVICE_ROW("DeviceAllow", "DEVICE RIGHTS"),

	{ .key = "X-Service.OOMScoreAdjust", .section = "Service", .value = "NUMBER",
	  .help = "how willingly the kernel kills the payload when memory runs out",
	  .parse = field_oom_score, .print = field_print_oom_score, .group = GROUP_OOM_SCORE,
	  .flags = SETTING_TRUSTED },

	HEALTH_ROW("Command", "WORDS"),
	HEALTH_ROW("Interval", "TIME"),
	HEALTH_ROW("Timeout", "TIME"),
	HEALTH_ROW("StartPeriod", "TIME"),
	HEALTH_ROW("Retries", "NUMBER"),
	HEALTH_ROW("OnFailure", "none|restart|stop|rollback"),
};

/* clang-format on */

const size_t spec_settings_count = ARRAY_SIZE(spec_settings);
_Static_assert(ARRAY_SIZE(spec_settings) <= SPEC_SETTINGS_MAX,
	       "struct spec has a line number for each row");
