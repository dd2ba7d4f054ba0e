/* kernel/capability - capability sets as 64-bit masks. Quiet.
 * Source of the numbers: linux/capability.h. */
#pragma once
#include <stdint.h>

struct arena;

#define CAPABILITY_BIT(number) (UINT64_C(1) << (number))

/* Reference 10.1: the 26 that are kept by default, without CAP_NET_ADMIN. */
extern const uint64_t capability_default;

/* The ones the running kernel knows, from /proc/sys/kernel/cap_last_cap (63 at most). */
uint64_t capability_all(void);

/* "CAP_CHOWN", "chown", "0". -EINVAL: unknown. */
int capability_parse(int *ret, const char *name);
const char *capability_name(int number); /* "cap_chown"; NULL: unknown */

/* Payload, in this order: bounding, then (after the uid change) the three sets and ambient. Async-signal-safe. */
int capability_drop_bounding(uint64_t keep);
int capability_set(uint64_t effective, uint64_t permitted, uint64_t inheritable);
int capability_set_ambient(uint64_t ambient);
int capability_get_bounding(uint64_t *ret);
