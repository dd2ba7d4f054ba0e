/* machine/usage - what a machine uses, right now.
 *
 * From its own cgroup where the kernel counts there; what no controller counts (memory and tasks
 * on hosts with cgroup v1) is summed up over the machine's processes. What cannot be known stays
 * unknown; nothing here is an error. Any process. Quiet.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct machine;

#define USAGE_UNKNOWN UINT64_MAX
#define USAGE_PROCESSES_MAX 65536

enum usage_pressure { USAGE_PRESSURE_CPU, USAGE_PRESSURE_MEMORY, USAGE_PRESSURE_IO };
#define USAGE_PRESSURES 3

struct usage {
	uint64_t memory, memory_peak, memory_max,
		swap; /* bytes; memory_max: unknown if unlimited */
	uint64_t tasks, tasks_max;
	uint64_t cpu_us, throttled_us;
	uint64_t read, written;	 /* bytes */
	uint64_t received, sent; /* bytes; unknown: it has the host's network */
	uint64_t oom_kills;
	/* Microseconds in which at least one task waited. */
	uint64_t pressure_us[USAGE_PRESSURES];
	bool paused;
};

void usage_read(struct arena *arena, struct usage *ret, const struct machine *machine);

/* The numbers in the text of a file of the kernel's. Pure.
 * io.stat: the sum of "KEY=" over all devices. */
uint64_t usage_sum_io(const char *text, const char *key);
/* /proc/PID/net/dev: bytes of all interfaces but "lo"; false: not of that form. */
bool usage_sum_network(uint64_t *ret_received, uint64_t *ret_sent, const char *text);
/* "some … total=N". */
uint64_t usage_pressure_total(const char *text);
