#include "plan/integration.h"

#include <errno.h>
#include <sys/mount.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/id128.h"
#include "base/macros.h"
#include "base/text.h"
#include "plan/network.h"
#include "plan/step.h"

struct inaccessible_row {
	const char *target, *type;
};

static const struct inaccessible_row inaccessible[] = {
	{ "/run/host/inaccessible/reg", "reg" },
	{ "/run/host/inaccessible/fifo", "fifo" },
	{ "/run/host/inaccessible/sock", "sock" },
};

static void add_inaccessible(struct planner *p)
{
	p->reason = "nodes to hide paths with";
	step_dir(p, "/run/host/inaccessible", 0555);
	step_dir(p, "/run/host/inaccessible/dir", 0);
	for (size_t i = 0; i < ARRAY_SIZE(inaccessible); i++)
		step_add(p, STEP_NODE, inaccessible[i].target)->data = inaccessible[i].type;
}

static const char *uuid_line(struct planner *p, const uint8_t id[16])
{
	char uuid[ID128_UUID_ROOM];

	id128_uuid(uuid, id);
	return arena_format(p->arena, "%s\n", uuid);
}

static void add_identity(struct planner *p)
{
	const char *service = p->spec->container_service ? p->spec->container_service
							 : "systemd-nspawn";
	struct step *step;

	p->reason = "container interface";
	step_file(p, "/run/host/container-manager", 0444, arena_format(p->arena, "%s\n", service));
	step_file(p, "/run/host/container-uuid", 0444, uuid_line(p, p->root->machine_id));
	if (p->host->os_release) {
		step = step_add(p, STEP_COPY, "/run/host/os-release");
		step->source = p->host->os_release;
		step->mode = 0444;
	}
}

/* Sources of the payload's binds over /proc. */
static void add_proc_files(struct planner *p)
{
	struct step *step;

	if (p->skip_proc_masks)
		return;
	p->reason = "a boot id for every start";
	step_file(p, "/run/host/proc-sys-kernel-random-boot-id", 0444,
		  uuid_line(p, p->taken->boot_id));

	p->reason = "the kernel's log is the host's";
	step = step_add(p, STEP_NODE, "/run/host/proc-kmsg");
	step->data = "fifo";
	step->mode = 0600;
	/* With a writer that never writes, readers wait instead of seeing the end. */
	step->flags |= STEP_KEEP_OPEN;
}

static bool credentials_for_user(const struct planner *p)
{
	const char *user = p->spec->user;

	return p->spec->no_new_privileges == TRISTATE_YES && p->spec->start == START_COMMAND &&
	       user && !text_equal(user, "root") && !text_equal(user, "0");
}

static void add_credentials(struct planner *p)
{
	struct step *step;

	if (p->spec->credentials.count == 0)
		return;
	p->reason = step_said(p, GROUP_CREDENTIALS, "--set-credential=, --load-credential=");
	step = step_add(p, STEP_CREDENTIALS, "/run/host/credentials");
	step->mode = credentials_for_user(p) ? 0555 : 0500;
	step->attributes = STEP_API | MOUNT_ATTR_RDONLY;
	step_mounted(p, "/run/host/credentials", false);
}

static void add_bind_users(struct planner *p)
{
	struct step *step;

	if (p->spec->bind_users.count == 0)
		return;
	p->reason = step_said(p, GROUP_BIND_USER, "--bind-user=");
	step_dir(p, "/run/host/home", 0755);
	step_dir(p, "/run/host/userdb", 0755);
	for (size_t i = 0; i < p->spec->bind_users.count; i++) {
		step = step_add(p, STEP_BIND_USER, "/run/host");
		step->data = p->spec->bind_users.items[i];
		step->idmap = p->userns ? IDMAP_OWNER : IDMAP_NONE;
	}
}

void integration_run_host(struct planner *p)
{
	p->reason = "container interface";
	step_dir(p, "/run/host", 0755);
	/* A mount of its own, because it becomes read-only and /run does not. */
	step_bind_inside(p, "/run/host", "/run/host", 0);
	add_inaccessible(p);
	add_identity(p);
	add_proc_files(p);
	p->reason = "container interface";
	step_add(p, STEP_NOTIFY, "/run/host/notify")->mode = 0200;
	add_credentials(p);
	add_bind_users(p);
}

