/* RUNTIME/hosts/NAME, and the link of a further name: what is taken is printed as something that is
 * taken as the same. */
#include <assert.h>
#include <string.h>

#include "format/hosts.h"
#include "fuzz.h"

static void follow_link(const char *data, size_t size)
{
	struct hosts_claim claim = { .tag = "untouched" };
	char text[HOSTS_CLAIM_ROOM];

	if (hosts_parse_claim(&claim, data, size) < 0) {
		assert(strcmp(claim.tag, "untouched") == 0);
		return;
	}
	assert(strchr(claim.machine, '/') == NULL && claim.machine[0] != '.');
	assert(hosts_print_claim(text, claim.machine, claim.tag) == 0);
	assert(strlen(text) == size && memcmp(text, data, size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hosts hosts = { .pid = 77 }, again;
	char text[HOSTS_SIZE_MAX];
	int length;

	follow_link((const char *)data, size);
	if (hosts_parse(&hosts, (const char *)data, size) < 0) {
		assert(hosts.pid == 77 && hosts.count == 0);
		return 0;
	}
	assert(size <= HOSTS_SIZE_MAX && hosts.pid > 0 && hosts.tag[0] != '\0');
	assert(hosts.count <= HOSTS_ADDRESSES_MAX);
	length = hosts_print(text, &hosts);
	assert(length > 0 && hosts_parse(&again, text, (size_t)length) == 0);
	assert(memcmp(&hosts, &again, sizeof(hosts)) == 0);
	return 0;
}
