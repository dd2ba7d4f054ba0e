#include "format/dhcp6.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "format/octets.h"

enum {
	HEADER = 4,
	OPTION_HEADER = 4,
	ASSOCIATION_HEADER = 12, /* its number and two times */
	ADDRESS_HEADER = 24,	 /* the address and two lifetimes */
	ID_MIN = 3,
	ID_LINK_LAYER = 3, /* the kind of identifier that is made of a MAC address */
	ETHERNET = 1,
	OWN_ID = 2 + 2 + DHCP6_MAC,
};

enum option {
	CLIENT_ID = 1,
	SERVER_ID = 2,
	IA_NA = 3,
	IA_ADDRESS = 5,
	STATUS = 13,
	RAPID_COMMIT = 14,
	DNS = 23,
	DOMAIN_LIST = 24,
};

/* ---- reading ---- */

struct reader {
	const uint8_t *at;
	size_t left;
};

struct field {
	unsigned int option;
	const uint8_t *data;
	size_t size;
};

/* 1: FIELD is the next option. 0: the end. */
static int next_option(struct field *field, struct reader *reader)
{
	if (reader->left == 0)
		return 0;
	if (reader->left < OPTION_HEADER)
		return -EBADMSG;
	field->option = octets_get16(reader->at);
	field->size = octets_get16(reader->at + 2);
	field->data = reader->at + OPTION_HEADER;
	if (field->size > reader->left - OPTION_HEADER)
		return -EBADMSG;
	reader->at += OPTION_HEADER + field->size;
	reader->left -= OPTION_HEADER + field->size;
	return 1;
}

static int read_association(struct dhcp6_query *query, const struct field *field)
{
	struct reader reader = { field->data + ASSOCIATION_HEADER, 0 };
	struct field inner;
	int r;

	if (field->size < ASSOCIATION_HEADER)
		return -EBADMSG;
	if (query->wants_address)
		return 0;
	query->wants_address = true;
	query->association = octets_get32(field->data);
	reader.left = field->size - ASSOCIATION_HEADER;
	while ((r = next_option(&inner, &reader)) > 0) {
		if (inner.option != IA_ADDRESS || !IN6_IS_ADDR_UNSPECIFIED(&query->address))
			continue;
		if (inner.size < ADDRESS_HEADER)
			return -EBADMSG;
		memcpy(&query->address, inner.data, sizeof(query->address));
	}
	return r;
}

static int read_id(const uint8_t **ret, size_t *ret_size, const struct field *field)
{
	if (field->size < ID_MIN || field->size > DHCP6_ID_MAX)
		return -EBADMSG;
	*ret = field->data;
	*ret_size = field->size;
	return 0;
}

static int read_option(struct dhcp6_query *query, const struct field *field)
{
	switch (field->option) {
	case CLIENT_ID: return read_id(&query->client, &query->client_size, field);
	case SERVER_ID: return read_id(&query->server, &query->server_size, field);
	case IA_NA: return read_association(query, field);
	case RAPID_COMMIT: query->rapid_commit = true; return field->size == 0 ? 0 : -EBADMSG;
	default: return 0;
	}
}

/* Which identifiers there have to be (RFC 8415 16). */
static int check(const struct dhcp6_query *query)
{
	bool client = query->client_size > 0, server = query->server_size > 0;

	switch (query->type) {
	case DHCP6_SOLICIT:
	case DHCP6_CONFIRM:
	case DHCP6_REBIND: return client && !server ? 0 : -EBADMSG;
	case DHCP6_REQUEST:
	case DHCP6_RENEW:
	case DHCP6_RELEASE:
	case DHCP6_DECLINE: return client && server ? 0 : -EBADMSG;
	case DHCP6_INFORMATION_REQUEST: return query->wants_address ? -EBADMSG : 0;
	default: return -EBADMSG;
	}
}

