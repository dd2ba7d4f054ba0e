#include "format/octets.h"

#include <string.h>

#define LABEL_MAX 63
#define NAME_MAX_ENCODED 255

/* Where SIZE more bytes belong, or NULL. */
static uint8_t *reserve(struct octets *octets, size_t size)
{
	uint8_t *place = octets->data + octets->used;

	if (octets->full || size > octets->room - octets->used) {
		octets->full = true;
		return NULL;
	}
	octets->used += size;
	return place;
}

void octets_put8(struct octets *octets, uint8_t number)
{
	octets_put(octets, &number, sizeof(number));
}

void octets_put16(struct octets *octets, uint16_t number)
{
	uint8_t bytes[] = { (uint8_t)(number >> 8), (uint8_t)number };

	octets_put(octets, bytes, sizeof(bytes));
}

void octets_put32(struct octets *octets, uint32_t number)
{
	uint8_t bytes[] = { (uint8_t)(number >> 24), (uint8_t)(number >> 16),
			    (uint8_t)(number >> 8), (uint8_t)number };

	octets_put(octets, bytes, sizeof(bytes));
}

void octets_put(struct octets *octets, const void *data, size_t size)
{
	uint8_t *place = reserve(octets, size);

	if (place != NULL && size > 0)
		memcpy(place, data, size);
}

void octets_put_zeros(struct octets *octets, size_t size)
{
	uint8_t *place = reserve(octets, size);

	if (place != NULL)
		memset(place, 0, size);
}

void octets_put_name(struct octets *octets, const char *name)
{
	size_t before = octets->used;

	for (;;) {
		size_t length = strcspn(name, ".");

		if (length == 0 || length > LABEL_MAX) {
			octets->full = true;
			return;
		}
		octets_put8(octets, (uint8_t)length);
		octets_put(octets, name, length);
		name += length;
		if (strcmp(name, "") == 0 || strcmp(name, ".") == 0)
			break;
		name++;
	}
	octets_put8(octets, 0);
	if (octets->used - before > NAME_MAX_ENCODED)
		octets->full = true;
}

uint16_t octets_get16(const uint8_t *data)
{
	return (uint16_t)(data[0] << 8 | data[1]);
}

uint32_t octets_get32(const uint8_t *data)
{
	return (uint32_t)data[0] << 24 | (uint32_t)data[1] << 16 | (uint32_t)data[2] << 8 | data[3];
}

uint64_t octets_get64(const uint8_t *data)
{
	return (uint64_t)octets_get32(data) << 32 | octets_get32(data + 4);
}
