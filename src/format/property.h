/* format/property - resource control as text: "MemoryMax=1G", as systemd.resource-control(5) has
 * it.
 *
 * One table of names and kinds for who sets them by a service manager and who writes them into a
 * cgroup. Nothing of the host is asked: a percentage stays one, a device stays a path. Pure, quiet.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;

#define PROPERTY_INFINITY UINT64_MAX
#define PROPERTY_PERCENT 100 /* "10%" is a number of 1000 */
#define PROPERTY_CPUS_MAX 8192
#define PROPERTY_LENGTH_MAX 4096

enum property_kind {
	PROPERTY_MEMORY, /* Memory*: bytes, infinity, or relative to the host's memory */
	PROPERTY_TASKS,	 /* TasksMax: a number, infinity, or relative to what the host allows */
	PROPERTY_QUOTA,	 /* CPUQuota: microseconds of CPU a second; infinity: none */
	PROPERTY_SPAN,	 /* …Sec: microseconds or infinity */
	PROPERTY_WEIGHT, /* CPUWeight, IOWeight: 1…10000; 0: idle; infinity: not set */
	PROPERTY_SET,	 /* AllowedCPUs, AllowedMemoryNodes: bits */
	PROPERTY_RATE, /* IO…BandwidthMax, IO…IOPSMax: path, and bytes or operations a second */
	PROPERTY_IO_WEIGHT, /* IODeviceWeight: path and weight */
	PROPERTY_DEVICE,    /* DeviceAllow: path ("/dev/x", "char-pts") and text ("rwm") */
	PROPERTY_FLAG,	    /* a boolean: number is 0 or 1 */
	PROPERTY_SIGNAL,    /* KillSignal: number */
	PROPERTY_WORD,	    /* any text: DevicePolicy, Description, KillMode, … */
	PROPERTY_UNITS,	    /* After, Requires, …: text, unit names with blanks between */
};

struct property {
	const char *name; /* static */
	enum property_kind kind;
	bool reset;	 /* "NAME=": back to the default; nothing below is set but number */
	bool relative;	 /* number is in hundredths of a percent of the host's */
	uint64_t number; /* or PROPERTY_INFINITY */
	const char *path, *text;
	uint8_t *bits; /* of PROPERTY_SET: bit N%8 of byte N/8 */
	size_t bits_size;
};

/* TEXT is "NAME=VALUE". -EINVAL: it is not, or the value is none for NAME. -ENOENT: a name that is
 * not in the table. */
int property_parse(struct arena *arena, struct property *ret, const char *text);