void integration_seal(struct planner *p)
{
	p->reason = "container interface";
	step_add(p, STEP_RESTRICT, "/run/host")->attributes = STEP_API | MOUNT_ATTR_RDONLY;
}

/* ---- /etc/resolv.conf ---- */

static enum resolv_conf_mode resolv_conf_auto(const struct planner *p)
{
	/* Without the host's network the host's servers may be out of reach. */
	if (spec_has_private_network(p->spec) && p->spec->addressing.dns != DNS_HOST)
		return RESOLV_OFF;
	/* The stub listens on the host's loopback interface alone. */
	if (p->host->resolved_stub && spec_has_private_network(p->spec))
		return p->etc_writable ? RESOLV_COPY_UPLINK : RESOLV_BIND_UPLINK;
	if (p->host->resolved_stub)
		return p->etc_writable ? RESOLV_COPY_STUB : RESOLV_BIND_STUB;
	if (p->host->has_resolv_conf)
		return p->etc_writable ? RESOLV_COPY_HOST : RESOLV_BIND_HOST;
	return p->etc_writable ? RESOLV_DELETE : RESOLV_OFF;
}

static const char *resolv_conf_source(enum resolv_conf_mode mode)
{
	switch (mode) {
	case RESOLV_COPY_STATIC:
	case RESOLV_REPLACE_STATIC:
	case RESOLV_BIND_STATIC: return "/usr/lib/systemd/resolv.conf";
	case RESOLV_COPY_UPLINK:
	case RESOLV_REPLACE_UPLINK:
	case RESOLV_BIND_UPLINK: return "/run/systemd/resolve/resolv.conf";
	case RESOLV_COPY_STUB:
	case RESOLV_REPLACE_STUB:
	case RESOLV_BIND_STUB: return "/run/systemd/resolve/stub-resolv.conf";
	default: return "/etc/resolv.conf";
	}
}

/* Ours names the server that the supervisor is, or that was asked for. A link in its place is an
 * init's that asks by DHCP. */
static bool add_own_resolv_conf(struct planner *p)
{
	const struct ip servers[] = { network_name_server(p, false), network_name_server(p, true) };
	const char *text = "", *target = "/etc/resolv.conf", *ours = "/run/host/resolv.conf";
	char room[IP_TEXT_ROOM];

	if (!p->own_network || p->spec->resolv_conf != RESOLV_AUTO)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(servers); i++)
		if (servers[i].family != 0)
			text = arena_format(p->arena, "%snameserver %s\n", text,
					    ip_text(room, &servers[i]));
	if (!*text)
		return false;
	p->reason = step_said(p, GROUP_POLICY, "--network-dns=");
	if (p->etc_writable && !p->root->has_resolv_conf_link) {
		step_file(p, target, 0644, text)->flags |= STEP_WARN;
	} else if (!p->etc_writable) {
		step_file(p, ours, 0644, text);
		step_bind_inside(p, ours, target,
				 MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)
			->flags |= STEP_WARN;
	}
	return true;
}

