/* machine/network-repair - the host's rules for running machines, made again after somebody else
 * has removed them ("nft flush ruleset"), or some of them ("nft flush table inet redd").
 *
 * Until then machines are isolated rather than open (net/firewall). Root, in the host's network
 * namespace: any command. Speaking only through the log.
 */
#pragma once
#include <stddef.h>

struct arena;
struct firewall;
struct firewall_machine;

/* Whoever filters for machines leaves this mark in RUNTIME, so that others need not ask. Quiet. */
int network_repair_mark(const char *runtime);

/* Costs next to nothing where no machine was ever filtered for, and little where the rules are
 * there. Elements that somebody took out of a set are not missed. */
void network_repair(struct arena *arena, const char *runtime);

/* For who made the rules with only his OWN in them, where others' may have been before: RECORDS is
 * the directory of the machines' records. 1: others' were made again; they may have been about to
 * make them. */
int network_repair_others(struct arena *arena, struct firewall *firewall, int records_fd,
			  const struct firewall_machine *own, size_t own_count);
