/* format/hosts - what everybody may know of a running machine, as machine/hosts-file writes it.
 *
 *   pid 4711 123456             its supervisor, and when that started (process_start_time())
 *   tag 0123456789abcdef        of the machine's record
 *   address 10.213.0.2          up to eight, best first
 *   address fd12:3456:789a:1::2
 *
 * Beside them, "=www" is a symbolic link to "TAG/web": the machine web, for as long as its file has
 * that tag, is found as www too, unless a machine is called so.
 *
 * Lines of other kinds are left out, so that there may be more one day; so is a last line without
 * its end. Nothing is allocated, and nothing ends the program: libnss_redd runs in everybody's.
 * Pure, quiet.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/names.h"

#define HOSTS_SIZE_MAX 4096
#define HOSTS_ADDRESSES_MAX 8
#define HOSTS_TAG_ROOM 33 /* 1 to 32 hexadecimal digits */

struct hosts_address {
	int family; /* AF_INET, AF_INET6 */
	unsigned char bytes[16];
};

struct hosts {
	pid_t pid;
	uint64_t start;
	char tag[HOSTS_TAG_ROOM];
	struct hosts_address addresses[HOSTS_ADDRESSES_MAX];
	size_t count;
};

/* -EBADMSG: not such a file: it must have "pid" and "tag", each once. Addresses beyond the last
 * that there is room for are left out. */
int hosts_parse(struct hosts *ret, const char *text, size_t size);

/* The length. -EINVAL: what hosts_parse() would not take. */
int hosts_print(char ret[HOSTS_SIZE_MAX], const struct hosts *hosts);

/* Whom the link of a further name leads to. */
struct hosts_claim {
	char tag[HOSTS_TAG_ROOM];
	char machine[NAME_MAX_LENGTH + 1];
};

#define HOSTS_LINK_ROOM (1 + NAME_MAX_LENGTH + 1)
#define HOSTS_CLAIM_ROOM (HOSTS_TAG_ROOM + NAME_MAX_LENGTH + 1)

/* The link's own name. False: NAME cannot be a further one. */
bool hosts_link(char ret[HOSTS_LINK_ROOM], const char *name);

/* What it leads to, a text of LENGTH bytes. -EBADMSG: not such a one. */
int hosts_parse_claim(struct hosts_claim *ret, const char *text, size_t length);
/* -EINVAL: likewise. */
int hosts_print_claim(char ret[HOSTS_CLAIM_ROOM], const char *machine, const char *tag);

/* 4 or 16 bytes. */
size_t hosts_address_size(const struct hosts_address *address);