static void add_resolv_conf(struct planner *p)
{
	enum resolv_conf_mode mode = p->spec->resolv_conf;
	const char *target = "/etc/resolv.conf";
	struct step *step;

	if (add_own_resolv_conf(p))
		return;
	p->reason = step_said(p, GROUP_RESOLV_CONF, "--resolv-conf=");
	if (mode == RESOLV_AUTO)
		mode = resolv_conf_auto(p);
	if (mode == RESOLV_OFF)
		return;
	if (mode == RESOLV_DELETE) {
		step_add(p, STEP_REMOVE, target)->flags |= STEP_WARN;
		return;
	}
	if (mode >= RESOLV_BIND_HOST) {
		step = step_bind(p, resolv_conf_source(mode), target,
				 MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
		step->flags |= STEP_WARN | STEP_ELSE_COPY;
		return;
	}
	/* A link there is somebody's decision inside; only replace-* goes against it. */
	if (mode < RESOLV_REPLACE_HOST && p->root->has_resolv_conf_link)
		return;
	step = step_add(p, STEP_COPY, target);
	step->source = resolv_conf_source(mode);
	step->mode = 0644;
	step->flags |= STEP_WARN | (mode >= RESOLV_REPLACE_HOST ? STEP_REPLACE : 0);
}

/* ---- /etc/localtime ---- */

static enum timezone_mode timezone_auto(const struct planner *p)
{
	const char *target = p->host->localtime_target;

	if (!target)
		return p->etc_writable ? TIMEZONE_DELETE : TIMEZONE_OFF;
	if (!p->etc_writable)
		return TIMEZONE_BIND;
	return *target ? TIMEZONE_SYMLINK : TIMEZONE_COPY;
}

static const char *zone_of(const char *target)
{
	const char *zone;

	if (text_empty(target))
		return NULL;
	zone = text_after(target, "/usr/share/zoneinfo/");
	return zone ? zone : text_after(target, "../usr/share/zoneinfo/");
}

/* TIMEZONE_OFF: nothing is to be done; TIMEZONE_BIND: the tree does not know the zone. */
static enum timezone_mode add_zone_link(struct planner *p)
{
	const char *zone = zone_of(p->host->localtime_target);
	struct step *step;

	if (!zone || text_equal(zone, zone_of(p->root->localtime_target)))
		return TIMEZONE_OFF;
	if (!p->root->has_localtime_zone)
		return TIMEZONE_BIND;
	step = step_link(p, "/etc/localtime",
			 arena_format(p->arena, "../usr/share/zoneinfo/%s", zone));
	step->flags |= STEP_REPLACE | STEP_WARN;
	return TIMEZONE_OFF;
}

static void add_localtime(struct planner *p)
{
	enum timezone_mode mode = p->spec->timezone;
	const char *path = "/etc/localtime";
	struct step *step;

	p->reason = step_said(p, GROUP_TIMEZONE, "--timezone=");
	if (mode == TIMEZONE_AUTO)
		mode = timezone_auto(p);
	if (mode == TIMEZONE_SYMLINK)
		mode = add_zone_link(p);

	if (mode == TIMEZONE_BIND) {
		step = step_bind(p, path, path, STEP_API | MOUNT_ATTR_RDONLY);
		step->flags |= STEP_WARN | STEP_ELSE_COPY;
	} else if (mode == TIMEZONE_COPY) {
		step = step_add(p, STEP_COPY, path);
		step->source = path;
		step->mode = 0644;
		step->flags |= STEP_WARN | STEP_REPLACE;
	} else if (mode == TIMEZONE_DELETE && p->root->localtime_target) {
		step_add(p, STEP_REMOVE, path)->flags |= STEP_WARN;
	}
}

void integration_etc(struct planner *p)
{
	add_localtime(p);
	add_resolv_conf(p);
}

/* ---- the journal ---- */

static int refuse_journal(const struct planner *p, bool *ret_skip)
{
	if (p->host->journal_exists)
		return 0;
	if (p->spec->link_journal_try) {
		*ret_skip = true;
		return 0;
	}
	return fail_plain(-ENOENT,
			  "cannot link the journal: the host has no '/var/log/journal' "
			  "(make it, or use --link-journal=try-%s)",
			  p->spec->link_journal == JOURNAL_GUEST ? "guest" : "host");
}

int integration_journal(struct planner *p)
{
	enum link_journal_mode mode = p->spec->link_journal;
	const unsigned soft = p->spec->link_journal_try ? STEP_WARN : 0;
	const char *path;
	struct step *step;
	bool skip = false;
	char id[ID128_HEX_ROOM];
	int r;

	if (mode == JOURNAL_NO || p->spec->ephemeral == TRISTATE_YES)
		return 0;
	if (mode == JOURNAL_AUTO) {
		if (!p->host->journal_machine)
			return 0;
	} else {
		r = refuse_journal(p, &skip);
		if (r < 0 || skip)
			return r;
	}

	p->reason = step_said(p, GROUP_LINK_JOURNAL, "--link-journal=");
	id128_hex(id, p->root->machine_id);
	path = arena_format(p->arena, "/var/log/journal/%s", id);
	step_dir(p, path, 0755)->flags |= soft;
	if (mode != JOURNAL_AUTO) {
		step = step_add(p, STEP_JOURNAL_LINK, path);
		step->source = path;
		step->data = mode == JOURNAL_GUEST ? "guest" : "host";
		step->flags |= soft;
	}
	if (mode != JOURNAL_GUEST) {
		step = step_bind(p, path, path, 0);
		step->idmap = p->userns && !p->rootless ? IDMAP_ROOT : IDMAP_NONE;
		step->flags |= mode == JOURNAL_AUTO ? STEP_WARN : soft;
	}
	return 0;
}
