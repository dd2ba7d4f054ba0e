#include "machine/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/parse.h"
#include "base/text.h"
#include "format/property.h"
#include "io/fd.h"
#include "io/file.h"
#include "kernel/cgroup.h"

#define QUOTA_PERIOD_US 100000
#define QUOTA_PERIOD_MIN_US 1000
#define US_PER_SECOND 1000000
#define DEVICES_SIZE_MAX (64 * 1024)
#define FOREIGN 1 /* a property that is no cgroup's */

struct reader {
	struct arena *arena;
	struct limits *limits;
	const char *given;	    /* the property as it was given */
	uint64_t quota_us, span_us; /* the last CPUQuota= (0: none was given), and its period */
	const char *quota_given;
};

static int refuse(const struct reader *reader, const char *why)
{
	return fail_plain(-EINVAL, "cannot set '%s': %s",
			  text_printable(reader->arena, reader->given), why);
}

static struct limits_item *add(struct reader *reader, const char *controller, const char *file,
			       const char *text)
{
	struct limits *limits = reader->limits;
	struct limits_item *limit = list_grow(reader->arena, (void **)&limits->items,
					      &limits->count, sizeof(*limit));

	limit->property = reader->given;
	limit->controller = controller;
	limit->file = file;
	limit->text = text;
	return limit;
}

static const char *number_text(struct arena *arena, uint64_t number)
{
	if (number == PROPERTY_INFINITY)
		return "max";
	return arena_format(arena, "%llu", (unsigned long long)number);
}

/* ---- one kind each ---- */

static uint64_t share_of(uint64_t whole, uint64_t share)
{
	return (uint64_t)((unsigned __int128)whole * share / (100 * PROPERTY_PERCENT));
}

static int read_memory(struct reader *reader, const struct property *property)
{
	static const struct {
		const char *name, *file, *normal;
	} rows[] = {
		{ "MemoryMin", "memory.min", "0" },
		{ "MemoryLow", "memory.low", "0" },
		{ "MemoryHigh", "memory.high", "max" },
		{ "MemoryMax", "memory.max", "max" },
		{ "MemorySwapMax", "memory.swap.max", "max" },
		{ "MemoryZSwapMax", "memory.zswap.max", "max" },
	};
	uint64_t number = property->number;

	if (property->relative)
		number = share_of((uint64_t)sysconf(_SC_PHYS_PAGES) *
					  (uint64_t)sysconf(_SC_PAGESIZE),
				  number);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (text_equal(property->name, rows[i].name)) {
			add(reader, "memory", rows[i].file,
			    property->reset ? rows[i].normal : number_text(reader->arena, number));
			return 0;
		}
	return FOREIGN;
}

/* What the kernel lets exist at all. */
static uint64_t tasks_of_host(void)
{
	static const char *const files[] = { "/proc/sys/kernel/pid_max",
					     "/proc/sys/kernel/threads-max" };
	uint64_t least = UINT64_MAX, number;
	char text[32];

	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		if (file_read_line(text, sizeof(text), AT_FDCWD, files[i]) >= 0 &&
		    parse_u64(&number, text) >= 0)
			least = MIN(least, number);
	return least == UINT64_MAX ? 32768 : least;
}

static int read_tasks(struct reader *reader, const struct property *property)
{
	uint64_t number = property->number;

	if (property->relative)
		number = MAX(share_of(tasks_of_host(), number), 1U);
	add(reader, "pids", "pids.max", number_text(reader->arena, number));
	return 0;
}

static int read_weight(struct reader *reader, const struct property *property)
{
	uint64_t number = property->reset ? 100 : property->number;

	if (text_equal(property->name, "IOWeight")) {
		add(reader, "io", "io.weight",
		    arena_format(reader->arena, "default %llu", (unsigned long long)number));
		return 0;
	}
	if (!text_equal(property->name, "CPUWeight"))
		return FOREIGN;
	/* A group that is idle has no weight. */
	add(reader, "cpu", "cpu.idle", number == 0 ? "1" : "0")->optional = number != 0;
	if (number != 0)
		add(reader, "cpu", "cpu.weight", number_text(reader->arena, number));
	return 0;
}

/* Written at the end, when both are known. */
static int read_quota(struct reader *reader, const struct property *property)
{
	if (text_equal(property->name, "CPUQuota")) {
		reader->quota_us = property->number;
		reader->quota_given = reader->given;
		return 0;
	}
	if (!text_equal(property->name, "CPUQuotaPeriodSec"))
		return FOREIGN;
	reader->span_us = property->reset ? QUOTA_PERIOD_US : property->number;
	if (reader->span_us < QUOTA_PERIOD_MIN_US || reader->span_us > US_PER_SECOND)
		return refuse(reader, "a period is between 1ms and 1s");
	return 0;
}

