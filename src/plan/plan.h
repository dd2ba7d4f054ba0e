/* plan/plan - the ordered list of what will be done, each step with its reason.
 *
 * Building it makes no system call: facts come in. --print-plan shows it,
 * golden tests compare it, engine/apply executes it (host steps in the
 * supervisor's private mount namespace, payload steps in the payload), errors
 * quote it. Pure.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "spec/spec.h"

struct arena;
struct disk;

enum step_side {
	SIDE_HOST_BEFORE, /* supervisor, no payload yet: locks, ids, cgroup, namespaces */
	SIDE_HOST,	  /* supervisor, payload waits: the tree, in the private mount namespace */
	SIDE_NETWORK,	  /* supervisor, the payload's network namespace is there */
	SIDE_PAYLOAD,	  /* payload, after "go" */
};

enum step_kind {
	/* Before the payload exists: done by engine modules in this order, listed so that the plan
	 * is complete. */
	STEP_LOCK,	     /* source: tree that is locked; data: lock file */
	STEP_SNAPSHOT,	     /* --ephemeral, --template: source -> target (host paths);
			      * data: "btrfs", "reflink", "overlay" */
	STEP_PARTITION,	     /* source: disk image; target: where in the tree; data: file system
			      * and place, and the program that shows it instead of the kernel */
	STEP_IDS,	     /* data: rung and range as text */
	STEP_CGROUP,	     /* target: cgroup path */
	STEP_DEVICE_FILTER,  /* target: cgroup path; data: "c 1:3 rwm, c 136-143:* rw": all that a
			      * container without a user namespace may open */
	STEP_PRIVATE_MOUNTS, /* the supervisor's own mount namespace */
	STEP_SPAWN,	     /* number: CLONE_*; data: names of the namespaces */
	STEP_ID_MAP,	     /* uid_map and gid_map of the payload */

	/* The tree. A target is a path in the container, resolved below the root descriptor; what
	 * is mounted makes a missing target (mode; 0: 0755). */
	STEP_ROOT,	       /* source: host path: clone, map owners, attach */
	STEP_LAYERS,	       /* source: NAME.mstack; number: enum layers_change: the tree is an
				* overlay of root->layers and what changes */
	STEP_VOLATILE_ROOT,    /* new tmpfs (options in data) as root; /usr of what was the root
				* inside, read-only */
	STEP_ROOT_OVERLAY,     /* what was the root below an upper: source: host directory
				* (ephemeral), NULL: a tmpfs (options in data) */
	STEP_PIVOT_TREE,       /* --pivot-root=: source: NEW, target: OLD or NULL */
	STEP_MKDIR,	       /* target, mode */
	STEP_SYMLINK,	       /* target; data: what it points to */
	STEP_NODE,	       /* target, mode, device; data: "chr", "blk", "fifo", "sock", "reg".
				* Where mknod(2) is denied: a bind of source */
	STEP_FILE,	       /* target, mode; data, size: contents */
	STEP_COPY,	       /* source: host file; target, mode. A link there is not followed */
	STEP_REMOVE,	       /* unlink target */
	STEP_MOUNT,	       /* new instance: source: type; data: options; attributes */
	STEP_BIND,	       /* source -> target; attributes set after cloning (on submounts too
				* if STEP_RECURSIVE); idmap */
	STEP_OVERLAY,	       /* source: upper (NULL: temporary), target; lowers in mount */
	STEP_RESTRICT,	       /* attributes set on the existing mount at target */
	STEP_CONSOLE,	       /* pty from the container's devpts; target: /dev/console */
	STEP_NOTIFY,	       /* the notify socket is bound to target */
	STEP_CREDENTIALS,      /* ramfs at target, files from spec->credentials, sealed;
				* mode: of the directory (0500, 0555) */
	STEP_HIDE_HOST_MOUNTS, /* data: "proc" or "proc sysfs": pins in the private namespace for
				* what the payload mounts until STEP_LEAVE */
	STEP_CHOWN_TREE,       /* source: the tree; number: range */
	STEP_JOURNAL_LINK,     /* source: host path; data "guest": a symlink there to the tree's
				* target; "host": a directory there, a STEP_BIND follows */
	STEP_BIND_USER,	       /* data: user; records and home below target /run/host */

