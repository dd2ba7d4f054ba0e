/* net/firewall-check - are the facts about a machine possible ones? Pure, speaking. */
#pragma once
#include <stdbool.h>

struct firewall_address;
struct firewall_machine;

/* -EINVAL: they break a limit or a promise of net/firewall.h. */
int firewall_check(const struct firewall_machine *machine);

/* May a name lead the machine to ADDRESS? */
bool firewall_check_learnt(const struct firewall_machine *machine,
			   const struct firewall_address *address);
