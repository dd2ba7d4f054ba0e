/* spec/spec - what a container should be.
 *
 * The command line, a `.nspawn` file, later an OCI config.json or a
 * declaration are ways to fill this struct. After spec_resolve() it is const
 * everywhere. Pure: nothing here has been looked up; paths are the user's words
 * made absolute. All strings live in the arena that was given to the reader.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>

#include "base/list.h"
#include "format/health.h"
#include "format/ip.h"
#include "format/port.h"

/* Who has spoken about a group of settings. A higher rank replaces the whole group, a lower one
 * is ignored; so there is no merge function. (`--settings=override` lets BY_FILE win: the reader
 * of the file handles that.) */
enum origin { BY_DEFAULT, BY_FILE, BY_OPTION };

/* The reference's mask groups: a .nspawn key is ignored when an option of its group was given. */
enum setting_group {
	GROUP_NONE, /* no .nspawn counterpart: never masked */
	GROUP_START_MODE,
	GROUP_ENVIRONMENT,
	GROUP_USER,
	GROUP_WORKING_DIRECTORY,
	GROUP_PIVOT_ROOT,
	GROUP_CAPABILITY,
	GROUP_NO_NEW_PRIVILEGES,
	GROUP_KILL_SIGNAL,
	GROUP_PERSONALITY,
	GROUP_MACHINE_ID,
	GROUP_USERNS,
	GROUP_NOTIFY_READY,
	GROUP_SYSCALL_FILTER,
	GROUP_ADDRESS_FAMILIES,
	GROUP_OOM_SCORE,
	GROUP_CPU_AFFINITY,
	GROUP_HOSTNAME,
	GROUP_RESOLV_CONF,
	GROUP_TIMEZONE,
	GROUP_LINK_JOURNAL,
	GROUP_SUPPRESS_SYNC,
	GROUP_EPHEMERAL,
	GROUP_DIRECTORY,
	GROUP_READ_ONLY,
	GROUP_VOLATILE,
	GROUP_CUSTOM_MOUNTS,
	GROUP_BIND_USER,
	GROUP_BIND_USER_SHELL,
	GROUP_NETWORK,
	GROUP_EXPOSE_PORTS,
	GROUP_ADDRESSES, /* these three: Redd's own [X-Network] */
	GROUP_LINK,
	GROUP_POLICY,
	GROUP_CONSOLE,
	GROUP_CREDENTIALS,
	GROUP_SLICE,
	GROUP_NAMES, /* these four: no option has them */
	GROUP_PERSIST,
	GROUP_SERVICE,
	GROUP_HEALTH,
	GROUP_RLIMIT_FIRST, /* one group for each limit: GROUP_RLIMIT_FIRST + RLIMIT_x */
	GROUP_COUNT = GROUP_RLIMIT_FIRST + RLIM_NLIMITS
};

enum tristate { TRISTATE_UNSET = -1, TRISTATE_NO = 0, TRISTATE_YES = 1 };

enum start_mode { START_COMMAND, START_PID2, START_BOOT };
enum volatile_mode { VOLATILE_NO, VOLATILE_YES, VOLATILE_STATE, VOLATILE_OVERLAY };
enum userns_mode {
	USERNS_UNSET, /* spec_resolve() decides: PICK as root */
	USERNS_NO,
	USERNS_FROM_TREE, /* --private-users=yes: base read from the tree's root inode */
	USERNS_PICK,
	USERNS_FIXED, /* also identity: base 0 */
	USERNS_MANAGED,
};
enum ownership_mode {
	OWNERSHIP_UNSET,
	OWNERSHIP_OFF,
	OWNERSHIP_CHOWN,
	OWNERSHIP_MAP,
	OWNERSHIP_FOREIGN,
	OWNERSHIP_AUTO
};
enum console_mode {
	CONSOLE_UNSET,
	CONSOLE_INTERACTIVE,
	CONSOLE_READ_ONLY,
	CONSOLE_PASSIVE,
	CONSOLE_PIPE,
	CONSOLE_AUTOPIPE
};
enum link_journal_mode { JOURNAL_NO, JOURNAL_AUTO, JOURNAL_HOST, JOURNAL_GUEST };
enum resolv_conf_mode {
	RESOLV_OFF,
	RESOLV_AUTO,
	RESOLV_DELETE,
	RESOLV_COPY_HOST,
	RESOLV_COPY_STATIC,
	RESOLV_COPY_UPLINK,
	RESOLV_COPY_STUB,
	RESOLV_REPLACE_HOST,
	RESOLV_REPLACE_STATIC,
	RESOLV_REPLACE_UPLINK,
	RESOLV_REPLACE_STUB,
	RESOLV_BIND_HOST,
	RESOLV_BIND_STATIC,
	RESOLV_BIND_UPLINK,
	RESOLV_BIND_STUB,
};
enum timezone_mode {
	TIMEZONE_OFF,
	TIMEZONE_AUTO,
	TIMEZONE_COPY,
	TIMEZONE_BIND,
	TIMEZONE_SYMLINK,
	TIMEZONE_DELETE
};
enum settings_mode { SETTINGS_YES, SETTINGS_NO, SETTINGS_OVERRIDE, SETTINGS_TRUSTED };
enum on_death { ON_DEATH_KILL, ON_DEATH_KEEP };
enum on_reboot { ON_REBOOT_RESTART, ON_REBOOT_EXIT };
enum register_mode { REGISTER_AUTO, REGISTER_NO, REGISTER_YES };