static int finish_quota(struct reader *reader)
{
	uint64_t span = reader->span_us == 0 ? QUOTA_PERIOD_US : reader->span_us;
	uint64_t quota;

	if (reader->quota_given == NULL && reader->span_us == 0)
		return 0;
	if (reader->quota_given == NULL)
		return fail_input("cannot set 'CPUQuotaPeriodSec=' alone: it is the period of a "
				  "quota (give CPUQuota= as well)");
	reader->given = reader->quota_given;
	if (reader->quota_us == PROPERTY_INFINITY) {
		add(reader, "cpu", "cpu.max",
		    arena_format(reader->arena, "max %llu", (unsigned long long)span));
		return 0;
	}
	/* The kernel's least is a millisecond: a small share has a longer period. */
	quota = reader->quota_us * span / US_PER_SECOND;
	if (quota < QUOTA_PERIOD_MIN_US) {
		quota = QUOTA_PERIOD_MIN_US;
		span = quota * US_PER_SECOND / reader->quota_us;
	}
	if (span > US_PER_SECOND)
		return refuse(reader, "the kernel's least is 0.1% of a CPU");
	add(reader, "cpu", "cpu.max",
	    arena_format(reader->arena, "%llu %llu", (unsigned long long)quota,
			 (unsigned long long)span));
	return 0;
}

static int read_set(struct reader *reader, const struct property *property)
{
	bool cpus = text_equal(property->name, "AllowedCPUs");
	const char *text = "";

	for (size_t i = 0; i < property->bits_size * 8; i++) {
		size_t last = i;

		if (!(property->bits[i / 8] >> i % 8 & 1))
			continue;
		while (last + 1 < property->bits_size * 8 &&
		       (property->bits[(last + 1) / 8] >> (last + 1) % 8 & 1))
			last++;
		text = arena_format(reader->arena, "%s%s%zu-%zu", text, *text ? "," : "", i, last);
		i = last;
	}
	add(reader, "cpuset", cpus ? "cpuset.cpus" : "cpuset.mems", *text ? text : "\n");
	return 0;
}

/* ---- devices ---- */

/* The disk's numbers, as io.max wants them: a partition has none of its own. */
static const char *whole_disk(struct arena *arena, dev_t device)
{
	char path[96], text[32];

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/partition", major(device),
		 minor(device));
	if (access(path, F_OK) == 0) {
		snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/../dev", major(device),
			 minor(device));
		if (file_read_line(text, sizeof(text), AT_FDCWD, path) >= 0)
			return arena_text(arena, text);
	}
	return arena_format(arena, "%u:%u", major(device), minor(device));
}

/* PATH is a disk, or anything on a file system that is on one. */
static int find_disk(struct reader *reader, const char **ret, const char *path)
{
	struct stat st;
	dev_t device;

	if (stat(path, &st) < 0)
		return fail(-errno, "cannot set '%s': cannot look at '%s'",
			    text_printable(reader->arena, reader->given), path);
	device = S_ISBLK(st.st_mode) ? st.st_rdev : st.st_dev;
	if (major(device) == 0)
		return refuse(reader, "the path is on no block device (name the disk's device)");
	*ret = whole_disk(reader->arena, device);
	return 0;
}

static int read_rate(struct reader *reader, const struct property *property)
{
	static const struct {
		const char *name, *key;
	} rows[] = {
		{ "IOReadBandwidthMax", "rbps" },
		{ "IOWriteBandwidthMax", "wbps" },
		{ "IOReadIOPSMax", "riops" },
		{ "IOWriteIOPSMax", "wiops" },
	};
	const char *disk;
	int r;

	if (property->reset)
		return refuse(reader, "give the device (as in 'IOReadBandwidthMax=PATH infinity')");
	r = find_disk(reader, &disk, property->path);
	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (text_equal(property->name, rows[i].name))
			add(reader, "io", "io.max",
			    arena_format(reader->arena, "%s %s=%s", disk, rows[i].key,
					 number_text(reader->arena, property->number)));
	return 0;
}

static int read_io_weight(struct reader *reader, const struct property *property)
{
	const char *disk;
	int r;

	if (property->reset)
		return refuse(reader, "give the device (as in 'IODeviceWeight=PATH 100')");
	r = find_disk(reader, &disk, property->path);
	if (r >= 0)
		add(reader, "io", "io.weight",
		    arena_format(reader->arena, "%s %llu", disk,
				 (unsigned long long)property->number));
	return r;
}

static void add_rule(struct reader *reader, const char *rule)
{
	struct limits *limits = reader->limits;

	limits->device_rules = arena_format(reader->arena, "%s%s%s", limits->device_rules,
					    *limits->device_rules ? ", " : "", rule);
}

