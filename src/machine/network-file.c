#include "machine/network-file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/text.h"
#include "io/file.h"
#include "net/firewall.h"

void network_file_name(char ret[NETWORK_FILE_ROOM], const char *machine)
{
	snprintf(ret, NETWORK_FILE_ROOM, ".%.64s.network", machine);
}

int network_file_write(struct arena *arena, int dir_fd, const char *machine,
		       const struct facts *facts)
{
	const char *text = facts_print(arena, facts);
	char name[NETWORK_FILE_ROOM];

	network_file_name(name, machine);
	return file_replace(dir_fd, name, text, strlen(text), 0600);
}

int network_file_read(struct arena *arena, struct facts *ret, int dir_fd, const char *machine)
{
	char name[NETWORK_FILE_ROOM], *text;
	size_t size;
	int r;

	network_file_name(name, machine);
	r = file_read(arena, &text, &size, dir_fd, name, FACTS_SIZE_MAX);
	return r < 0 ? r : facts_parse(arena, ret, text, size);
}

int network_file_undo(struct arena *arena, int dir_fd, const char *machine, const char *tag)
{
	autofirewall struct firewall firewall = FIREWALL_EMPTY;
	struct firewall_machine part;
	struct facts facts;
	int r;

	r = network_file_read(arena, &facts, dir_fd, machine);
	if (r == -ENOENT || (r >= 0 && (!text_equal(facts.tag, tag) || facts.link == 0)))
		return 0;
	if (r >= 0)
		r = facts_machine(arena, &part, &facts);
	if (r >= 0)
		r = firewall_open(&firewall);
	if (r >= 0)
		r = firewall_remove(&firewall, &part, false);
	if (r >= 0)
		r = firewall_drop_if_empty(&firewall);
	return MIN(r, 0);
}
