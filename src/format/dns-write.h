/* format/dns-write - DNS messages of our own. Pure, quiet. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "format/dns.h"

/* What QUERY asks, as a query of ours: with EDNS if QUERY has it, then for replies of up to
 * UDP_SIZE. Its size. */
size_t dns_write_query(uint8_t ret[DNS_QUERY_MAX], const struct dns_query *query, uint16_t id,
		       uint16_t udp_size);

/* A reply to QUERY (borrowed until the end) with one code and any number of records about the
 * name asked for, in up to ROOM bytes (DNS_QUERY_MAX or more; the caller's buffer or what the
 * asker takes, whichever is less). What has no room is left out and the reply marked truncated. */
struct dns_writer {
	uint8_t *data;
	size_t size, room;
	const struct dns_query *query;
	uint16_t answers, code, flags;
};

void dns_write_begin(struct dns_writer *ret, uint8_t *data, size_t room,
		     const struct dns_query *query, int code);
void dns_write_authoritative(struct dns_writer *writer);
void dns_write_truncated(struct dns_writer *writer);
void dns_write_address(struct dns_writer *writer, int family, const uint8_t *address, uint32_t ttl);
int dns_write_pointer(struct dns_writer *writer, const char *name, uint32_t ttl); /* -EINVAL */
size_t dns_write_end(struct dns_writer *writer);				  /* the size */

/* Keep only the answers of a reply to QUERY, which end at ANSWERS_END and have an address behind
 * them. Its new size. */
size_t dns_write_cut(uint8_t *data, size_t answers_end, const struct dns_query *query);
