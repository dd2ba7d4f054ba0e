#include "engine/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/log.h"
#include "base/text.h"
#include "engine/resources.h"
#include "io/fd.h"
#include "machine/limits.h"
#include "spec/spec.h"

#define PERIOD "CPUQuotaPeriodSec"

struct place {
	struct resources *resources;
	const char *path; /* of the machine's own cgroup */
	int fd;		  /* of it; -EBADF: it is only looked at what would be */
};

static int open_place(struct place *place, bool dry)
{
	struct resources *resources = place->resources;
	const char *payload = resources->taken.cgroup_path;

	place->path = arena_format(resources->arena, "%.*s",
				   (int)(strlen(payload) - strlen("/payload")), payload);
	if (dry)
		return 0;
	place->fd = openat(resources->cgroup_parent_fd, resources->cgroup_name,
			   O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return place->fd < 0 ? fail(-errno, "cannot open the cgroup '%s'", place->path) : 0;
}

static int set(const struct place *place, const struct text_list *properties)
{
	struct limits limits;
	int r = limits_read(place->resources->arena, &limits, properties);

	if (r >= 0 && place->fd >= 0)
		r = limits_check(&limits, place->fd, place->path);
	if (r >= 0 && place->fd >= 0)
		r = limits_write(&limits, place->fd);
	return r;
}

/* A definition is for many hosts, and not each of them can do all of it. */
static void set_what_can_be(const struct place *place, const struct text_list *service)
{
	struct arena *arena = place->resources->arena;

	for (size_t i = 0; i < service->count; i++) {
		bool quota = text_assigned(service->items[i], "CPUQuota") != NULL;
		struct text_list one = { 0 };

		/* A period is nothing without its quota. */
		if (text_assigned(service->items[i], PERIOD) != NULL)
			continue;
		for (size_t j = 0; quota && j < service->count; j++)
			if (text_assigned(service->items[j], PERIOD) != NULL)
				text_list_add(arena, &one, service->items[j]);
		text_list_add(arena, &one, service->items[i]);
		if (set(place, &one) >= 0)
			continue;
		log_warning("%s, going on without", fail_recorded()->text);
		fail_forget();
	}
}

int limits_take(struct resources *resources, const struct spec *spec, bool dry)
{
	struct place place = { .resources = resources, .fd = -EBADF };
	const struct text_list *given = &spec->properties, *service = &spec->service;
	int r = 0;

	if ((given->count == 0 && service->count == 0) || resources->taken.cgroup == CGROUP_SCOPE ||
	    resources->taken.cgroup == CGROUP_UNIT)
		return 0;
	if (resources->taken.cgroup == CGROUP_NONE && given->count > 0)
		return fail_plain(-EOPNOTSUPP,
				  "cannot set '%s': there is no cgroup for the container here (it "
				  "needs cgroup v2, and root or a cgroup that is yours)",
				  given->items[0]);
	if (resources->taken.cgroup == CGROUP_NONE) {
		log_warning("cannot set '%s': there is no cgroup for the container here, going on "
			    "without",
			    service->items[0]);
		return 0;
	}
	r = open_place(&place, dry);
	if (r >= 0) {
		set_what_can_be(&place, service);
		r = set(&place, given);
	}
	fd_close(&place.fd);
	return r;
}