enum mount_kind { MOUNT_BIND, MOUNT_TMPFS, MOUNT_OVERLAY, MOUNT_INACCESSIBLE };
enum mount_idmap { IDMAP_NONE, IDMAP_FULL, IDMAP_ROOT, IDMAP_OWNER };

/* One --bind*, --tmpfs, --overlay* or --inaccessible. Stable order as given; sorted by
 * spec_resolve(). */
struct custom_mount {
	enum mount_kind kind;
	enum mount_idmap idmap; /* binds */
	bool read_only;
	bool recursive;		 /* binds: rbind (default) or norbind */
	bool source_in_tree;	 /* the "+" prefix was given (source is without it) */
	const char *source;	 /* bind: NULL = fresh temporary directory; overlay: the upper */
	bool *lower_in_tree;	 /* overlay: for each lower */
	struct text_list lowers; /* overlay: leftmost is the bottom */
	const char *destination; /* absolute, below the container's root */
	const char *options;	 /* tmpfs: mount options verbatim, NULL: mode=0755 */
	const char *words;	 /* the value as given, for messages */
	const char *reason;	 /* who asked: "--bind=" or "web.nspawn line 12" */
	enum origin origin;
};

struct credential {
	const char *id;
	/* --load-credential: file or socket, or a name below $CREDENTIALS_DIRECTORY; else NULL */
	const char *path;
	const void *data; /* --set-credential */
	size_t size;
};

struct interface_pair {
	const char *host, *container; /* container NULL: derived by the network module */
};

/* [X-Network]: the addresses of the container's first link, without help from inside. */
enum address_mode {
	ADDRESSES_UNSET, /* AUTO for a link of our own making that nobody else looks after */
	ADDRESSES_OFF,
	ADDRESSES_AUTO,	 /* from the pool */
	ADDRESSES_GIVEN, /* as listed */
};

struct network_route {
	struct ip_prefix to;
	struct ip via; /* none: on the link */
};

enum dns_mode { DNS_AUTO, DNS_HOST, DNS_OFF, DNS_GIVEN };

struct addressing {
	enum address_mode mode;
	struct prefix_list {
		struct ip_prefix *items;
		size_t count;
	} addresses, host_addresses;
	bool no_gateway;
	struct ip gateway[2]; /* of IPv4 and of IPv6; none: the host's end, if it has an address */
	struct network_route_list {
		struct network_route *items;
		size_t count;
	} routes;
	const char *interface_name; /* in the container; NULL: host0 */
	bool mac_set;		    /* else derived from the names of host and machine */
	uint8_t mac[6];
	enum dns_mode dns;
	struct ip dns_server;
	int nat; /* enum tristate; unset: yes for addresses of the pool */
	bool egress_set;
	struct text_list egress; /* for format/egress */
};

/* [X-Network:LINK]: addresses of one more link, of --network-veth-extra=. */
struct extra_link {
	const char *name; /* in the container */
	struct addressing addressing;
	const char *bridge; /* that the host's end is put into; NULL: none */
	const char *reason; /* "web.nspawn line 12" */
};

struct limit {
	bool set;
	struct rlimit value;
};

#define SPEC_CPU_MAX 8192
#define SPEC_NAMES_MAX 32 /* Names= */
#define SPEC_LINE_OPTION UINT32_MAX
#define SPEC_SETTINGS_MAX 192 /* room for the rows of spec_settings[] */

struct spec {
	enum origin group_origin[GROUP_COUNT];

	/* general, image */
	bool help, version, introspect, no_pager, quiet, cleanup, no_ask_password,
		explain_plan /* --print-plan */;
	const char *json; /* --json=: "short", "pretty", "off" or NULL */
	enum settings_mode settings;
	const char *directory, *template, *image, *mstack, *oci_bundle;
	const char *image_policy, *root_hash, *root_hash_sig, *verity_data;
	int ephemeral; /* enum tristate, as are all `int` flags that a file can set */
	int read_only;
	enum volatile_mode volatile_mode;
	const char *pivot_root_new, *pivot_root_old;

	/* execution, identity */
	enum start_mode start; /* by spec_resolve(), from the next two */
	int boot, as_pid2;     /* enum tristate */
	const char *init;      /* inside; NULL: looked for */
	struct text_list parameters;
	const char *working_directory;
	struct text_list environment; /* NAME=VALUE, later wins; a bare NAME was looked up */
	const char *user;
	int kill_signal; /* 0: default of the start mode */
	int notify_ready, suppress_sync;
	const char *machine, *hostname;
	bool machine_given; /* by root_locate(): not derived from the tree */
	bool has_machine_id;
	uint8_t machine_id[16];
	const char *slice;
	struct text_list properties;
	enum register_mode registration;
	enum on_death on_supervisor_death;
	enum on_reboot on_reboot;
	bool keep_unit, scope_user, scope_system;

