/* net/lease-answer - what a machine's frame is answered with. Pure, quiet.
 *
 * The part of net/lease that needs no socket.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct lease_config;

#define LEASE_FRAME_MAX 640 /* of an answer, headers and all */

/* The size of the answer in RET, which has room for LEASE_FRAME_MAX; 0: there is none to give. */
size_t lease_answer(uint8_t *ret, const struct lease_config *config, const uint8_t *frame,
		    size_t size);

/* An advertisement that nobody asked for; 0: the machine has no IPv6. */
size_t lease_advertisement(uint8_t *ret, const struct lease_config *config);