/* "char-pts": all drivers of this name in /proc/devices. */
static int allow_drivers(struct reader *reader, const struct property *property)
{
	bool block = text_after(property->path, "block-") != NULL, inside = false, found = false;
	const char *driver = strchr(property->path, '-') + 1;
	struct text_list lines = { 0 };
	char *text;
	size_t size;

	if (file_read(reader->arena, &text, &size, AT_FDCWD, "/proc/devices", DEVICES_SIZE_MAX) < 0)
		return refuse(reader, "/proc/devices cannot be read");
	text_split(reader->arena, &lines, text, "\n");
	for (size_t i = 0; i < lines.count; i++) {
		struct text_list words = { 0 };

		if (text_after(lines.items[i], "Block") || text_after(lines.items[i], "Character"))
			inside = (lines.items[i][0] == 'B') == block;
		text_split(reader->arena, &words, lines.items[i], " ");
		if (!inside || words.count != 2 || strspn(words.items[0], "0123456789") == 0)
			continue;
		if (!text_equal(words.items[1], driver) && !text_equal(driver, "*"))
			continue;
		found = true;
		add_rule(reader, arena_format(reader->arena, "%c %s:* %s", block ? 'b' : 'c',
					      words.items[0], property->text));
	}
	return found ? 0 : refuse(reader, "no driver of this name is in /proc/devices");
}

static int read_device(struct reader *reader, const struct property *property)
{
	struct stat st;

	reader->limits->devices = true;
	if (property->reset) {
		reader->limits->device_rules = "";
		return 0;
	}
	if (property->path[0] != '/')
		return allow_drivers(reader, property);
	if (stat(property->path, &st) < 0)
		return fail(-errno, "cannot set '%s'",
			    text_printable(reader->arena, reader->given));
	if (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode))
		return refuse(reader, "this is no device node");
	add_rule(reader, arena_format(reader->arena, "%c %u:%u %s", S_ISBLK(st.st_mode) ? 'b' : 'c',
				      major(st.st_rdev), minor(st.st_rdev), property->text));
	return 0;
}

/* ---- words ---- */

static int read_policy(struct reader *reader, const struct property *property)
{
	bool automatic = property->reset || text_equal(property->text, "auto");

	if (!text_equal(property->name, "DevicePolicy"))
		return FOREIGN;
	if (!automatic && !text_equal(property->text, "closed") &&
	    !text_equal(property->text, "strict"))
		return refuse(reader, "a policy is auto, closed or strict");
	reader->limits->strict = !automatic && text_equal(property->text, "strict");
	reader->limits->devices = !automatic || *reader->limits->device_rules != '\0';
	return 0;
}

/* What is always so here may be said. */
static int read_flag(struct reader *reader, const struct property *property)
{
	if (text_equal(property->name, "Delegate") && property->number == 0)
		return refuse(reader, "a machine always has a cgroup of its own to manage");
	if (text_equal(property->name, "Delegate") || (text_ends(property->name, "Accounting") &&
						       !text_equal(property->name, "IPAccounting")))
		return 0;
	return FOREIGN;
}

static int read_property(struct reader *reader, const struct property *property)
{
	switch (property->kind) {
	case PROPERTY_MEMORY: return read_memory(reader, property);
	case PROPERTY_TASKS: return read_tasks(reader, property);
	case PROPERTY_QUOTA:
	case PROPERTY_SPAN: return read_quota(reader, property);
	case PROPERTY_WEIGHT: return read_weight(reader, property);
	case PROPERTY_SET: return read_set(reader, property);
	case PROPERTY_RATE: return read_rate(reader, property);
	case PROPERTY_IO_WEIGHT: return read_io_weight(reader, property);
	case PROPERTY_DEVICE: return read_device(reader, property);
	case PROPERTY_WORD: return read_policy(reader, property);
	case PROPERTY_FLAG: return read_flag(reader, property);
	case PROPERTY_SIGNAL:
	case PROPERTY_UNITS: break;
	}
	return FOREIGN;
}

int limits_read(struct arena *arena, struct limits *ret, const struct text_list *properties)
{
	struct limits limits = { .device_rules = "" };
	struct reader reader = { .arena = arena, .limits = &limits };
	int r;

	for (size_t i = 0; i < properties->count; i++) {
		struct property property;

		reader.given = properties->items[i];
		r = property_parse(arena, &property, reader.given);
		if (r == -ENOENT)
			return refuse(&reader, "there is no property of this name (try one of "
					       "systemd.resource-control(5))");
		if (r < 0)
			return refuse(&reader, "not a value for this property (see "
					       "systemd.resource-control(5))");
		r = read_property(&reader, &property);
		if (r == FOREIGN)
			return refuse(&reader, "only systemd as the host's service manager could "
					       "do this, and it does not run");
		if (r < 0)
			return r;
	}
	r = finish_quota(&reader);
	if (r >= 0)
		*ret = limits;
	return r;
}

