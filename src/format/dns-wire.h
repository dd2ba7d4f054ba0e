/* format/dns-wire - numbers and flags of DNS messages, for the modules dns*. Pure. */
#pragma once
#include <stdint.h>

/* The header: id, flags, and four counts. */
#define DNS_FLAGS_AT 2
#define DNS_COUNTS_AT 4
#define DNS_COUNT_QUESTIONS 0
#define DNS_COUNT_OF(section) (1 + (unsigned int)(section)) /* enum dns_section */

#define DNS_FLAG_REPLY 0x8000
#define DNS_FLAG_OPCODE 0x7800
#define DNS_FLAG_AUTHORITATIVE 0x0400
#define DNS_FLAG_TRUNCATED 0x0200
#define DNS_FLAG_RECURSE 0x0100
#define DNS_FLAG_RECURSES 0x0080
#define DNS_FLAG_AUTHENTIC 0x0020
#define DNS_FLAG_UNCHECKED 0x0010
#define DNS_FLAG_CODE 0x000f
#define DNS_FLAGS_ASKED (DNS_FLAG_RECURSE | DNS_FLAG_AUTHENTIC | DNS_FLAG_UNCHECKED)

#define DNS_RECORD_SIZE 10 /* type, class, ttl and size: between the name and the data */
#define DNS_POINTER 0xc000
#define DNS_DNSSEC_OK 0x8000 /* in the ttl of DNS_OPT */

static inline uint16_t dns_get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static inline uint32_t dns_get32(const uint8_t *at)
{
	return (uint32_t)dns_get16(at) << 16 | dns_get16(at + 2);
}

static inline void dns_put16(uint8_t *at, unsigned int value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static inline void dns_put32(uint8_t *at, uint32_t value)
{
	dns_put16(at, value >> 16);
	dns_put16(at + 2, value & 0xffff);
}

static inline unsigned int dns_count(const uint8_t *message, unsigned int which)
{
	return dns_get16(message + DNS_COUNTS_AT + 2 * which);
}
