#include "nss/answer.h"

#include <errno.h>
#include <netdb.h>
#include <nss.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct room {
	char *at;
	size_t left;
};

/* Aligned for whatever is in an answer. NULL: there is not so much left. */
static void *take(struct room *room, size_t size)
{
	size_t padding = -(uintptr_t)room->at % alignof(void *);
	char *taken = room->at + padding;

	if (room->left < padding || room->left - padding < size)
		return NULL;
	room->at = taken + size;
	room->left -= padding + size;
	return taken;
}

static char *take_text(struct room *room, const char *text)
{
	size_t size = strlen(text) + 1;
	char *taken = take(room, size);

	return taken == NULL ? NULL : memcpy(taken, text, size);
}

/* The addresses' list, and behind it NULL, which is the list of aliases as well. */
static char **take_list(struct room *room, int family, const struct hosts_address *addresses,
			size_t count, size_t of_family)
{
	char **list = take(room, (of_family + 1) * sizeof(*list));
	size_t used = 0;

	if (list == NULL)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		size_t size = hosts_address_size(&addresses[i]);

		if (addresses[i].family != family)
			continue;
		list[used] = take(room, size);
		if (list[used] == NULL)
			return NULL;
		memcpy(list[used++], addresses[i].bytes, size);
	}
	list[used] = NULL;
	return list;
}

int answer_host(struct hostent *ret, char *buffer, size_t size, const char *name, int family,
		const struct hosts_address *addresses, size_t count)
{
	struct room room = { buffer, size };
	size_t of_family = 0, length = 0;
	char *copy, **list;

	for (size_t i = 0; i < count; i++)
		if (addresses[i].family == family) {
			length = hosts_address_size(&addresses[i]);
			of_family++;
		}
	if (of_family == 0)
		return -ENODATA;
	list = take_list(&room, family, addresses, count, of_family);
	copy = take_text(&room, name);
	if (list == NULL || copy == NULL)
		return -ERANGE;
	*ret = (struct hostent){
		.h_name = copy,
		.h_aliases = list + of_family,
		.h_addrtype = family,
		.h_length = (int)length,
		.h_addr_list = list,
	};
	return 0;
}

int answer_tuples(struct gaih_addrtuple **ret, char *buffer, size_t size, const char *name,
		  const struct hosts_address *addresses, size_t count)
{
	struct room room = { buffer, size };
	struct gaih_addrtuple *tuples;
	char *copy;

	if (count == 0)
		return -ENODATA;
	tuples = take(&room, count * sizeof(*tuples));
	copy = take_text(&room, name);
	if (tuples == NULL || copy == NULL)
		return -ERANGE;
	for (size_t i = 0; i < count; i++) {
		tuples[i] = (struct gaih_addrtuple){
			.next = i + 1 < count ? &tuples[i + 1] : NULL,
			.name = copy,
			.family = addresses[i].family,
		};
		memcpy(tuples[i].addr, addresses[i].bytes, hosts_address_size(&addresses[i]));
	}
	if (*ret != NULL)
		**ret = tuples[0];
	else
		*ret = tuples;
	return 0;
}
