#include "declare/nixos-addresses.h"

#include <errno.h>
#include <sys/socket.h>

#define FIRST 1
#define LAST 254
#define HOST 1
#define LOCAL 2

static struct ip address(uint8_t number, uint8_t end)
{
	return (struct ip){ .family = AF_INET, .bytes = { 10, 233, number, end } };
}

void nixos_addresses_take(struct nixos_addresses *addresses, const char *value)
{
	struct ip_prefix prefix;

	if (ip_parse_prefix(&prefix, value) < 0 || prefix.ip.family != AF_INET)
		return;
	for (int i = FIRST; i <= LAST; i++) {
		const struct ip host = address((uint8_t)i, HOST),
				local = address((uint8_t)i, LOCAL);

		if (ip_is_in(&host, &prefix) || ip_is_in(&local, &prefix))
			addresses->taken[i] = true;
	}
}

int nixos_addresses_choose(const struct nixos_addresses *addresses, struct nixos_pair *ret)
{
	for (int i = FIRST; i <= LAST; i++) {
		const struct ip host = address((uint8_t)i, HOST),
				local = address((uint8_t)i, LOCAL);

		if (addresses->taken[i])
			continue;
		ip_text(ret->host, &host);
		ip_text(ret->local, &local);
		return 0;
	}
	return -EADDRNOTAVAIL;
}