	/* The network: engine/network does these, in this order. */
	STEP_ZONE,    /* target: the bridge that comes and goes with its machines */
	STEP_LINK,    /* source -> target: interface of the host, and of the container; link */
	STEP_ADDRESS, /* target: interface; data: "10.0.0.2/24"; address; number: enum link_end */
	STEP_ROUTE,   /* target: interface; data: "default via 10.0.0.1"; route; number: likewise */
	STEP_ANSWER,  /* data: "DHCP", "DNS": what the supervisor answers; target: where */
	STEP_MASQUERADE, /* data: whose addresses are hidden behind the host's */
	STEP_EGRESS,	 /* data: all that may be reached */
	STEP_PORT,	 /* data: "tcp:8080:80"; number: index in spec->ports */

	/* The payload. */
	STEP_ENTER,	  /* number: CLONE_*; data: names; then the tree becomes the root */
	STEP_LEAVE,	  /* detach the host's tree; after the proc and sysfs mounts, which need its
			   * pins in sight */
	STEP_UNSHARE,	  /* number: CLONE_* that need no sibling; data: their names */
	STEP_LOOPBACK,	  /* lo up */
	STEP_SESSION,	  /* setsid, stdio, controlling terminal; data: "pty" or "pipe" */
	STEP_HOSTNAME,	  /* data */
	STEP_KEYRING,	  /* a new session keyring */
	STEP_OOM_SCORE,	  /* number (signed) */
	STEP_AFFINITY,	  /* the set is in the spec */
	STEP_PERSONALITY, /* number */
	STEP_RLIMIT,	  /* number, soft, hard */
	STEP_SECCOMP,	  /* data: which filter */
	STEP_SELINUX,	  /* data: context */
	STEP_USER,	  /* data: user name or NULL for root */
	STEP_CAPABILITIES, /* number: retained mask; soft: ambient mask */
	STEP_NO_NEW_PRIVILEGES,
	STEP_SYSCTL, /* target: file below /proc/sys; data: value */
	STEP_STUB,   /* PID 1 stub, payload is PID 2 */
	STEP_CHDIR,  /* target; NULL: the user's home */
	STEP_EXEC,   /* data: program; the argument vector is in the spec */
	STEP_KINDS
};

enum step_flags {
	STEP_OPTIONAL = 1 << 0, /* failure is a debug line */
	STEP_WARN = 1 << 1,	/* failure is a warning, "going on without" */
	STEP_RECURSIVE = 1 << 2,
	STEP_UNLESS_MOUNTED = 1 << 3, /* skip if the target is already a mount point */
	STEP_UNLESS_EXISTS = 1 << 4,
	STEP_REPLACE = 1 << 5,
	STEP_SOURCE_IN_TREE = 1 << 6,	   /* source is a path in the image's tree ("+" prefix) */
	STEP_SOURCE_IN_CONTAINER = 1 << 7, /* source is what the container sees there so far */
	STEP_FOLLOW = 1 << 8,		   /* target may be reached through a symbolic link */
	STEP_LOCKED = 1 << 9,		   /* the container's root cannot undo this mount */
	STEP_OWN_FS = 1 << 10,		   /* target lies in a tmpfs of this plan: never idmapped */
	STEP_TEMPORARY_SOURCE = 1 << 11,   /* source is a fresh directory, removed at the end */
	STEP_INHERITS = 1 << 12,   /* binds: the source's mount has the attributes: set nothing */
	STEP_ELSE_COPY = 1 << 13,  /* binds of files: where that is denied, copy the contents */
	STEP_MATCH_TYPE = 1 << 14, /* binds: source is a directory of nodes: take reg, dir, fifo, or
				    * sock (for devices too), as the target is, which must exist */
	STEP_KEEP_OPEN = 1 << 15,  /* the supervisor holds what was made (O_RDWR) to the end */
	STEP_ELSE_BIND = 1 << 16,  /* new instances: where that is denied, bind the host's at the
				    * same path, recursively */
	STEP_STAGE = 1 << 17,	   /* the new instance is attached in the host's tree, which
				    * STEP_LEAVE drops; parts of it are bound before */
	STEP_SOURCE_STAGED = 1 << 18, /* binds: source is a path in the staged instance */
	STEP_EARLY = 1 << 19,	      /* payload: needs nothing of the tree, done before "go" */
};

