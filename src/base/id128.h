/* base/id128 - 128-bit identities as text. Pure. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define ID128_HEX_ROOM 33
#define ID128_UUID_ROOM 37

void id128_hex(char ret[ID128_HEX_ROOM], const uint8_t id[16]);
void id128_uuid(char ret[ID128_UUID_ROOM], const uint8_t id[16]); /* dashed, lower case */
bool id128_is_null(const uint8_t id[16]);
