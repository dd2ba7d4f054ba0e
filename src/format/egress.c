#include "format/egress.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/macros.h"
#include "base/parse.h"
#include "base/text.h"

#define BLANKS " \t\r\n"
#define WORD_MAX 300 /* the longest name with all around it */
#define LABEL_MAX 63

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_name_character(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || c == '-' || c == '_';
}

/* In place: lower case and without the dot at the end. The last label of a name is not a number, so
 * that no mistyped address is one. */
static bool make_name(char *text)
{
	size_t length = strlen(text), label = 0;
	bool number = true;

	if (length > 1 && text[length - 1] == '.')
		text[--length] = '\0';
	if (length == 0 || length > EGRESS_NAME_MAX)
		return false;
	for (size_t i = 0; i < length; i++) {
		if (text[i] == '.') {
			if (i == label || i - label > LABEL_MAX)
				return false;
			label = i + 1;
			number = true;
			continue;
		}
		if (text[i] >= 'A' && text[i] <= 'Z')
			text[i] = (char)(text[i] - 'A' + 'a');
		if (!is_name_character(text[i]))
			return false;
		number = number && is_digit(text[i]);
	}
	return label < length && length - label <= LABEL_MAX && !number;
}

static int read_name(struct egress_entry *entry, char *text)
{
	entry->kind = EGRESS_NAME;
	entry->name = text;
	if (text[0] == '*') {
		entry->kind = EGRESS_BELOW;
		entry->name = text[1] == '\0' ? text + 1 : text + 2;
		if (text[1] == '\0')
			return 0;
		if (text[1] != '.')
			return -EINVAL;
		text += 2;
	}
	return make_name(text) ? 0 : -EINVAL;
}

static void mask(uint8_t *bytes, size_t size, unsigned int length)
{
	for (unsigned int i = 0; i < size; i++) {
		unsigned int bits = length > 8 * i ? MIN(length - 8 * i, 8) : 0;

		bytes[i] &= (uint8_t)(0xff00 >> bits);
	}
}

static int read_prefix(struct egress_entry *entry, char *text, int family)
{
	unsigned int most = family == AF_INET ? 32 : 128;
	char *slash = strchr(text, '/');
	uint32_t length = most;

	if (slash != NULL) {
		*slash++ = '\0';
		if (strlen(slash) > 3 || parse_u32(&length, slash) < 0 || length > most)
			return -EINVAL;
	}
	if (inet_pton(family, text, entry->bytes) != 1)
		return -EINVAL;
	entry->kind = EGRESS_PREFIX;
	entry->family = family;
	entry->prefix_length = length;
	mask(entry->bytes, most / 8, length);
	return 0;
}

static int read_ports(struct egress_entry *entry, char *text)
{
	char *dash = strchr(text, '-');

	if (dash != NULL)
		*dash++ = '\0';
	if (parse_port(&entry->port_first, text) < 0 ||
	    parse_port(&entry->port_last, dash != NULL ? dash : text) < 0)
		return -EINVAL;
	return entry->port_first <= entry->port_last ? 0 : -EINVAL;
}

/* The protocol in front, if there is one; what follows it. */
static char *read_protocol(struct egress_entry *entry, char *text)
{
	static const struct {
		const char *prefix;
		int protocol;
	} protocols[] = { { "tcp:", IPPROTO_TCP }, { "udp:", IPPROTO_UDP } };

	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++)
		if (text_after(text, protocols[i].prefix) != NULL) {
			entry->protocol = protocols[i].protocol;
			return text + strlen(protocols[i].prefix);
		}
	return text;
}

/* Where the port behind an address in brackets begins; both ends are cut off. */
static int read_brackets(char **text, char **ports)
{
	char *end = strchr(*text, ']');

	if (end == NULL || (end[1] != '\0' && end[1] != ':'))
		return -EINVAL;
	*ports = end[1] == ':' ? end + 2 : NULL;
	*end = '\0';
	++*text;
	return 0;
}

static bool is_number(const char *text)
{
	return text[strspn(text, "0123456789./")] == '\0';
}

static int read_entry(struct egress_entry *entry, char *text)
{
	char *colon, *ports = NULL;
	bool six = false;

	text = read_protocol(entry, text);
	colon = strchr(text, ':');
	if (text[0] == '[') {
		six = true;
		if (read_brackets(&text, &ports) < 0)
			return -EINVAL;
	} else if (colon != NULL && strchr(colon + 1, ':') != NULL) {
		six = true;
	} else if (colon != NULL) {
		*colon = '\0';
		ports = colon + 1;
	}
	if (ports != NULL && read_ports(entry, ports) < 0)
		return -EINVAL;
	if (six || is_number(text))
		return read_prefix(entry, text, six ? AF_INET6 : AF_INET);
	if (read_name(entry, text) < 0)
		return -EINVAL;
	return entry->port_first > 0 &&
			       entry->port_last - entry->port_first >= EGRESS_NAME_PORTS_MAX
		       ? -ERANGE
		       : 0;
}

int egress_parse_entry(struct arena *arena, struct egress_entry *ret, const char *word)
{
	struct egress_entry entry = { .port_last = UINT16_MAX };
	int r;

	if (strlen(word) > WORD_MAX)
		return -EINVAL;
	r = read_entry(&entry, arena_text(arena, word));
	if (r < 0)
		return r;
	*ret = entry;
	return 0;
}

