/* machine/limits - resource control without a service manager: properties become files of a cgroup.
 *
 * The names and values are those of systemd.resource-control(5). All of them are looked at before
 * the first is written, and one that cannot be honoured is an error that says why. The cgroup is
 * the machine's own, above the one that the guest has, so that the guest cannot change them.
 * Speaking. Supervisor, or who changes a running machine.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/list.h"

struct arena;

struct limits_item {
	const char *property; /* as given: "MemoryMax=1G" */
	const char *controller, *file, *text;
	bool optional; /* resets what may not be there */
};

struct limits {
	struct limits_item *items;
	size_t count;
	bool devices;		  /* a device was allowed, or a policy given */
	bool strict;		  /* and no device but those */
	const char *device_rules; /* for kernel/device-filter */
};

/* Read PROPERTIES ("MemoryMax=1G"), whose percentages and paths are this host's. */
int limits_read(struct arena *arena, struct limits *ret, const struct text_list *properties);

/* The cgroup at FD (its path is PATH, "/redd/web") can take them all; where a controller only is
 * not passed on to it yet, it is. */
int limits_check(const struct limits *limits, int fd, const char *path);

int limits_write(const struct limits *limits, int fd);
