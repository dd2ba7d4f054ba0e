/* net/firewall-guard - a restricted machine stays restricted when the host's rulesets are flushed.
 * Supervisor. Speaking.
 *
 * Its packets are marked as doubtful where they enter the host, and the table `inet redd` takes the
 * mark off. If that table is gone, routing rules refuse what is still doubtful, and the guard drops
 * it where it is for the host itself. The guard stands in tables of the supervisor's own,
 * "redd-INDEX": who flushes rulesets cannot flush those; they end with the socket of `struct
 * firewall`.
 *
 * It also drops what would begin a connection of TCP to the machine in the middle: it goes on after
 * its flow was ended (net/firewall-flows).
 */
#pragma once

struct firewall;
struct firewall_machine;

/* After firewall_add(). Done twice is done once. */
int firewall_guard(struct firewall *firewall, const struct firewall_machine *machine);

/* It is restricted no more; only by who guards it. */
int firewall_unguard(struct firewall *firewall, const struct firewall_machine *machine);
