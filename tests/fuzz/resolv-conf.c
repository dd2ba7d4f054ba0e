/* resolv.conf(5). */
#include <assert.h>
#include <string.h>
#include <sys/socket.h>

#include "format/resolv-conf.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct resolv_conf conf;

	resolv_conf_parse(&conf, (const char *)data, size);
	assert(conf.server_count <= RESOLV_CONF_SERVERS_MAX);
	assert(conf.search_count <= RESOLV_CONF_SEARCH_MAX);
	assert(conf.timeout_s <= RESOLV_CONF_TIMEOUT_MAX);
	assert(conf.attempts <= RESOLV_CONF_ATTEMPTS_MAX);
	for (size_t i = 0; i < conf.server_count; i++) {
		const struct resolv_conf_server *server = &conf.servers[i];

		assert(server->family == AF_INET || server->family == AF_INET6);
		assert(memchr(server->scope, '\0', sizeof(server->scope)) != NULL);
		assert(server->family == AF_INET6 || server->scope[0] == '\0');
	}
	for (size_t i = 0; i < conf.search_count; i++)
		assert(conf.search[i][0] != '\0' && strlen(conf.search[i]) < 256);
	return 0;
}
