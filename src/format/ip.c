#include "format/ip.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"

int ip_size(int family)
{
	return family == AF_INET6 ? 16 : 4;
}

int ip_length(int family)
{
	return ip_size(family) * 8;
}

int ip_parse(struct ip *ret, const char *text)
{
	struct ip ip = { .family = strchr(text, ':') != NULL ? AF_INET6 : AF_INET };

	if (inet_pton(ip.family, text, ip.bytes) != 1)
		return -EINVAL;
	*ret = ip;
	return 0;
}

int ip_parse_prefix(struct ip_prefix *ret, const char *text)
{
	const char *slash = strchr(text, '/');
	char address[INET6_ADDRSTRLEN];
	struct ip_prefix prefix;
	uint32_t length;
	size_t size = slash == NULL ? strlen(text) : (size_t)(slash - text);

	if (size >= sizeof(address))
		return -EINVAL;
	memcpy(address, text, size);
	address[size] = '\0';
	if (ip_parse(&prefix.ip, address) < 0)
		return -EINVAL;
	length = (uint32_t)ip_length(prefix.ip.family);
	if (slash != NULL &&
	    (parse_u32(&length, slash + 1) < 0 || length > (uint32_t)ip_length(prefix.ip.family)))
		return -EINVAL;
	prefix.length = (uint8_t)length;
	*ret = prefix;
	return 0;
}

int ip_parse_mac(uint8_t ret[6], const char *text)
{
	uint8_t mac[6], any = 0;

	if (strlen(text) != 17)
		return -EINVAL;
	for (int i = 0; i < 6; i++) {
		int high = parse_hex_digit(text[3 * i]), low = parse_hex_digit(text[3 * i + 1]);

		if (high < 0 || low < 0 || (i < 5 && text[3 * i + 2] != ':'))
			return -EINVAL;
		mac[i] = (uint8_t)(high * 16 + low);
		any |= mac[i];
	}
	if (any == 0 || mac[0] & 1)
		return -EINVAL;
	memcpy(ret, mac, sizeof(mac));
	return 0;
}

bool ip_equal(const struct ip *a, const struct ip *b)
{
	return a->family == b->family &&
	       memcmp(a->bytes, b->bytes, (size_t)ip_size(a->family)) == 0;
}

bool ip_is_in(const struct ip *ip, const struct ip_prefix *network)
{
	size_t whole = network->length / 8;
	uint8_t mask = (uint8_t)(0xff00 >> network->length % 8);

	if (ip->family != network->ip.family || memcmp(ip->bytes, network->ip.bytes, whole) != 0)
		return false;
	return mask == 0 || ((ip->bytes[whole] ^ network->ip.bytes[whole]) & mask) == 0;
}

bool ip_is_loopback(const struct ip *ip)
{
	static const uint8_t loopback6[16] = { [15] = 1 };

	return ip->family == AF_INET ? ip->bytes[0] == 127
				     : ip->family == AF_INET6 &&
					       memcmp(ip->bytes, loopback6, sizeof(loopback6)) == 0;
}

bool ip_is_unicast(const struct ip *ip)
{
	static const char *const others[] = {
		"0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3",
		"::/127",    "fe80::/10",   "ff00::/8",	      "::ffff:0:0/96",
	};

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		struct ip_prefix network;

		if (ip_parse_prefix(&network, others[i]) == 0 && ip_is_in(ip, &network))
			return false;
	}
	return ip->family != 0;
}

char *ip_text(char ret[IP_TEXT_ROOM], const struct ip *ip)
{
	if (inet_ntop(ip->family, ip->bytes, ret, IP_TEXT_ROOM) == NULL)
		ret[0] = '\0';
	return ret;
}

char *ip_text_prefix(char ret[IP_TEXT_ROOM], const struct ip_prefix *prefix)
{
	size_t used = strlen(ip_text(ret, &prefix->ip));

	if (prefix->length < ip_length(prefix->ip.family))
		snprintf(ret + used, IP_TEXT_ROOM - used, "/%u", prefix->length);
	return ret;
}