int egress_parse(struct arena *arena, struct egress *ret, const char *text, const char **bad)
{
	void *entries = NULL;
	size_t count = 0;

	for (text += strspn(text, BLANKS); *text != '\0'; text += strspn(text, BLANKS)) {
		size_t length = strcspn(text, BLANKS);
		char *word = arena_text_n(arena, text, length);
		struct egress_entry entry;
		int r;

		r = egress_parse_entry(arena, &entry, word);
		if (r < 0) {
			*bad = word;
			return r;
		}
		if (count == EGRESS_ENTRIES_MAX)
			return -E2BIG;
		*(struct egress_entry *)list_grow(arena, &entries, &count, sizeof(entry)) = entry;
		text += length;
	}
	ret->entries = entries;
	ret->count = count;
	return 0;
}

static bool is_named(const struct egress_entry *entry, const char *name)
{
	size_t length = strlen(name), below;

	if (entry->kind == EGRESS_NAME)
		return strcmp(entry->name, name) == 0;
	if (entry->kind != EGRESS_BELOW)
		return false;
	below = strlen(entry->name);
	return below == 0 || (length > below + 1 && name[length - below - 1] == '.' &&
			      strcmp(name + length - below, entry->name) == 0);
}

const struct egress_entry *egress_next_named(const struct egress *egress, size_t *at,
					     const char *name)
{
	while (*at < egress->count) {
		const struct egress_entry *entry = &egress->entries[(*at)++];

		if (is_named(entry, name))
			return entry;
	}
	return NULL;
}

const struct egress_entry *egress_next_prefix(const struct egress *egress, size_t *at)
{
	while (*at < egress->count) {
		const struct egress_entry *entry = &egress->entries[(*at)++];

		if (entry->kind == EGRESS_PREFIX)
			return entry;
	}
	return NULL;
}

bool egress_has_name(const struct egress *egress, const char *name)
{
	size_t at = 0;

	return egress_next_named(egress, &at, name) != NULL;
}

static bool has_prefix(const uint8_t *bytes, const uint8_t *prefix, unsigned int length)
{
	unsigned int rest = length % 8;

	if (memcmp(bytes, prefix, length / 8) != 0)
		return false;
	return rest == 0 || ((bytes[length / 8] ^ prefix[length / 8]) >> (8 - rest)) == 0;
}

bool egress_has_address(const struct egress *egress, int family, const uint8_t *bytes)
{
	const struct egress_entry *entry;
	size_t at = 0;

	while ((entry = egress_next_prefix(egress, &at)) != NULL)
		if (entry->family == family &&
		    has_prefix(bytes, entry->bytes, entry->prefix_length))
			return true;
	return false;
}

static bool is_internal4(const uint8_t *bytes)
{
	static const struct {
		uint8_t bytes[4];
		unsigned int length;
	} ranges[] = {
		{ { 0 }, 8 },	       /* this host */
		{ { 10 }, 8 },	       /* private */
		{ { 100, 64 }, 10 },   /* shared by a carrier's customers, and clouds' services */
		{ { 127 }, 8 },	       /* loopback */
		{ { 169, 254 }, 16 },  /* link-local, 169.254.169.254 */
		{ { 172, 16 }, 12 },   /* private */
		{ { 192, 0, 0 }, 24 }, /* protocols */
		{ { 192, 0, 2 }, 24 }, /* documentation */
		{ { 192, 168 }, 16 },  /* private */
		{ { 198, 18 }, 15 },   /* benchmarks */
		{ { 198, 51, 100 }, 24 }, /* documentation */
		{ { 203, 0, 113 }, 24 },  /* documentation */
		{ { 224 }, 3 },		  /* multicast, reserved, broadcast */
	};

	for (size_t i = 0; i < ARRAY_SIZE(ranges); i++)
		if (has_prefix(bytes, ranges[i].bytes, ranges[i].length))
			return true;
	return false;
}

static bool is_internal6(const uint8_t *bytes)
{
	/* Of these, an IPv4 address at AT decides: the packet may be translated. */
	static const struct {
		uint8_t bytes[16];
		unsigned int length, at;
	} around[] = {
		{ { 0, 0x64, 0xff, 0x9b }, 96, 12 }, /* NAT64 */
		{ { 0x20, 0x02 }, 16, 2 },	     /* 6to4 */
	};

	for (size_t i = 0; i < ARRAY_SIZE(around); i++)
		if (has_prefix(bytes, around[i].bytes, around[i].length))
			return is_internal4(bytes + around[i].at);
	/* Only 2000::/3 is in public use; of it not the documentation's, nor Teredo and its
	 * neighbours. */
	return !has_prefix(bytes, (const uint8_t[]){ 0x20 }, 3) ||
	       has_prefix(bytes, (const uint8_t[]){ 0x20, 0x01, 0x0d, 0xb8 }, 32) ||
	       has_prefix(bytes, (const uint8_t[]){ 0x20, 0x01, 0x00 }, 23) ||
	       has_prefix(bytes, (const uint8_t[]){ 0x3f, 0xff, 0x00 }, 20);
}

bool egress_is_internal(int family, const uint8_t *bytes)
{
	return family == AF_INET ? is_internal4(bytes) : is_internal6(bytes);
}
