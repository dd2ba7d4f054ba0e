/* net/firewall-elements - what belongs to one machine in the tables' sets. Pure. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/nftables.h"
#include "net/firewall-sets.h"
#include "net/firewall.h"

struct firewall_element {
	enum firewall_set set;
	bool six;
	bool shared; /* with others on its bridge */
	struct nftables_element element;
};

typedef void firewall_element_fn(const struct firewall_element *element, void *context);

/* Give each to FN; those of one port only; those that let a restricted machine reach ADDRESS
 * (firewall_allow). */
void firewall_elements(const struct firewall_machine *machine, firewall_element_fn *fn,
		       void *context);
void firewall_elements_port(const struct firewall_machine *machine,
			    const struct firewall_port *port, firewall_element_fn *fn,
			    void *context);
void firewall_elements_allow(const struct firewall_machine *machine,
			     const struct firewall_address *address, uint16_t port,
			     uint8_t protocol, uint32_t seconds, firewall_element_fn *fn,
			     void *context);

/* Has it a chain of its own? */
bool firewall_elements_egress(const struct firewall_machine *machine);
