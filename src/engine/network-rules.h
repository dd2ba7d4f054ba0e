/* engine/network-rules - what the host's packet filter and the supervisor do for a container's
 * links, once they are there: engine/network's other half.
 *
 * Runs in: supervisor, in the host's network namespace. Speaking.
 */
#pragma once
#include "engine/answers.h"
#include "kernel/link.h"
#include "machine/record.h"
#include "net/facts.h"
#include "net/firewall.h"

#define NETWORK_LINKS_MAX 64

struct container;

struct moved {
	int index;		   /* in the container */
	char name[LINK_NAME_SIZE]; /* on the host */
};

struct network {
	struct container *container;
	int netns_fd;					    /* of the container */
	char tags[NETWORK_LINKS_MAX][RECORD_TAG_ROOM + 16]; /* alternative names of our own links */
	size_t links;
	struct moved moved[NETWORK_LINKS_MAX];
	size_t moved_count;
	char zone[LINK_NAME_SIZE]; /* "": none */
	struct facts facts;
	struct answers *answers;
	struct firewall firewall;
	struct firewall_machine part;
	const char *hosts_path; /* NULL: the host was not told */
	bool noted, filtered;
};

/* As planned, with what facts has of the links. */
int network_rules(struct network *network);

/* LAST: no further start follows, and our end is not to wait for the kernel's. */
void network_rules_end(struct network *network, bool last);
