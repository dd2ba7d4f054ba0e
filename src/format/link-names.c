#include "format/link-names.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/names.h"

#define SHORT_KEPT 11 /* bytes of a long name; four digits of its hash follow */
#define DIGITS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

static const char *const prefixes[LINK_NAMES_KINDS] = {
	[LINK_NAMES_VETH] = "ve-",    [LINK_NAMES_BRIDGED] = "vb-", [LINK_NAMES_ZONE] = "vz-",
	[LINK_NAMES_MACVLAN] = "mv-", [LINK_NAMES_IPVLAN] = "iv-",
};

static const uint8_t short_key[16] = { 0xe1, 0x90, 0xa4, 0x04, 0xa8, 0xef, 0x4b, 0x51,
				       0x8c, 0xcc, 0xc3, 0x3a, 0x9f, 0x11, 0xfc, 0xa2 };

static const uint8_t mac_keys[LINK_NAMES_MAC_KINDS][16] = {
	[LINK_NAMES_MAC_HOST] = { 0x1a, 0x37, 0x6f, 0xc7, 0x46, 0xec, 0x45, 0x0b, 0xad, 0xa3, 0xd5,
				  0x31, 0x06, 0x60, 0x5d, 0xb1 },
	[LINK_NAMES_MAC_GUEST] = { 0xc3, 0xc4, 0xf9, 0x19, 0xb5, 0x57, 0xb2, 0x1c, 0xe6, 0xcf, 0x14,
				   0x27, 0x03, 0x9c, 0xee, 0xa2 },
	[LINK_NAMES_MAC_EXTRA_HOST] = { 0x48, 0xc7, 0xf6, 0xb7, 0xea, 0x9d, 0x4c, 0x9e, 0xb7, 0x28,
					0xd4, 0xde, 0x91, 0xd5, 0xbf, 0x66 },
	[LINK_NAMES_MAC_EXTRA_GUEST] = { 0xaf, 0x50, 0x17, 0x61, 0xce, 0xf9, 0x4d, 0x35, 0x84, 0x0d,
					 0x2b, 0x20, 0x54, 0xbe, 0xce, 0x59 },
	[LINK_NAMES_MAC_MACVLAN] = { 0x00, 0x13, 0x6d, 0xbc, 0x66, 0x83, 0x44, 0x81, 0xbb, 0x0c,
				     0xf9, 0x51, 0x1f, 0x24, 0xa6, 0x6f },
	[LINK_NAMES_MAC_ZONE] = { 0x5e, 0x0c, 0x8b, 0x93, 0x41, 0xd7, 0x4f, 0x2a, 0xb6, 0x18, 0xe4,
				  0x7d, 0x29, 0x90, 0x3b, 0xc5 },
};

/* Two long names that begin alike would be one name, so what was cut off goes into the last four
 * bytes. */
static void shorten(char ret[LINK_NAMES_LINK_ROOM], const char *whole)
{
	uint64_t hash = hash_siphash24(whole, strlen(whole), short_key);

	memcpy(ret, whole, SHORT_KEPT);
	for (unsigned int i = 0; i < 4; i++)
		ret[SHORT_KEPT + i] = DIGITS[hash >> (18 - 6 * i) & 63];
	ret[SHORT_KEPT + 4] = '\0';
}

int link_names_make(struct link_name *ret, enum link_names_kind kind, const char *of)
{
	struct link_name made = { 0 };
	char whole[LINK_NAMES_ALTERNATIVE_ROOM];
	int length = snprintf(whole, sizeof(whole), "%s%s", prefixes[kind], of);

	if (*of == '\0' || length < 0 || (size_t)length >= sizeof(whole))
		return -EINVAL;
	if ((size_t)length < sizeof(made.name)) {
		memcpy(made.name, whole, (size_t)length + 1);
	} else {
		if (kind == LINK_NAMES_ZONE)
			return -EINVAL;
		shorten(made.name, whole);
		memcpy(made.alternative, whole, (size_t)length + 1);
	}
	/* A long one is looked at in parts: no part of a good name has a bad character. */
	for (const char *at = whole + strlen(prefixes[kind]); *at != '\0'; at++) {
		const char part[] = { 'a', *at, '\0' };

		if (!name_is_interface(part))
			return -EINVAL;
	}
	*ret = made;
	return 0;
}

void link_names_mac(uint8_t ret[LINK_NAMES_MAC_SIZE], enum link_names_mac_kind kind,
		    const uint8_t host_id[16], const char *machine, uint64_t index)
{
	uint8_t data[16 + LINK_NAMES_ALTERNATIVE_ROOM + 8];
	size_t length = strlen(machine), used = 16;
	uint64_t hash;

	assert(length < LINK_NAMES_ALTERNATIVE_ROOM);
	memcpy(data, host_id, 16);
	memcpy(data + used, machine, length);
	used += length;
	/* The first link's was derived before there was an index. */
	for (unsigned int i = 0; index != 0 && i < 8; i++)
		data[used++] = (uint8_t)(index >> (8 * i));
	hash = hash_siphash24(data, used, mac_keys[kind]);
	for (unsigned int i = 0; i < LINK_NAMES_MAC_SIZE; i++)
		ret[i] = (uint8_t)(hash >> (8 * i));
	ret[0] = (uint8_t)((ret[0] & 0xfe) | 0x02); /* of one station; given by nobody */
}

void link_names_mac_text(char ret[LINK_NAMES_MAC_ROOM], const uint8_t mac[LINK_NAMES_MAC_SIZE])
{
	snprintf(ret, LINK_NAMES_MAC_ROOM, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
		 mac[3], mac[4], mac[5]);
}

void link_names_eui64(uint8_t ret[8], const uint8_t mac[LINK_NAMES_MAC_SIZE])
{
	const uint8_t id[8] = { mac[0] ^ 0x02, mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5] };

	memcpy(ret, id, sizeof(id));
}
