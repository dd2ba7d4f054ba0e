/* net/subnet - the nets that the host's ranges are cut into (net/pool). Pure, quiet.
 *
 * The nets of each kind are numbered over all ranges. Their order, for a name, begins in each range
 * where the name's hash says, and goes around.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "kernel/route.h"

struct config;

#define SUBNET_MAX 32768 /* of each kind; together they number all /64s of a /48 */

enum subnet_kind {
	SUBNET_LINK, /* four addresses for one machine, in the lower half of a range */
	SUBNET_ZONE, /* a /24 for a zone, in the upper half */
};

struct subnet {
	enum subnet_kind kind;
	uint32_t address; /* the first one, in the host's order */
	unsigned int length;
	unsigned int number;	 /* among its kind */
	unsigned int half;	 /* length of the prefix that the half of the range has */
	unsigned int range_ends; /* where subnet_nth() begins with the next range */
};

/* False: there is none. */
bool subnet_at(struct subnet *ret, const struct config *config, enum subnet_kind kind,
	       unsigned int number);

/* The N-th one to be looked at, from 0. False: those were all. */
bool subnet_nth(struct subnet *ret, const struct config *config, enum subnet_kind kind,
		uint64_t hash, unsigned int n);

/* The one for a zone that begins with ADDRESS, whatever the ranges are now. */
struct subnet subnet_zone(uint32_t address, unsigned int number);

/* How many there are. */
unsigned int subnet_count(const struct config *config, enum subnet_kind kind);

/* Its N-th address; the length is the net's. */
struct route_prefix subnet_address(const struct subnet *subnet, unsigned int n);

/* The number of its /64. */
unsigned int subnet_index(const struct subnet *subnet);

/* The address with that interface identifier in its /64; AF_UNSPEC: there shall be none. */
struct route_prefix subnet_address6(const struct subnet *subnet, const struct config *config,
				    const uint8_t host_id[16], const uint8_t id[8]);

/* The two have addresses in common. */
bool subnet_overlaps(const struct route_prefix *a, const struct route_prefix *b);
