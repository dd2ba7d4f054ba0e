/* base/hash - SipHash-2-4, the hash that names and addresses are derived from. Pure.
 * Source: Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012. */
#pragma once
#include <stddef.h>
#include <stdint.h>

uint64_t hash_siphash24(const void *data, size_t size, const uint8_t key[16]);