/* Where changes to a layered tree go. */
enum layers_change {
	LAYERS_READ_ONLY, /* nowhere; what was changed before is shown */
	LAYERS_WRITABLE,  /* to the image's own directory */
	LAYERS_EPHEMERAL, /* to root->ephemeral_upper */
};

enum link_kind { LINK_VETH, LINK_MACVLAN, LINK_IPVLAN, LINK_INTERFACE, LINK_USER, LINK_UPLINK };
enum link_end { LINK_OF_HOST, LINK_OF_CONTAINER };

/* An interface of the container; LINK_UPLINK: of the namespace in the middle (machine/middle). */
struct link_plan {
	enum link_kind kind;
	const char *host;	      /* LINK_VETH: the other end; LINK_USER, LINK_UPLINK: the
				       * program that it leads to; else what it is made of */
	const char *host_alternative; /* the whole name, where it is too long; or NULL */
	const char *name, *alternative;
	const char *master;	     /* LINK_VETH: bridge that takes the other end; or NULL */
	bool has_mac, up, up_inside; /* up: the host's end */
	uint8_t host_mac[6], mac[6];
	/* LINK_USER, LINK_UPLINK: what the program takes for the interface's, and answers for.
	 * IPv4, IPv6 */
	struct ip_prefix guest[2];
	struct ip gateway[2], dns[2];
};

struct step {
	enum step_kind kind;
	enum step_side side;
	unsigned flags;
	mode_t mode;
	uint64_t attributes; /* MOUNT_ATTR_* */
	enum mount_idmap idmap;
	uint32_t uid, gid; /* owner inside the container of what is created */
	dev_t device;
	uint64_t number, soft, hard;
	const char *target, *source, *data;
	size_t size;			  /* of data where it may hold NUL; 0: text */
	const struct custom_mount *mount; /* what the user asked for, if a step comes from one */
	const struct link_plan *link;
	struct ip_prefix address;
	struct network_route route;
	const char *reason; /* "--bind=", "API file systems", "web.nspawn line 12" */
};

/* ---- facts ---- */

enum userns_rung {
	RUNG_NONE,
	RUNG_IDMAPPED,	  /* root: own range, idmapped mounts */
	RUNG_SHIFTED,	  /* root: the tree is owned by the range */
	RUNG_SUBORDINATE, /* newuidmap */
	RUNG_SINGLE,	  /* one id */
};

enum cgroup_rung {
	CGROUP_NONE,
	CGROUP_OWN,   /* redd/NAME below the v2 root or delegation */
	CGROUP_UNIT,  /* --keep-unit: the caller's */
	CGROUP_SCOPE, /* of the host's systemd, once there is a payload */
};

struct host_device {
	const char *path;
	mode_t mode;
	dev_t device;
};

/* What the host is, gathered by engine/host before planning. */
struct host {
	unsigned int uid;
	bool confined; /* uid 0 without CAP_SYS_ADMIN: in a container that keeps it back */
	bool selinux;
	bool has_fuse, has_tun;	       /* host node can be opened */
	struct host_device devices[6]; /* null zero full random urandom tty */
	const char *os_release;	       /* path of the host's file or NULL */
	const char *localtime_target;  /* symlink text, "" regular file, NULL missing */
	bool resolved_stub;	       /* stub-resolv.conf exists and the stub listens */
	bool has_resolv_conf;
	bool journal_exists;	     /* /var/log/journal */
	const char *journal_machine; /* host path /var/log/journal/ID if it exists, else NULL */
	uint8_t machine_id[16]; /* names of links are derived from it; asked for if there are any */
	bool networkd;		/* the host's own looks after our links */
	const char *pasta;	/* the program for LINK_USER and LINK_UPLINK, or NULL; asked for
				 * where it is needed */
	const char *runtime_directory;
	const char *const *environment;
	struct text_list os_release_fields; /* "container_host_id=debian", for the environment */
	const char *loader;		    /* name of the dynamic loader of this architecture */

