/* engine/network-rules - what the host's packet filter and the supervisor do for a container's
 * links, once they are there: engine/network's other half.
 *
 * Runs in: supervisor, in the host's network namespace. Speaking.
 */
#pragma once
#include "engine/answers.h"
#include "machine/record.h"
#include "net/facts.h"
#include "net/firewall.h"

#define NETWORK_LINKS_MAX FACTS_LIST_MAX
#define NETWORK_TAG_ROOM 32

struct container;

struct network {
	struct container *container;
	int netns_fd; /* of the container */
	struct facts facts;
	struct answers *answers;
	struct firewall firewall;
	struct firewall_machine part;
	const char *hosts_path; /* NULL: the host was not told */
	bool noted, filtered;
};

/* The alternative name of the host's end number N. */
void network_tag(char ret[NETWORK_TAG_ROOM], const struct network *network, uint32_t n);

/* As planned, with what facts has of the links. */
int network_rules(struct network *network);

/* Answers and filter for what FACTS tell already: a new supervisor's. */
int network_rules_resume(struct network *network, bool dns);
void network_rules_end(struct network *network);
