#include "format/ndp.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "format/octets.h"

enum {
	SOLICITATION_HEADER = 8,
	HOPS_OF_HOSTS = 64,
	FLAG_MANAGED = 0x80,
	FLAG_OTHER = 0x40,
	PREFIX_ON_LINK = 0x80,
	PREFIX_AUTONOMOUS = 0x40,
	UNIT = 8, /* options are multiples of it */
	ADDRESS = 16,
};

enum option {
	SOURCE_ADDRESS = 1,
	PREFIX = 3,
	MTU = 5,
	RECURSIVE_DNS = 25,
	DNS_SEARCH_LIST = 31,
};

int ndp_read_solicitation(const uint8_t *data, size_t size, bool from_nobody)
{
	if (size < SOLICITATION_HEADER || size > NDP_SOLICITATION_MAX)
		return -EBADMSG;
	if (data[0] != NDP_SOLICITATION || data[1] != 0)
		return -EBADMSG;
	data += SOLICITATION_HEADER;
	size -= SOLICITATION_HEADER;
	while (size > 0) {
		size_t length = size < 2 ? 0 : (size_t)data[1] * UNIT;

		if (length == 0 || length > size)
			return -EBADMSG;
		if (data[0] == SOURCE_ADDRESS && (from_nobody || length != UNIT))
			return -EBADMSG;
		data += length;
		size -= length;
	}
	return 0;
}

static void put_option(struct octets *out, enum option option, size_t size)
{
	octets_put8(out, (uint8_t)option);
	octets_put8(out, (uint8_t)(size / UNIT));
}

static void put_prefix(struct octets *out, const struct ndp_advertisement *advertisement)
{
	put_option(out, PREFIX, 4 * UNIT);
	octets_put8(out, (uint8_t)advertisement->prefix_length);
	octets_put8(out, (uint8_t)(PREFIX_ON_LINK |
				   (advertisement->autonomous ? PREFIX_AUTONOMOUS : 0)));
	octets_put32(out, advertisement->valid_s);
	octets_put32(out, advertisement->preferred_s);
	octets_put32(out, 0);
	octets_put(out, &advertisement->prefix, ADDRESS);
}

static void put_dns(struct octets *out, const struct ndp_advertisement *advertisement)
{
	put_option(out, RECURSIVE_DNS, UNIT + advertisement->dns_count * ADDRESS);
	octets_put16(out, 0);
	octets_put32(out, advertisement->dns_s);
	octets_put(out, advertisement->dns, advertisement->dns_count * ADDRESS);
}

/* Hosts can do without, so it is left out where it does not fit. */
static void put_domain(struct octets *out, const struct ndp_advertisement *advertisement)
{
	struct octets try = *out;
	uint8_t *start = try.data + try.used;

	put_option(&try, DNS_SEARCH_LIST, 0);
	octets_put16(&try, 0);
	octets_put32(&try, advertisement->dns_s);
	octets_put_name(&try, advertisement->domain);
	octets_put_zeros(&try, (0 - (try.used - out->used)) % UNIT);
	if (try.full)
		return;
	start[1] = (uint8_t)((try.used - out->used) / UNIT);
	*out = try;
}

size_t ndp_write_advertisement(uint8_t *ret, const struct ndp_advertisement *advertisement)
{
	struct octets out = { .data = ret, .room = NDP_ADVERTISEMENT_MAX };

	assert(advertisement->dns_count <= NDP_DNS_MAX && advertisement->prefix_length <= 128);
	octets_put8(&out, NDP_ADVERTISEMENT);
	octets_put8(&out, 0);
	octets_put16(&out, 0); /* the checksum */
	octets_put8(&out, HOPS_OF_HOSTS);
	octets_put8(&out, (uint8_t)((advertisement->managed ? FLAG_MANAGED : 0) |
				    (advertisement->other ? FLAG_OTHER : 0)));
	octets_put16(&out, advertisement->router_s);
	octets_put32(&out, 0); /* times of neighbour discovery: hosts know better */
	octets_put32(&out, 0);
	put_option(&out, SOURCE_ADDRESS, UNIT);
	octets_put(&out, advertisement->mac, NDP_MAC);
	if (advertisement->mtu != 0) {
		put_option(&out, MTU, UNIT);
		octets_put16(&out, 0);
		octets_put32(&out, advertisement->mtu);
	}
	if (advertisement->prefix_length > 0)
		put_prefix(&out, advertisement);
	if (advertisement->dns_count > 0)
		put_dns(&out, advertisement);
	if (advertisement->domain != NULL && advertisement->domain[0] != '\0')
		put_domain(&out, advertisement);
	assert(!out.full);
	return out.used;
}
