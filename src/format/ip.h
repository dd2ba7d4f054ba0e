/* format/ip - addresses and networks as text: "10.0.0.2", "fd00:7::2/64". Pure, quiet. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct arena;

#define IP_TEXT_ROOM 50 /* the longest IPv6 address, "/128" and the terminator */

struct ip {
	int family; /* AF_INET, AF_INET6; 0: none */
	uint8_t bytes[16];
};

struct ip_prefix {
	struct ip ip; /* host bits may be set: an address and its network */
	uint8_t length;
};

int ip_size(int family);   /* in bytes */
int ip_length(int family); /* in bits: the prefix length of a single address */

/* -EINVAL. No zone ("%eth0"), no short forms of IPv4. */
int ip_parse(struct ip *ret, const char *text);

/* "ADDRESS/LENGTH"; without a length it is a single address. */
int ip_parse_prefix(struct ip_prefix *ret, const char *text);

/* "aa:bb:cc:dd:ee:ff"; -EINVAL also for what is no single station's. */
int ip_parse_mac(uint8_t ret[6], const char *text);

bool ip_equal(const struct ip *a, const struct ip *b);
bool ip_is_in(const struct ip *ip, const struct ip_prefix *network);

/* 127.0.0.0/8, ::1. */
bool ip_is_loopback(const struct ip *ip);

/* Not of this host or link only, and not for many: what a machine can be reached at. */
bool ip_is_unicast(const struct ip *ip);

/* Into ROOM bytes of IP_TEXT_ROOM; the result is RET. */
char *ip_text(char ret[IP_TEXT_ROOM], const struct ip *ip);
char *ip_text_prefix(char ret[IP_TEXT_ROOM], const struct ip_prefix *prefix);
