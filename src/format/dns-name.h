/* format/dns-name - names in DNS messages, and as text. Pure, quiet.
 *
 * As text they have one form: lower case, no dot at the end ("." is the root), and whatever is not
 * a visible character, or is a dot or a backslash in a label, as \DDD. So every dot of such a text
 * separates two labels, and it holds no blank and no control character.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DNS_NAME_WIRE_MAX 255
#define DNS_NAME_ROOM 1024 /* as text, with the NUL */

static inline uint8_t dns_name_lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 'a' - 'A') : c;
}

/* The name at AT of a message, without compression; returns its length, *taken is what it takes
 * there. -EBADMSG. */
int dns_name_read(uint8_t ret[DNS_NAME_WIRE_MAX], size_t *taken, const uint8_t *data, size_t size,
		  size_t at);

/* Such a name as text; SPELLED: upper case is kept. */
void dns_name_text(char ret[DNS_NAME_ROOM], const uint8_t *wire, bool spelled);

/* The other way, in any case; returns the length. -EINVAL. */
int dns_name_write(uint8_t ret[DNS_NAME_WIRE_MAX], const char *text);

/* The address of a whole "4.3.2.1.in-addr.arpa" or "….ip6.arpa"; -ENOENT: another name. */
int dns_name_address(int *ret_family, uint8_t ret[16], const char *name);
