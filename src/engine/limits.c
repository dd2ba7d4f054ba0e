#include "engine/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "engine/resources.h"
#include "io/fd.h"
#include "machine/limits.h"
#include "spec/spec.h"

static int set(struct resources *resources, const struct limits *limits)
{
	const char *payload = resources->taken.cgroup_path;
	int length = (int)(strlen(payload) - strlen("/payload"));
	autoclose int own = -EBADF;
	int r;

	own = openat(resources->cgroup_parent_fd, resources->cgroup_name,
		     O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (own < 0)
		return fail(-errno, "cannot open the cgroup '%.*s'", length, payload);
	r = limits_check(limits, own, arena_format(resources->arena, "%.*s", length, payload));
	return r < 0 ? r : limits_write(limits, own);
}

int limits_take(struct resources *resources, const struct spec *spec, bool dry)
{
	struct limits limits;
	int r;

	if (spec->properties.count == 0 || resources->taken.cgroup == CGROUP_SCOPE ||
	    resources->taken.cgroup == CGROUP_UNIT)
		return 0;
	r = limits_read(resources->arena, &limits, &spec->properties);
	if (r < 0)
		return r;
	if (resources->taken.cgroup == CGROUP_NONE)
		return fail_plain(-EOPNOTSUPP,
				  "cannot set '%s': there is no cgroup for the container here (it "
				  "needs cgroup v2, and root or a cgroup that is yours)",
				  spec->properties.items[0]);
	return dry || limits.count == 0 ? 0 : set(resources, &limits);
}
