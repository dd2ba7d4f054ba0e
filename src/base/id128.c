#include "base/id128.h"

#include <stddef.h>

static const char hex_digits[] = "0123456789abcdef";

void id128_hex(char ret[ID128_HEX_ROOM], const uint8_t id[16])
{
	for (size_t i = 0; i < 16; i++) {
		ret[2 * i] = hex_digits[id[i] >> 4];
		ret[2 * i + 1] = hex_digits[id[i] & 15];
	}
	ret[32] = '\0';
}

void id128_uuid(char ret[ID128_UUID_ROOM], const uint8_t id[16])
{
	size_t used = 0;

	for (size_t i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			ret[used++] = '-';
		ret[used++] = hex_digits[id[i] >> 4];
		ret[used++] = hex_digits[id[i] & 15];
	}
	ret[used] = '\0';
}

bool id128_is_null(const uint8_t id[16])
{
	uint8_t all = 0;

	for (size_t i = 0; i < 16; i++)
		all |= id[i];
	return all == 0;
}
