#include "net/firewall.h"
int firewall_add(const struct firewall_machine *machine)
{
	(void)machine;
	return 0;
}
int firewall_remove(const struct firewall_machine *machine, bool with_zone)
{
	(void)machine, (void)with_zone;
	return 0;
}
int firewall_allow(const struct firewall_machine *machine, const struct firewall_address *address,
		   uint16_t port, uint8_t protocol, uint32_t seconds)
{
	(void)machine, (void)address, (void)port, (void)protocol, (void)seconds;
	return 0;
}
int firewall_drop_if_empty(void)
{
	return 0;
}
