#include "net/resolver-servers.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/macros.h"
#include "format/resolv-conf.h"
#include "io/fd.h"
#include "kernel/link.h"
#include "net/resolver-state.h"

#define DNS_PORT 53
#define SECOND_US 1000000
#define TIMEOUT_S 2
#define ATTEMPTS 2

static bool is_same_file(const struct resolver_servers *servers, const struct stat *now)
{
	return servers->count > 0 && servers->file.device == now->st_dev &&
	       servers->file.inode == now->st_ino && servers->file.size == (uint64_t)now->st_size &&
	       servers->file.seconds == now->st_mtim.tv_sec &&
	       servers->file.nanoseconds == now->st_mtim.tv_nsec;
}

/* Unknown interfaces make an address that cannot be reached. */
static void make_address(union resolver_socket_address *ret,
			 const struct resolv_conf_server *server)
{
	memset(ret, 0, sizeof(*ret));
	ret->any.sa_family = (sa_family_t)server->family;
	if (server->family == AF_INET) {
		ret->four.sin_port = htons(DNS_PORT);
		memcpy(&ret->four.sin_addr, server->bytes, sizeof(ret->four.sin_addr));
	} else {
		ret->six.sin6_port = htons(DNS_PORT);
		memcpy(&ret->six.sin6_addr, server->bytes, sizeof(ret->six.sin6_addr));
		if (server->scope[0] != '\0')
			ret->six.sin6_scope_id = link_index(server->scope);
	}
}

static void adopt(struct resolver_servers *servers, const struct resolv_conf *conf)
{
	static const struct resolv_conf_server here = { AF_INET, { 127, 0, 0, 1 }, "" };

	servers->count = MAX(conf->server_count, 1);
	make_address(&servers->addresses[0], &here);
	for (size_t i = 0; i < conf->server_count; i++)
		make_address(&servers->addresses[i], &conf->servers[i]);
	servers->first = 0;
	servers->timeout_us = (conf->timeout_s > 0 ? conf->timeout_s : TIMEOUT_S) * SECOND_US;
	servers->attempts = conf->attempts > 0 ? conf->attempts : ATTEMPTS;
	servers->rotate = conf->rotate;
}

/* Without an arena: the supervisor's loop takes no memory. */
static int read_text(char *text, size_t room, int fd)
{
	size_t size = 0;

	while (size < room) {
		ssize_t n = read(fd, text + size, room - size);

		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		size += (size_t)n;
	}
	return (int)size;
}

static void look(struct resolver_servers *servers, const char *path)
{
	char text[RESOLV_CONF_SIZE_MAX];
	autoclose int fd = -EBADF;
	struct resolv_conf conf;
	struct stat now;
	int size;

	/* What is not a file is not read; a pipe would not end. */
	if (stat(path, &now) < 0 || !S_ISREG(now.st_mode) || is_same_file(servers, &now))
		return;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &now) < 0 || !S_ISREG(now.st_mode))
		return;
	size = read_text(text, sizeof(text), fd);
	if (size < 0)
		return;
	resolv_conf_parse(&conf, text, (size_t)size);
	adopt(servers, &conf);
	servers->file.device = now.st_dev;
	servers->file.inode = now.st_ino;
	servers->file.size = (uint64_t)now.st_size;
	servers->file.seconds = now.st_mtim.tv_sec;
	servers->file.nanoseconds = now.st_mtim.tv_nsec;
}

void resolver_servers_set(struct resolver_servers *servers, const struct resolver_address *list,
			  size_t count)
{
	struct resolv_conf conf = { .server_count = MIN(count, (size_t)RESOLV_CONF_SERVERS_MAX) };

	if (count == 0)
		return;
	for (size_t i = 0; i < conf.server_count; i++) {
		conf.servers[i].family = list[i].family;
		memcpy(conf.servers[i].bytes, list[i].bytes, sizeof(conf.servers[i].bytes));
	}
	adopt(servers, &conf);
	servers->set = true;
}

void resolver_servers_refresh(struct resolver_servers *servers, const char *path, uint64_t now)
{
	if (servers->set)
		return;
	if (servers->checked_us != 0 && now - servers->checked_us < SECOND_US)
		return;
	servers->checked_us = now;
	look(servers, path);
	if (servers->count == 0)
		adopt(servers, &(struct resolv_conf){ .server_count = 0 });
}