int dhcp6_read(struct dhcp6_query *ret, const uint8_t *data, size_t size)
{
	struct dhcp6_query query = { 0 };
	struct reader reader;
	struct field field;
	int r;

	if (size < HEADER || size > DHCP6_QUERY_MAX)
		return -EBADMSG;
	query.type = data[0];
	query.xid = octets_get32(data) & 0xffffff;
	reader = (struct reader){ data + HEADER, size - HEADER };
	while ((r = next_option(&field, &reader)) > 0) {
		r = read_option(&query, &field);
		if (r < 0)
			return r;
	}
	if (r == 0)
		r = check(&query);
	if (r < 0)
		return r;
	*ret = query;
	return 0;
}

/* ---- writing ---- */

static void put_id(struct octets *out, const uint8_t *mac)
{
	octets_put16(out, ID_LINK_LAYER);
	octets_put16(out, ETHERNET);
	octets_put(out, mac, DHCP6_MAC);
}

bool dhcp6_is_for(const struct dhcp6_query *query, const uint8_t *mac)
{
	uint8_t id[OWN_ID];
	struct octets out = { .data = id, .room = sizeof(id) };

	put_id(&out, mac);
	return query->server_size == 0 ||
	       (query->server_size == sizeof(id) && memcmp(query->server, id, sizeof(id)) == 0);
}

static void put_header(struct octets *out, enum option option, size_t size)
{
	octets_put16(out, (uint16_t)option);
	octets_put16(out, (uint16_t)size);
}

static void put_association(struct octets *out, const struct dhcp6_query *query,
			    const struct dhcp6_answer *answer)
{
	put_header(out, IA_NA, ASSOCIATION_HEADER + OPTION_HEADER + ADDRESS_HEADER);
	octets_put32(out, query->association);
	octets_put32(out, answer->lease_s / 2);
	octets_put32(out, (uint32_t)((uint64_t)answer->lease_s * 4 / 5));
	put_header(out, IA_ADDRESS, ADDRESS_HEADER);
	octets_put(out, &answer->address, sizeof(answer->address));
	octets_put32(out, answer->lease_s);
	octets_put32(out, answer->lease_s);
}

/* Clients can do without, so it is left out where it does not fit. */
static void put_domain(struct octets *out, const char *domain)
{
	struct octets try = *out;
	uint8_t *start = try.data + try.used;
	size_t size;

	put_header(&try, DOMAIN_LIST, 0);
	octets_put_name(&try, domain);
	if (try.full)
		return;
	size = try.used - out->used - OPTION_HEADER;
	start[2] = (uint8_t)(size >> 8);
	start[3] = (uint8_t)size;
	*out = try;
}

static void put_settings(struct octets *out, const struct dhcp6_query *query,
			 const struct dhcp6_answer *answer)
{
	size_t dns_size = answer->dns_count * sizeof(*answer->dns);

	assert(answer->dns_count <= DHCP6_DNS_MAX);
	if (answer->rapid_commit)
		put_header(out, RAPID_COMMIT, 0);
	if (query->wants_address && !IN6_IS_ADDR_UNSPECIFIED(&answer->address))
		put_association(out, query, answer);
	if (dns_size > 0) {
		put_header(out, DNS, dns_size);
		octets_put(out, answer->dns, dns_size);
	}
	if (answer->domain != NULL && answer->domain[0] != '\0')
		put_domain(out, answer->domain);
}

size_t dhcp6_write(uint8_t *ret, const struct dhcp6_query *query, const struct dhcp6_answer *answer)
{
	struct octets out = { .data = ret, .room = DHCP6_ANSWER_MAX };

	octets_put32(&out, (uint32_t)answer->type << 24 | query->xid);
	put_header(&out, SERVER_ID, OWN_ID);
	put_id(&out, answer->mac);
	if (query->client_size > 0) {
		put_header(&out, CLIENT_ID, query->client_size);
		octets_put(&out, query->client, query->client_size);
	}
	if (answer->only_status) {
		put_header(&out, STATUS, sizeof(uint16_t));
		octets_put16(&out, (uint16_t)answer->status);
	} else {
		put_settings(&out, query, answer);
	}
	assert(!out.full);
	return out.used;
}
