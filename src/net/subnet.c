#include "net/subnet.h"

#include <string.h>
#include <sys/socket.h>

#include "base/hash.h"
#include "base/macros.h"
#include "net/config.h"

#define LINK_LENGTH 30
#define ZONE_LENGTH 24

static const uint8_t prefix_key[16] = { 0x9d, 0x26, 0x3e, 0x71, 0x04, 0xc8, 0x4a, 0x5f,
					0x93, 0xee, 0x17, 0x82, 0xd0, 0x6b, 0xa5, 0x3c };

static unsigned int length_of(enum subnet_kind kind)
{
	return kind == SUBNET_ZONE ? ZONE_LENGTH : LINK_LENGTH;
}

static unsigned int count_in(const struct config_range *range, enum subnet_kind kind)
{
	return 1U << (length_of(kind) - range->length - 1);
}

static struct subnet make(const struct config_range *range, enum subnet_kind kind, unsigned int at,
			  unsigned int before)
{
	const unsigned int length = length_of(kind), half = range->length + 1;
	uint32_t upper = kind == SUBNET_ZONE ? (uint32_t)1 << (32 - half) : 0;

	return (struct subnet){
		.kind = kind,
		.address = range->address + upper + ((uint32_t)at << (32 - length)),
		.length = length,
		.number = before + at,
		.half = half,
	};
}

bool subnet_at(struct subnet *ret, const struct config *config, enum subnet_kind kind,
	       unsigned int number)
{
	unsigned int before = 0;

	for (size_t i = 0; i < config->count && number < SUBNET_MAX; i++) {
		unsigned int count = count_in(&config->ranges[i], kind);

		if (number - before < count) {
			*ret = make(&config->ranges[i], kind, number - before, before);
			ret->range_ends = before + count;
			return true;
		}
		before += count;
	}
	return false;
}

bool subnet_nth(struct subnet *ret, const struct config *config, enum subnet_kind kind,
		uint64_t hash, unsigned int n)
{
	unsigned int before = 0;

	for (size_t i = 0; i < config->count && before < SUBNET_MAX; i++) {
		const struct config_range *range = &config->ranges[i];
		unsigned int count = MIN(count_in(range, kind), SUBNET_MAX - before);

		if (n - before < count) {
			unsigned int at = (unsigned int)((hash + (n - before)) % count);

			*ret = make(range, kind, at, before);
			ret->range_ends = before + count;
			return true;
		}
		before += count;
	}
	return false;
}

struct subnet subnet_zone(uint32_t address, unsigned int number)
{
	return (struct subnet){
		.kind = SUBNET_ZONE,
		.address = address,
		.length = ZONE_LENGTH,
		.number = number,
	};
}

unsigned int subnet_count(const struct config *config, enum subnet_kind kind)
{
	unsigned int count = 0;

	for (size_t i = 0; i < config->count; i++)
		count = MIN(count + count_in(&config->ranges[i], kind), SUBNET_MAX);
	return count;
}

struct route_prefix subnet_address(const struct subnet *subnet, unsigned int n)
{
	struct route_prefix prefix = { .family = AF_INET, .length = subnet->length };
	uint32_t address = subnet->address + n;

	for (unsigned int i = 0; i < 4; i++)
		prefix.bytes[i] = (unsigned char)(address >> (24 - 8 * i));
	return prefix;
}

unsigned int subnet_index(const struct subnet *subnet)
{
	return subnet->number + (subnet->kind == SUBNET_ZONE ? SUBNET_MAX : 0);
}

struct route_prefix subnet_address6(const struct subnet *subnet, const struct config *config,
				    const uint8_t host_id[16], const uint8_t id[8])
{
	struct route_prefix prefix = { .family = AF_INET6, .length = 64 };
	const unsigned int index = subnet_index(subnet);

	switch (config->ipv6) {
	case CONFIG_IPV6_NONE: return (struct route_prefix){ 0 };
	case CONFIG_IPV6_GIVEN: memcpy(prefix.bytes, config->prefix, 6); break;
	case CONFIG_IPV6_AUTO: {
		uint64_t hash = hash_siphash24(host_id, 16, prefix_key);

		prefix.bytes[0] = 0xfd; /* RFC 4193: local, and unique by chance */
		for (unsigned int i = 0; i < 5; i++)
			prefix.bytes[1 + i] = (unsigned char)(hash >> (8 * i));
	}
	}
	prefix.bytes[6] = (unsigned char)(index >> 8);
	prefix.bytes[7] = (unsigned char)index;
	memcpy(prefix.bytes + 8, id, 8);
	return prefix;
}

bool subnet_overlaps(const struct route_prefix *a, const struct route_prefix *b)
{
	unsigned int shorter = MIN(a->length, b->length);

	if (a->family != b->family)
		return false;
	for (unsigned int bit = 0; bit < shorter; bit++)
		if ((a->bytes[bit / 8] ^ b->bytes[bit / 8]) & (0x80 >> bit % 8))
			return false;
	return true;
}