	/* Each is asked for only where it is needed; zero: not asked. */
	const char *cgroup2_mount;	/* the host's cgroup2; without a cgroup namespace */
	struct limit nproc, sigpending; /* of the host's PID 1 */
	uint64_t nr_open;		/* /proc/sys/fs/nr_open */
	const struct host_device *bound_devices; /* device nodes among the sources of --bind*;
						  * without a user namespace */
	size_t bound_devices_count;
};

/* What the tree is. */
struct root_facts {
	const char *path; /* host path as locked */
	uid_t uid;	  /* of the root inode */
	gid_t gid;
	bool read_only_medium;
	bool has_resolv_conf_link, has_localtime_zone /* ROOT/usr/share/zoneinfo/Z exists */;
	const char *localtime_target;
	bool usr_bin, usr_sbin, usr_lib, usr_lib64, loader_in_lib64;
	bool has_loader;
	/* Exist in any form; false: made if missing. */
	bool has_bin, has_sbin, has_lib, has_lib64;
	bool has_root, has_usr, has_var, has_etc, has_proc, has_sys, has_dev, has_run;
	uint8_t machine_id[16];		/* resolved: tree's, --uuid, or random */
	const char *program;		/* boot: init found; else NULL */
	const char *ephemeral_upper;	/* when the snapshot is an overlay */
	const char *snapshot_rung;	/* NULL, "btrfs", "copy", "overlay" */
	const struct text_list *layers; /* of a layered image, bottom to top; else NULL */
	const struct disk *disk;	/* it lies in a disk image, which path is; or NULL */
	bool disk_served;		/* by superblock_server(), not the kernel */
	const char *changes;		/* its own directory with "data" and "work"; NULL: none */
};

/* Of the pool: what is the container's, what the host's. */
struct pooled_link {
	struct ip_prefix guest[2], host[2]; /* of one kind each; IPv4 first */
	size_t count;
};

struct pooled {
	bool taken;
	struct ip_prefix guest[2], host[2]; /* of one kind each; IPv4 first */
	size_t count;
	struct ip_prefix *pools; /* that such addresses are taken from */
	size_t pool_count;
	struct pooled_link
		*further; /* of further links with addresses from there, in their order */
	size_t further_count;
};

/* What engine/resources took. */
struct taken {
	struct pooled pooled;
	enum userns_rung userns;
	enum cgroup_rung cgroup;
	uint32_t base, range;	 /* host id of container id 0 */
	bool subordinate_gid5;	 /* gid 5 is mapped (tty group) */
	const char *cgroup_path; /* of the payload, below the root of the v2 hierarchy */
	bool ownership_map, ownership_chown;
	uint32_t uplink_slot;	 /* LINK_UPLINK: format/uplink */
	bool network_shared;	 /* host's, or one given by path: payload cannot mount sysfs */
	bool nested_proc_masked; /* a fresh /proc is impossible here */
	const char *ids_text; /* which rung gave which ids, and what was read for it; NULL: by rung
				 and range */
	uint8_t boot_id[16];  /* random, new for every start */
};

struct plan {
	struct step *steps;
	size_t count;
};

int plan_build(struct arena *arena, struct plan *plan, const struct spec *spec,
	       const struct host *host, const struct root_facts *root, const struct taken *taken);

/* Is there a step of KIND or of OR? */
bool plan_has_flag(const struct plan *plan, unsigned flag);
bool plan_has(const struct plan *plan, enum step_kind kind, enum step_kind or);

/* Text or JSON, one step a line. The result lives in the arena. */
char *plan_print(struct arena *arena, const struct plan *plan, bool colour);
char *plan_print_json(struct arena *arena, const struct plan *plan, bool pretty);

/* One line about one step, for error messages: "bind /srv to /data (--bind=)". */
char *plan_describe(struct arena *arena, const struct step *step);
