/* net/config - what the host's administrator says about machines' networks: /etc/redd/network.conf.
 *
 *   [Network]
 *   Pool=10.213.0.0/16 172.29.0.0/16    ranges that addresses are taken from, one after another
 *   PoolIPv6=auto                       or a /48, or "no"
 *
 * A file that cannot be understood stops what needs it: addresses from a range that somebody
 * wanted to keep free would be worse. Speaking. Any process.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct arena;

#define CONFIG_PATH "/etc/redd/network.conf"
#define CONFIG_SIZE_MAX (64 * 1024)
#define CONFIG_RANGES_MAX 8
#define CONFIG_RANGE_SHORTEST 8 /* lengths of the ranges' prefixes */
#define CONFIG_RANGE_LONGEST 23

struct config_range {
	uint32_t address; /* its first one, in the host's order */
	unsigned int length;
};

enum config_ipv6 {
	CONFIG_IPV6_AUTO,  /* derived from the host's machine id */
	CONFIG_IPV6_GIVEN, /* prefix */
	CONFIG_IPV6_NONE
};

struct config {
	struct config_range ranges[CONFIG_RANGES_MAX];
	size_t count;
	enum config_ipv6 ipv6;
	uint8_t prefix[6];
};

/* What holds when nobody says anything: 10.213.0.0/16, then 172.29.0.0/16; CONFIG_IPV6_AUTO. */
struct config config_default(void);

/* PATH is for messages. */
int config_parse(struct arena *arena, struct config *ret, const char *text, size_t size,
		 const char *path);

/* Without such a file, the default. */
int config_read(struct arena *arena, struct config *ret, const char *path);

/* "10.213.0.0/16, 172.29.0.0/16" */
char *config_ranges_text(struct arena *arena, const struct config *config);
