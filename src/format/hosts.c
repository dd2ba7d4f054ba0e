#include "format/hosts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/parse.h"

#define LINE_ROOM 80

size_t hosts_address_size(const struct hosts_address *address)
{
	return address->family == AF_INET ? 4 : 16;
}

static bool is_tag(const char *text)
{
	size_t length = strlen(text);

	return length > 0 && length < HOSTS_TAG_ROOM && strspn(text, "0123456789abcdef") == length;
}

/* "PID START"; ends what it reads. */
static int take_process(struct hosts *hosts, char *value)
{
	char *blank = strchr(value, ' ');
	uint32_t pid;

	if (blank == NULL || hosts->pid != 0)
		return -EBADMSG;
	*blank = '\0';
	if (parse_u32(&pid, value) < 0 || pid == 0 || pid > INT32_MAX ||
	    parse_u64(&hosts->start, blank + 1) < 0)
		return -EBADMSG;
	hosts->pid = (pid_t)pid;
	return 0;
}

static int take_tag(struct hosts *hosts, const char *value)
{
	if (!is_tag(value) || hosts->tag[0] != '\0')
		return -EBADMSG;
	memcpy(hosts->tag, value, strlen(value) + 1);
	return 0;
}

static int take_address(struct hosts *hosts, const char *value)
{
	struct hosts_address address = { .family = strchr(value, ':') ? AF_INET6 : AF_INET };

	if (inet_pton(address.family, value, address.bytes) != 1)
		return -EBADMSG;
	if (hosts->count < HOSTS_ADDRESSES_MAX)
		hosts->addresses[hosts->count++] = address;
	return 0;
}

static int take_line(struct hosts *hosts, const char *text, size_t length)
{
	char line[LINE_ROOM];
	char *value;

	if (length >= sizeof(line) || memchr(text, '\0', length) != NULL)
		return -EBADMSG;
	memcpy(line, text, length);
	line[length] = '\0';
	value = strchr(line, ' ');
	if (value == NULL)
		return 0;
	*value++ = '\0';
	if (strcmp(line, "pid") == 0)
		return take_process(hosts, value);
	if (strcmp(line, "tag") == 0)
		return take_tag(hosts, value);
	if (strcmp(line, "address") == 0)
		return take_address(hosts, value);
	return 0;
}

int hosts_parse(struct hosts *ret, const char *text, size_t size)
{
	const char *end = text + size, *newline;
	struct hosts hosts = { 0 };

	if (size > HOSTS_SIZE_MAX)
		return -EBADMSG;
	for (; text < end; text = newline + 1) {
		int r;

		newline = memchr(text, '\n', (size_t)(end - text));
		if (newline == NULL)
			break;
		r = take_line(&hosts, text, (size_t)(newline - text));
		if (r < 0)
			return r;
	}
	if (hosts.pid == 0 || hosts.tag[0] == '\0')
		return -EBADMSG;
	*ret = hosts;
	return 0;
}

int hosts_print(char ret[HOSTS_SIZE_MAX], const struct hosts *hosts)
{
	char text[HOSTS_SIZE_MAX], address[INET6_ADDRSTRLEN];
	size_t used;

	if (hosts->pid <= 0 || !is_tag(hosts->tag) || hosts->count > HOSTS_ADDRESSES_MAX)
		return -EINVAL;
	/* Ten lines of less than LINE_ROOM. */
	used = (size_t)snprintf(text, sizeof(text), "pid %d %llu\ntag %s\n", (int)hosts->pid,
				(unsigned long long)hosts->start, hosts->tag);
	for (size_t i = 0; i < hosts->count; i++) {
		if (inet_ntop(hosts->addresses[i].family, hosts->addresses[i].bytes, address,
			      sizeof(address)) == NULL)
			return -EINVAL;
		used += (size_t)snprintf(text + used, sizeof(text) - used, "address %s\n", address);
	}
	memcpy(ret, text, used + 1);
	return (int)used;
}

bool hosts_link(char ret[HOSTS_LINK_ROOM], const char *name)
{
	ret[0] = '=';
	return name_further(ret + 1, name);
}

int hosts_parse_claim(struct hosts_claim *ret, const char *text, size_t length)
{
	const char *slash = memchr(text, '/', length);
	size_t tag = slash == NULL ? 0 : (size_t)(slash - text), rest = length - tag;
	struct hosts_claim claim = { 0 };

	if (slash == NULL || tag >= sizeof(claim.tag) || rest > sizeof(claim.machine) ||
	    memchr(text, '\0', length) != NULL)
		return -EBADMSG;
	memcpy(claim.tag, text, tag);
	memcpy(claim.machine, slash + 1, rest - 1);
	if (!is_tag(claim.tag) || !name_is_machine(claim.machine))
		return -EBADMSG;
	*ret = claim;
	return 0;
}

int hosts_print_claim(char ret[HOSTS_CLAIM_ROOM], const char *machine, const char *tag)
{
	if (!is_tag(tag) || !name_is_machine(machine))
		return -EINVAL;
	snprintf(ret, HOSTS_CLAIM_ROOM, "%s/%s", tag, machine);
	return 0;
}