	/* user namespace */
	enum userns_mode userns;
	uint32_t uid_base, uid_range;
	enum ownership_mode ownership;
	uint32_t userns_delegate;

	/* network */
	int private_network;
	int network_veth;
	const char *network_bridge, *network_zone, *network_namespace_path;
	struct interface_list {
		struct interface_pair *items;
		size_t count;
	} interfaces, macvlans, ipvlans, veth_extras;
	struct port_list {
		struct port *items;
		size_t count;
	} ports;
	struct addressing addressing;
	struct extra_link_list {
		struct extra_link *items;
		size_t count;
	} extra_links;

	/* security, resources. Bit n is capability n. */
	uint64_t capability_plus, capability_minus, capability_ambient;
	int no_new_privileges;
	struct text_list syscall_allow, syscall_deny; /* names and @groups */
	bool address_families_set, address_families_deny;
	struct text_list address_families;
	const char *selinux_context, *selinux_apifs_context;
	struct limit limits[RLIM_NLIMITS];
	bool oom_score_set;
	int oom_score;
	bool cpu_affinity_set;
	uint8_t cpu_affinity[SPEC_CPU_MAX / 8];
	bool personality_set;
	unsigned long personality;

	/* integration, mounts, console */
	enum resolv_conf_mode resolv_conf;
	enum timezone_mode timezone;
	enum link_journal_mode link_journal;
	bool link_journal_try;
	const char *forward_journal;
	/* max use, keep free, max file size, max files; 0: not given */
	uint64_t forward_journal_limits[4];
	struct custom_mount_list {
		struct custom_mount *items;
		size_t count;
	} mounts;
	struct text_list bind_users, bind_user_groups;
	const char *bind_user_shell; /* "no", "yes" (copy the host's), a path, or NULL */
	enum console_mode console;
	const char *background; /* SGR; "", NULL: no tint */
	struct credential_list {
		struct credential *items;
		size_t count;
	} credentials;
	const char *encrypted_credential;
	/* Redd's own sections of a .nspawn file */
	struct text_list names;	  /* further ones of the machine, in lower case */
	struct text_list persist; /* places in the container that outlive its image */
	struct text_list service; /* "MemoryMax=1G", for where no unit has them */
	struct health health;
	bool nesting; /* --nesting: what a container manager inside needs (Redd's own option) */

	/* SYSTEMD_NSPAWN_* environment (spec/environment fills these from a text list) */
	bool share_ipc, share_pid, share_uts, no_tmp, no_lock, no_os_release_check, no_seccomp,
		no_cgroup_namespace;
	enum api_vfs { API_VFS_READ_ONLY, API_VFS_NETWORK, API_VFS_WRITABLE } api_vfs;
	const char *container_service; /* value of $container; default "systemd-nspawn" */

	/* Who set each row of spec_settings[], for messages and the plan's reasons: a line of the
	 * file, SPEC_LINE_OPTION, or 0 for nobody. */
	struct text_list settings_files; /* the file, then its drop-ins */
	const char *generation; /* of which they are, in what was applied; NULL: they are others */
	uint32_t setting_line[SPEC_SETTINGS_MAX];
};

/* A line of one of settings_files, as setting_line[] has it. */
#define SPEC_LINE(part, line) ((uint32_t)(part) << 24 | (uint32_t)(line))
#define SPEC_LINE_NUMBER(line) ((line)&0xffffff)

struct arena;

/* Defaults before anyone has spoken. */
void spec_init(struct spec *spec);

/* The path of the file that LINE is in. */
const char *spec_file_of(const struct spec *spec, uint32_t line);

/* Forget what was said about a group, so that a file can take its place (--settings=override).
 * Capabilities stay: a file adds to them and takes from them (reference, 3.1). */
void spec_forget_group(struct spec *spec, enum setting_group group);

/* ---- questions about a resolved spec ---- */

/* The set that the payload keeps (reference, 10.1). Bits that the kernel does not know may be
 * set: mask them. */
uint64_t spec_capabilities(const struct spec *spec);
#define SPEC_CAPABILITY_ALL UINT64_MAX

/* A network namespace of its own: --private-network or anything that implies it. Not
 * --network-namespace-path=. */
bool spec_has_private_network(const struct spec *spec);

/* Somebody asked for a link with a certain hardware address; not only the environment. */
bool spec_names_mac(const struct spec *spec);

/* Nothing will write to the tree: --read-only, --volatile=, or a mount that hides the tree's
 * root. (It tells which lock to take; whether the container's "/" is writable depends on the
 * volatile mode.) */
bool spec_tree_is_read_only(const struct spec *spec);

/* A limit's name as in RLIMIT_NOFILE, without the prefix; NULL: no such limit. */
const char *spec_limit_name(int resource);
