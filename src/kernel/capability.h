/* kernel/capability - capability sets as 64-bit masks. Quiet.
 * Source of the numbers: linux/capability.h. */
#pragma once
#include <stdint.h>

#define CAPABILITY_BIT(number) (UINT64_C(1) << (number))

/* Reference 10.1: the 26 that are kept by default, without CAP_NET_ADMIN. */
extern const uint64_t capability_default;

/* The ones the running kernel knows (63 at most). Asks the kernel, needs no /proc. */
uint64_t capability_all(void);

/* "CAP_CHOWN", "chown", "0". -EINVAL: unknown. */
int capability_parse(int *ret, const char *name);
const char *capability_name(int number); /* "cap_chown"; NULL: unknown */

/* Payload, in this order: bounding, then (after the uid change) the three sets and ambient.
 * Async-signal-safe. The ambient bits must be in the permitted and the inheritable set. */
int capability_drop_bounding(uint64_t keep);
int capability_set(uint64_t effective, uint64_t permitted, uint64_t inheritable);
int capability_set_ambient(uint64_t ambient);

/* The calling process's sets; any of the three may be NULL. */
int capability_get(uint64_t *ret_effective, uint64_t *ret_permitted, uint64_t *ret_inheritable);
