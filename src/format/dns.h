/* format/dns - DNS messages (RFC 1035, 2181, 6891): queries read, replies looked at.
 *
 * Names are texts as in format/dns-name; format/dns-write is the other direction. Nothing is
 * allocated, and no loop is longer than the message allows. Pure, quiet.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "format/dns-name.h"

#define DNS_HEADER_SIZE 12
#define DNS_QUESTION_MAX (DNS_NAME_WIRE_MAX + 4)
#define DNS_OPT_SIZE 11
#define DNS_QUERY_MAX (DNS_HEADER_SIZE + DNS_QUESTION_MAX + DNS_OPT_SIZE) /* that we write */
#define DNS_MESSAGE_MAX 65535
#define DNS_UDP_MIN 512	    /* what everybody takes */
#define DNS_UDP_OURS 1232   /* what we take: no link cuts it into fragments */
#define DNS_RECORDS_MAX 512 /* of one message; more: -E2BIG */

enum dns_type {
	DNS_A = 1,
	DNS_CNAME = 5,
	DNS_PTR = 12,
	DNS_AAAA = 28,
	DNS_OPT = 41,
	DNS_TKEY = 249, /* from here to 255 are questions about more than one record, or none */
	DNS_IXFR = 251,
	DNS_AXFR = 252,
	DNS_ANY = 255,
};

enum dns_class { DNS_IN = 1 };

enum dns_code {
	DNS_NOERROR = 0,
	DNS_FORMERR = 1,
	DNS_SERVFAIL = 2,
	DNS_NXDOMAIN = 3,
	DNS_NOTIMP = 4,
	DNS_REFUSED = 5,
	DNS_BADVERS = 16,
};

/* What is asked, with all that an answer needs. */
struct dns_query {
	uint16_t id, flags; /* as in the header */
	uint16_t type, class;
	uint16_t udp_size; /* the largest datagram the asker takes, DNS_UDP_MIN or more */
	bool edns, dnssec_ok;
	uint16_t question_size;		    /* 0: could not be read */
	uint8_t question[DNS_QUESTION_MAX]; /* as it was sent, upper case too; no compression */
};

/* 0: *ret is a query with one question. A code: to be answered with that, *ret is good enough for
 * dns_write_begin(). -EBADMSG: not to be answered. */
int dns_read_query(struct dns_query *ret, const uint8_t *data, size_t size);

/* The name asked for; SPELLED: in the letters it was asked with. Needs a question. */
void dns_query_name(char ret[DNS_NAME_ROOM], const struct dns_query *query);
void dns_query_name_spelled(char ret[DNS_NAME_ROOM], const struct dns_query *query);

/* The same question and flags, for another asker. */
bool dns_query_equal(const struct dns_query *a, const struct dns_query *b);

/* The same name, type and class. */
bool dns_query_same_question(const struct dns_query *a, const struct dns_query *b);

/* Is DATA the reply to QUERY, sent as ID? -EBADMSG: no. A server that did not understand the
 * question may leave it out. */
int dns_check_reply(const uint8_t *data, size_t size, const struct dns_query *query, uint16_t id);

/* Of a checked reply. */
int dns_reply_code(const uint8_t *data); /* without the bits that EDNS adds */
bool dns_reply_truncated(const uint8_t *data);
bool dns_reply_lacks_question(const uint8_t *data);

/* Make a checked reply one to QUERY: its id, and its question in its letters. */
void dns_adopt_reply(uint8_t *data, size_t size, const struct dns_query *query);

enum dns_section { DNS_ANSWER, DNS_AUTHORITY, DNS_ADDITIONAL, DNS_SECTIONS };

struct dns_record {
	enum dns_section section;
	uint16_t type; /* DNS_A, DNS_AAAA or DNS_CNAME */
	uint32_t ttl;
	char name[DNS_NAME_ROOM];
	uint8_t address[16];	    /* of DNS_A (4 octets) and DNS_AAAA */
	char target[DNS_NAME_ROOM]; /* of DNS_CNAME */
};

struct dns_reader {
	const uint8_t *data;
	size_t size, at;
	uint16_t left[DNS_SECTIONS];
	unsigned int seen;
	size_t answers_end; /* known when a record of another section was read, or the end */
};

/* -EBADMSG: no message, or its questions cannot be read. */
int dns_reader_init(struct dns_reader *ret, const uint8_t *data, size_t size);

/* 1: the next A, AAAA or CNAME of class IN, others are passed over; 0: the end; -EBADMSG, -E2BIG.
 */
int dns_reader_next(struct dns_reader *reader, struct dns_record *ret);
