/* bus/machined - machines made known to the host's systemd-machined. Quiet; see bus_error(). */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct bus;

#define MACHINED_NAME "org.freedesktop.machine1"

struct machined_machine {
	const char *name, *service;
	const char *root; /* absolute path of the tree; NULL: none */
	const uint8_t *id;
	pid_t leader;		    /* in the cgroup that is to be the machine's unit */
	const uint32_t *interfaces; /* indexes of the host's, that lead to it */
	size_t interface_count;
};

/* -EEXIST: there is one of this name. */
int machined_register(struct bus *bus, const struct machined_machine *machine, int timeout_ms);
int machined_unregister(struct bus *bus, const char *name, int timeout_ms);
