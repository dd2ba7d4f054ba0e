#include "machine/network-host.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>

#include "base/macros.h"
#include "base/parse.h"
#include "io/fd.h"
#include "io/file.h"
#include "machine/networkd.h"

void network_host_id(uint8_t ret[16])
{
	char text[64];

	memset(ret, 0, 16);
	if (file_read_line(text, sizeof(text), AT_FDCWD, "/etc/machine-id") >= 0)
		(void)parse_id128(ret, text);
}

/* Its files stay when it is stopped, its cgroup does not. */
static bool runs(void)
{
	static const char *const places[] = {
		"/sys/fs/cgroup/system.slice/systemd-networkd.service/cgroup.events",
		"/sys/fs/cgroup/unified/system.slice/systemd-networkd.service/cgroup.events",
	};
	char text[256];

	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		if (file_read_line(text, sizeof(text), AT_FDCWD, places[i]) >= 0 &&
		    strstr(text, "populated 1") != NULL)
			return true;
	return false;
}

bool network_host_has_networkd(struct arena *arena, const char *link, const char *kind)
{
	autoclose int root = -EBADF;

	if (!runs())
		return false;
	root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return root >= 0 && networkd_configures(arena, root, link, kind);
}
