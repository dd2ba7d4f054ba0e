/* net/firewall-bridge - the rules of the table `bridge redd`: what a machine may say on a bridge
 * (class S54). The same for any number of machines. Pure.
 */
#pragma once

struct nftables;

/* Where a machine's port leads. */
#define FIREWALL_BRIDGE_FIXED "fixed" /* only what is its own */
#define FIREWALL_BRIDGE_LOOSE "loose" /* nothing that is another's */

/* The table with all that is in it but elements. */
void firewall_bridge_put(struct nftables *nftables);
