/* net/firewall-inet - the rules of the table `inet redd`, the same for any number of machines.
 * Pure.
 */
#pragma once

struct firewall_machine;
struct nftables;

/* The table with all that is in it but elements. */
void firewall_inet_put(struct nftables *nftables);

/* The chain of a machine that is restricted or has targets; new, or once more. */
void firewall_inet_put_egress(struct nftables *nftables, const struct firewall_machine *machine);
