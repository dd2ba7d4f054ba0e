/* format/resolv-conf - the text of resolv.conf(5). Pure, quiet.
 *
 * As libc reads it: keywords begin a line, the last "search" or "domain" counts, and what is not
 * understood is passed over. Nothing is allocated.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RESOLV_CONF_SIZE_MAX \
	16384 /* what a caller should read; the rest of a larger one is not looked at */
#define RESOLV_CONF_SERVERS_MAX 3
#define RESOLV_CONF_SEARCH_MAX 6
#define RESOLV_CONF_TIMEOUT_MAX 30 /* larger ones are this one */
#define RESOLV_CONF_ATTEMPTS_MAX 5

struct resolv_conf_server {
	int family; /* AF_INET, AF_INET6 */
	uint8_t bytes[16];
	char scope[16]; /* "eth0" of fe80::1%eth0; "": none */
};

struct resolv_conf {
	struct resolv_conf_server servers[RESOLV_CONF_SERVERS_MAX];
	size_t server_count; /* 0: libc asks 127.0.0.1 */
	char search[RESOLV_CONF_SEARCH_MAX][256];
	size_t search_count;
	unsigned int timeout_s, attempts; /* 0: not said */
	bool rotate;
};

void resolv_conf_parse(struct resolv_conf *ret, const char *text, size_t size);
