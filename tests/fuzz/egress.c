/* Lists of allowed destinations: the first line is a name that is looked for, the rest the list. */
#include <assert.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>

#include "base/arena.h"
#include "format/egress.h"
#include "fuzz.h"

static void check_entry(const struct egress_entry *entry)
{
	bool prefix = entry->kind == EGRESS_PREFIX;

	assert(entry->port_first <= entry->port_last);
	assert(entry->protocol == 0 || entry->protocol == IPPROTO_TCP ||
	       entry->protocol == IPPROTO_UDP);
	assert(prefix == (entry->family != 0));
	if (prefix) {
		assert(entry->prefix_length <= (entry->family == AF_INET ? 32 : 128));
		return;
	}
	assert(strlen(entry->name) <= EGRESS_NAME_MAX);
	assert(entry->port_first == 0 ||
	       entry->port_last - entry->port_first < EGRESS_NAME_PORTS_MAX);
	assert(entry->kind == EGRESS_BELOW || entry->name[0] != '\0');
	for (const char *c = entry->name; *c != '\0'; c++)
		assert(strchr("abcdefghijklmnopqrstuvwxyz0123456789-_.", *c) != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *end = size == 0 ? NULL : memchr(data, '\n', size);
	autoarena struct arena arena = {};
	const struct egress_entry *entry;
	const char *name, *text, *bad = NULL;
	struct egress egress;
	size_t at = 0, length;

	if (end == NULL)
		return 0;
	length = (size_t)(end - (const char *)data);
	name = arena_text_n(&arena, (const char *)data, length);
	text = arena_text_n(&arena, end + 1, size - length - 1);
	if (egress_parse(&arena, &egress, text, &bad) < 0) {
		assert(bad == NULL || strstr(text, bad) != NULL);
		return 0;
	}
	assert(egress.count <= EGRESS_ENTRIES_MAX);
	for (size_t i = 0; i < egress.count; i++)
		check_entry(&egress.entries[i]);
	while ((entry = egress_next_named(&egress, &at, name)) != NULL) {
		length = strlen(entry->name);
		assert(strlen(name) >= length);
		assert(strcmp(name + strlen(name) - length, entry->name) == 0);
	}
	at = 0;
	while ((entry = egress_next_prefix(&egress, &at)) != NULL)
		assert(egress_has_address(&egress, entry->family, entry->bytes));
	return 0;
}
