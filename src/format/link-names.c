#include "format/link-names.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/macros.h"

#define KEPT 11 /* of a name that is too long; four characters of the hash follow */
#define NAME_MAX_BYTES 256

static const uint8_t name_key[16] = { 0xe1, 0x90, 0xa4, 0x04, 0xa8, 0xef, 0x4b, 0x51,
				      0x8c, 0xcc, 0xc3, 0x3a, 0x9f, 0x11, 0xfc, 0xa2 };

static const uint8_t mac_keys[][16] = {
	[LINK_MAC_VETH_HOST] = { 0x1a, 0x37, 0x6f, 0xc7, 0x46, 0xec, 0x45, 0x0b, 0xad, 0xa3, 0xd5,
				 0x31, 0x06, 0x60, 0x5d, 0xb1 },
	[LINK_MAC_VETH_CONTAINER] = { 0xc3, 0xc4, 0xf9, 0x19, 0xb5, 0x57, 0xb2, 0x1c, 0xe6, 0xcf,
				      0x14, 0x27, 0x03, 0x9c, 0xee, 0xa2 },
	[LINK_MAC_EXTRA_HOST] = { 0x48, 0xc7, 0xf6, 0xb7, 0xea, 0x9d, 0x4c, 0x9e, 0xb7, 0x28, 0xd4,
				  0xde, 0x91, 0xd5, 0xbf, 0x66 },
	[LINK_MAC_EXTRA_CONTAINER] = { 0xaf, 0x50, 0x17, 0x61, 0xce, 0xf9, 0x4d, 0x35, 0x84, 0x0d,
				       0x2b, 0x20, 0x54, 0xbe, 0xce, 0x59 },
	[LINK_MAC_MACVLAN] = { 0x00, 0x13, 0x6d, 0xbc, 0x66, 0x83, 0x44, 0x81, 0xbb, 0x0c, 0xf9,
			       0x51, 0x1f, 0x24, 0xa6, 0x6f },
};

bool link_names_shorten(char ret[LINK_NAMES_ROOM], const char *prefix, const char *name)
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	char whole[NAME_MAX_BYTES];
	int length = snprintf(whole, sizeof(whole), "%s%s", prefix, name);
	uint64_t hash;

	assert(length > 0 && (size_t)length < sizeof(whole));
	if (length < LINK_NAMES_ROOM) {
		memcpy(ret, whole, (size_t)length + 1);
		return false;
	}
	hash = hash_siphash24(whole, (size_t)length, name_key);
	memcpy(ret, whole, KEPT);
	for (int i = 0; i < 4; i++)
		ret[KEPT + i] = letters[hash >> (18 - 6 * i) & 63];
	ret[KEPT + 4] = '\0';
	return true;
}

void link_names_mac(uint8_t ret[6], enum link_mac kind, const uint8_t host_id[16],
		    const char *machine, uint64_t index)
{
	uint8_t data[16 + NAME_MAX_BYTES + sizeof(index)];
	size_t length = strlen(machine), size = 16 + length;
	uint64_t hash;

	assert(length < NAME_MAX_BYTES);
	memcpy(data, host_id, 16);
	memcpy(data + 16, machine, length);
	for (size_t i = 0; index > 0 && i < sizeof(index); i++)
		data[size++] = (uint8_t)(index >> 8 * i);
	hash = hash_siphash24(data, size, mac_keys[kind]);
	for (int i = 0; i < 6; i++)
		ret[i] = (uint8_t)(hash >> 8 * i);
	ret[0] = (uint8_t)((ret[0] & 0xfe) | 0x02);
}
