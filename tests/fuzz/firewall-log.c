/* A refused packet as the kernel tells it: what is in the packet is the guest's. */
#include <assert.h>
#include <string.h>
#include <sys/socket.h>

#include "fuzz.h"
#include "net/firewall-log.h"

static void check(const struct firewall_address *address)
{
	assert((address->family == AF_INET && address->bits == 32) ||
	       (address->family == AF_INET6 && address->bits == 128));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct firewall_refusal refusal;

	memset(&refusal, 0xa5, sizeof(refusal));
	if (firewall_log_parse(&refusal, data, size) <= 0)
		return 0;
	check(&refusal.source);
	check(&refusal.destination);
	assert(refusal.source.family == refusal.destination.family);
	return 0;
}
