/* format/little - numbers in the byte order of disks: the lowest byte first. Pure. */
#pragma once
#include <stdint.h>

static inline uint16_t little16(const uint8_t *data)
{
	return (uint16_t)(data[0] | data[1] << 8);
}

static inline uint32_t little32(const uint8_t *data)
{
	return (uint32_t)little16(data) | (uint32_t)little16(data + 2) << 16;
}

static inline uint64_t little64(const uint8_t *data)
{
	return (uint64_t)little32(data) | (uint64_t)little32(data + 4) << 32;
}
