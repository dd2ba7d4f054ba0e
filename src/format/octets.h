/* format/octets - numbers in network byte order, written into a room of fixed size. Pure, quiet. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct octets {
	uint8_t *data;
	size_t room, used;
	bool full; /* something did not fit: it was left out, and all that came after it */
};

void octets_put8(struct octets *octets, uint8_t number);
void octets_put16(struct octets *octets, uint16_t number);
void octets_put32(struct octets *octets, uint32_t number);
void octets_put(struct octets *octets, const void *data, size_t size);
void octets_put_zeros(struct octets *octets, size_t size);

/* A host or domain name as labels with their lengths, and the empty one at the end (RFC 1035). What
 * is no name counts as what does not fit. */
void octets_put_name(struct octets *octets, const char *name);

uint16_t octets_get16(const uint8_t *data);
uint32_t octets_get32(const uint8_t *data);
uint64_t octets_get64(const uint8_t *data);
