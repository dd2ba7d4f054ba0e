#include "net/firewall-xtables.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include "base/arena.h"
#include "base/macros.h"
#include "io/fd.h"
#include "io/file.h"

#define ENTRIES_MAX (4 * 1024 * 1024) /* bytes of rules; who has more has no use for us */
#define LINK_NAMES_MAX 4096

/* IPv6 has the same numbers and structures, but for the head of an entry. */
static const struct version {
	int family, level;
	const char *names;
	size_t head; /* of an entry, before its target if it matches nothing */
} versions[] = {
	{ AF_INET, 0 /* SOL_IP */, "/proc/net/ip_tables_names", 112 },
	{ AF_INET6, 41 /* SOL_IPV6 */, "/proc/net/ip6_tables_names", 168 },
};

/* To ask for a table makes it: so look first whether it is there. */
static bool is_used(const struct version *version)
{
	char names[LINK_NAMES_MAX];
	const char *at = names;

	if (file_read_line(names, sizeof(names), AT_FDCWD, version->names) < 0)
		return false;
	while ((at = strstr(at, "filter"))) {
		if ((at == names || at[-1] == '\n') && (at[6] == '\n' || at[6] == '\0'))
			return true;
		at += 6;
	}
	return false;
}

/* The last entry of a chain of the kernel's, which says what happens to the rest. */
static bool drops(const unsigned char *entries, size_t size, size_t at,
		  const struct version *version)
{
	struct xt_standard_target target;

	if (at > size || version->head + sizeof(target) > size - at)
		return false;
	memcpy(&target, entries + at + version->head, sizeof(target));
	return target.target.u.user.name[0] == '\0' && target.verdict == -NF_DROP - 1;
}

static bool holds(const unsigned char *entries, size_t size, const char *word)
{
	/* With its end, so that it is the whole word. */
	return memmem(entries, size, word, strlen(word) + 1) != NULL;
}

static int read_entries(struct firewall_xtables *ret, int fd, const struct version *version,
			const struct ipt_getinfo *info)
{
	autoarena struct arena arena = {};
	socklen_t size = (socklen_t)(sizeof(struct ipt_get_entries) + info->size);
	struct ipt_get_entries *get;
	const unsigned char *entries;

	if (info->size > ENTRIES_MAX)
		return -EFBIG;
	get = arena_take(&arena, size);
	memcpy(get->name, info->name, sizeof(get->name));
	get->size = info->size;
	if (getsockopt(fd, version->level, IPT_SO_GET_ENTRIES, get, &size) < 0)
		return -errno;
	entries = (const unsigned char *)get->entrytable;
	*ret = (struct firewall_xtables){
		.forward_drops = drops(entries, info->size, info->underflow[NF_INET_FORWARD],
				       version),
		.input_drops = drops(entries, info->size, info->underflow[NF_INET_LOCAL_IN],
				     version),
		.docker = holds(entries, info->size, "DOCKER-USER"),
		.remedied = holds(entries, info->size, "redd"),
	};
	return 0;
}

int firewall_xtables_read(struct firewall_xtables *ret, int family)
{
	const struct version *version = &versions[family == AF_INET6];
	struct ipt_getinfo info = { .name = "filter" };
	socklen_t size = sizeof(info);
	autoclose int fd = -EBADF;

	if (!is_used(version))
		return -ENOENT;
	fd = socket(family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	if (fd < 0)
		return -errno;
	if (getsockopt(fd, version->level, IPT_SO_GET_INFO, &info, &size) < 0)
		return -errno;
	return read_entries(ret, fd, version, &info);
}
