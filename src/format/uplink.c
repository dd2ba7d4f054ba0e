#include "format/uplink.h"

#include <sys/socket.h>

#define LENGTH 30
#define LENGTH6 64
#define NETWORK_LENGTH 18 /* UPLINK_SLOTS of them */
#define NETWORK_LENGTH6 48

struct ip_prefix uplink_network(bool six)
{
	static const struct ip_prefix four_ = { { AF_INET, { 169, 254, 64 } }, NETWORK_LENGTH };
	static const struct ip_prefix six_ = { { AF_INET6, { 0xfd, 'R', 'e', 'd', 'd' } },
					       NETWORK_LENGTH6 };

	return six ? six_ : four_;
}

struct ip_prefix uplink_address(uint32_t slot, bool six, enum uplink_end end)
{
	struct ip_prefix address = uplink_network(six);
	uint8_t *bytes = address.ip.bytes;

	if (six) {
		address.length = LENGTH6;
		bytes[6] = (uint8_t)(slot >> 8);
		bytes[7] = (uint8_t)slot;
		bytes[15] = (uint8_t)end;
	} else {
		address.length = LENGTH;
		bytes[2] = (uint8_t)(bytes[2] | slot >> 6);
		bytes[3] = (uint8_t)(slot << 2 | (uint32_t)end);
	}
	return address;
}
