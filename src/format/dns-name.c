#include "format/dns-name.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "format/dns-wire.h"

#define POINTERS_MAX 127 /* in one name: one before each label */

/* What a pointer leads to was written before: it ends where the part that has the pointer begins.
 * So there is an end, and whatever is cut off behind a name does not change it. */
int dns_name_read(uint8_t wire[DNS_NAME_WIRE_MAX], size_t *taken, const uint8_t *data, size_t size,
		  size_t at)
{
	size_t length = 0, here = at, begin = at, end = 0;
	unsigned int pointers = 0;

	for (;;) {
		size_t label;

		if (here >= size)
			return -EBADMSG;
		label = data[here];
		if (label < 64) {
			label++;
			if (label > size - here || label > DNS_NAME_WIRE_MAX - length)
				return -EBADMSG;
			memcpy(wire + length, data + here, label);
			length += label;
			here += label;
			if (label > 1)
				continue;
			*taken = (end > 0 ? end : here) - at;
			return (int)length;
		}
		if (size - here < 2 || dns_get16(data + here) < DNS_POINTER)
			return -EBADMSG;
		if (end == 0)
			end = here + 2;
		size = begin;
		begin = here = dns_get16(data + here) - DNS_POINTER;
		if (here >= size || pointers++ == POINTERS_MAX)
			return -EBADMSG;
	}
}

static bool is_plain(uint8_t c)
{
	return c > ' ' && c < 0x7f && c != '.' && c != '\\';
}

void dns_name_text(char ret[DNS_NAME_ROOM], const uint8_t *wire, bool spelled)
{
	size_t length = 0;

	while (wire[0] > 0) {
		for (unsigned int i = 1; i <= wire[0]; i++) {
			uint8_t c = spelled ? wire[i] : dns_name_lower(wire[i]);

			if (is_plain(c))
				ret[length++] = (char)c;
			else
				length += (size_t)snprintf(ret + length, DNS_NAME_ROOM - length,
							   "\\%03u", c);
		}
		ret[length++] = '.';
		wire += wire[0] + 1;
	}
	/* The last dot is dropped, but it is all there is of the root. */
	if (length == 0)
		ret[length++] = '.';
	else
		length--;
	ret[length] = '\0';
}

/* One character of a text; returns how much of the text it is. */
static int read_character(uint8_t *ret, const char *text)
{
	unsigned int value = 0;

	if (is_plain((uint8_t)text[0])) {
		*ret = (uint8_t)text[0];
		return 1;
	}
	if (text[0] != '\\')
		return -EINVAL;
	for (int i = 1; i <= 3; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -EINVAL;
		value = 10 * value + (unsigned int)(text[i] - '0');
	}
	if (value > 255)
		return -EINVAL;
	*ret = (uint8_t)value;
	return 4;
}

int dns_name_write(uint8_t wire[DNS_NAME_WIRE_MAX], const char *text)
{
	size_t length = 1, label = 0; /* label: where its size stands */

	if (strcmp(text, ".") == 0)
		text++;
	while (*text != '\0') {
		int taken = 1;

		/* Always with room for the root behind it. */
		if (length == DNS_NAME_WIRE_MAX - 1)
			return -EINVAL;
		if (*text == '.' || length - label == 64) {
			if (*text != '.' || length - label == 1 || text[1] == '\0')
				return -EINVAL;
			wire[label] = (uint8_t)(length - label - 1);
			label = length++;
		} else {
			taken = read_character(wire + length, text);
			if (taken < 0)
				return taken;
			length++;
		}
		text += taken;
	}
	wire[label] = (uint8_t)(length - label - 1);
	if (wire[label] > 0)
		wire[length++] = 0;
	return (int)length;
}

/* "d.c.b.a" of an address's 32 digits, or of its 4 numbers: as in the tree, the last first. */
static int reverse_text(char *ret, size_t room, const char *name, size_t length, bool digits)
{
	size_t at = 0, end = length;

	/* Copied label by label from the end. */
	while (end > 0) {
		size_t start = end;

		while (start > 0 && name[start - 1] != '.')
			start--;
		if (start == end || at + (end - start) + 2 > room)
			return -ENOENT;
		memcpy(ret + at, name + start, end - start);
		at += end - start;
		if (!digits)
			ret[at++] = '.';
		else if (end - start != 1 || strchr("0123456789abcdef", name[start]) == NULL)
			return -ENOENT;
		else if (at % 5 == 4)
			ret[at++] = ':';
		end = start > 0 ? start - 1 : 0;
	}
	if (at == 0)
		return -ENOENT;
	ret[at - 1] = '\0';
	return 0;
}

int dns_name_address(int *ret_family, uint8_t ret[16], const char *name)
{
	static const char *const ends[] = { ".in-addr.arpa", ".ip6.arpa" };
	bool six = text_ends(name, ends[1]);
	size_t length = strlen(name), want = six ? 39 : INET_ADDRSTRLEN;
	int family = six ? AF_INET6 : AF_INET;
	char text[INET6_ADDRSTRLEN];
	uint8_t bytes[16];

	if (!six && !text_ends(name, ends[0]))
		return -ENOENT;
	length -= strlen(ends[six]);
	if (reverse_text(text, sizeof(text), name, length, six) < 0)
		return -ENOENT;
	/* Of IPv6 there are all digits, never a "::". */
	if (strlen(text) > want || (six && strlen(text) != want) ||
	    inet_pton(family, text, bytes) != 1)
		return -ENOENT;
	memcpy(ret, bytes, six ? 16 : 4);
	*ret_family = family;
	return 0;
}