/* ---- into the cgroup ---- */

/* Why CONTROLLER is not even at the top of the hierarchy. */
static const char *why_missing(const char *controller)
{
	const char *name = text_equal(controller, "io") ? "blkio" : controller;
	unsigned long hierarchy = 0, enabled = 1;
	char text[4096], *at;

	if (file_read_line(text, sizeof(text), AT_FDCWD, "/proc/cgroups") >= 0)
		for (at = text; at != NULL; at = strchr(at + 1, '\n')) {
			const char *rest = text_after(at + (*at == '\n'), name);
			char *end;

			if (rest == NULL || *rest != '\t')
				continue;
			hierarchy = strtoul(rest, &end, 10);
			(void)strtoul(end, &end, 10); /* how many cgroups */
			enabled = strtoul(end, NULL, 10);
		}
	if (hierarchy != 0)
		return "a cgroup v1 hierarchy holds it (boot with 'cgroup_no_v1=all', or with "
		       "cgroup v2 alone)";
	if (enabled == 0)
		return "it was switched off when the kernel was started (see 'cgroup_disable=' and "
		       "'cgroup_enable=' of the kernel's command line)";
	return "this kernel does not have it, or a container around us does not pass it on";
}

/* Whoever manages the cgroups above ours passes on what he likes, and does not want our help. */
static void pass_on(const char *controller, const char *path)
{
	autoclose int here = -EBADF;

	if (access("/run/systemd/system", F_OK) == 0)
		return;
	here = cgroup_open("/");
	while (here >= 0 && *path != '\0') {
		size_t length = strcspn(++path, "/");
		char name[NAME_MAX + 1];
		int next;

		cgroup_enable(here, controller);
		if (length == 0 || length >= sizeof(name))
			return;
		memcpy(name, path, length);
		name[length] = '\0';
		path += length;
		next = openat(here, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		fd_close(&here);
		here = next;
	}
}

static int check_controller(const struct limits_item *limit, int fd, const char *path)
{
	autoclose int top = -EBADF;

	if (cgroup_has_controller(fd, limit->controller))
		return 0;
	pass_on(limit->controller, path);
	if (cgroup_has_controller(fd, limit->controller))
		return 0;
	top = cgroup_open("/");
	if (top < 0 || !cgroup_has_controller(top, limit->controller))
		return fail_plain(-EOPNOTSUPP, "cannot set '%s': there is no '%s' controller: %s",
				  limit->property, limit->controller,
				  why_missing(limit->controller));
	return fail_plain(-EOPNOTSUPP,
			  "cannot set '%s': the '%s' controller is not passed on to the cgroup "
			  "'%s' (start the machine where nothing else runs in the same cgroup: as "
			  "a service, or in a scope of its own)",
			  limit->property, limit->controller, path);
}

int limits_check(const struct limits *limits, int fd, const char *path)
{
	for (size_t i = 0; i < limits->count; i++) {
		const struct limits_item *limit = &limits->items[i];
		int r = check_controller(limit, fd, path);

		if (r < 0)
			return r;
		if (limit->optional || faccessat(fd, limit->file, W_OK, AT_EACCESS) == 0)
			continue;
		if (errno == ENOENT)
			return fail_plain(-EOPNOTSUPP,
					  "cannot set '%s': this kernel's '%s' controller has no "
					  "'%s'",
					  limit->property, limit->controller, limit->file);
		return fail(-errno, "cannot set '%s': cannot write '%s' of the cgroup '%s'",
			    limit->property, limit->file, path);
	}
	return 0;
}

static int fail_write(const struct limits_item *limit, int error)
{
	if (error == -EBUSY && text_equal(limit->file, "memory.max"))
		return fail_plain(error, "cannot set '%s': more is in use, and could not be freed",
				  limit->property);
	if (error == -ENODEV && text_equal(limit->controller, "io"))
		return fail_plain(error, "cannot set '%s': this device takes no limits",
				  limit->property);
	return fail(error, "cannot set '%s': the kernel refuses '%s' as '%s'", limit->property,
		    limit->text, limit->file);
}

int limits_write(const struct limits *limits, int fd)
{
	for (size_t i = 0; i < limits->count; i++) {
		const struct limits_item *limit = &limits->items[i];
		int r = file_write(fd, limit->file, limit->text);

		if (r < 0 && !limit->optional)
			return fail_write(limit, r);
	}
	return 0;
}
