#include "prog/redd/not-honoured.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/macros.h"
#include "base/text.h"
#include "bus/systemd.h"
#include "cli/program.h"
#include "declare/definition.h"
#include "declare/key.h"
#include "io/fd.h"
#include "kernel/cgroup.h"
#include "machine/service.h"

/* Of a user: where systemd puts machines, or where they are begun. */
static int open_own_cgroup(bool systemd)
{
	char path[PATH_MAX];
	autoclose int fd = -EBADF;
	int r = 0;

	if (systemd)
		snprintf(path, sizeof(path), "/user.slice/user-%u.slice/user@%u.service",
			 (unsigned int)geteuid(), (unsigned int)geteuid());
	else
		r = cgroup_process_path(path, sizeof(path), 0);
	if (r >= 0)
		r = fd = cgroup_open(path);
	/* Not given to the user: nothing can be made below. */
	if (r < 0 || faccessat(fd, "cgroup.subtree_control", W_OK, AT_EACCESS) < 0)
		return -EACCES;
	return take_fd(&fd);
}

void not_honoured_init(struct not_honoured *list)
{
	const char *path;

	*list = (struct not_honoured){
		.systemd = systemd_is_running(),
		.user = geteuid() != 0,
		.cgroup_fd = -EBADF,
	};
	if (list->user)
		list->cgroup_fd = open_own_cgroup(list->systemd);
	else if (cgroup_open_root(&list->cgroup_fd, &path) < 0)
		list->cgroup_fd = -EBADF;
}

void not_honoured_done(struct not_honoured *list)
{
	fd_close(&list->cgroup_fd);
}

/* Asked once: definitions are many. */
static bool has_controller(struct not_honoured *list, const char *name)
{
	size_t i = 0;

	while (list->controllers[i].name != NULL && !text_equal(list->controllers[i].name, name))
		i++;
	assert(i < NOT_HONOURED_CONTROLLERS - 1);
	if (list->controllers[i].name == NULL) {
		list->controllers[i].name = name;
		list->controllers[i].there = list->cgroup_fd >= 0 &&
					     cgroup_has_controller(list->cgroup_fd, name);
	}
	return list->controllers[i].there;
}

/* What starts only as root, by the value's beginning or end; NULL: any. */
static const struct {
	const char *section, *key, *begins, *ends;
} of_root[] = {
	{ "Exec", "PrivateUsers", "no", NULL },
	{ "Exec", "PrivateUsers", "identity", NULL },
	{ "Files", "Bind", NULL, "idmap" },
	{ "Files", "BindReadOnly", NULL, "idmap" },
	{ "Network", "Bridge", NULL, NULL },
	{ "Network", "Interface", NULL, NULL },
	{ "Network", "MACVLAN", NULL, NULL },
	{ "Network", "IPVLAN", NULL, NULL },
	{ "Network", "VirtualEthernetExtra", NULL, NULL },
	{ "X-Network", "NAT", "no", NULL },
	{ "X-Service", "OOMScoreAdjust", "-", NULL },
};

static bool is_of_root(const struct definition_item *item)
{
	for (size_t i = 0; i < ARRAY_SIZE(of_root); i++) {
		if (!text_equal(item->section, of_root[i].section) ||
		    !text_equal(item->key, of_root[i].key))
			continue;
		if (of_root[i].begins != NULL && text_after(item->value, of_root[i].begins) == NULL)
			continue;
		if (of_root[i].ends == NULL ||
		    (text_ends(item->value, of_root[i].ends) && !text_ends(item->value, "noidmap")))
			return true;
	}
	return false;
}

/* NULL: it is honoured. RET_VALUE: the value that is not, if others of the key are. */
static const char *why_not(struct arena *arena, struct not_honoured *list,
			   const struct definition_item *item, const char **ret_value)
{
	struct key key;

	*ret_value = NULL;
	if (!key_find(&key, item->section, item->key))
		return NULL;
	if (key.controller != NULL && list->user && list->cgroup_fd < 0)
		return "no cgroup of yours";
	if (key.controller != NULL && !has_controller(list, key.controller))
		return arena_format(arena, "no %s controller", key.controller);
	*ret_value = item->value;
	if (list->user && is_of_root(item))
		return "not without root";
	if (!list->systemd && !service_takes(arena, item->section, item->key, item->value))
		return "no systemd";
	*ret_value = NULL;
	if (key.flags & KEY_HONOURED)
		return NULL;
	if (!key_is_unit_section(key.section))
		return "not built";
	return list->systemd ? NULL : "no systemd";
}

static bool is_listed(const struct not_honoured *list, const struct not_honoured_item *item)
{
	for (size_t i = list->count; i > 0; i--) {
		const struct not_honoured_item *known = &list->items[i - 1];

		if (!text_equal(known->machine, item->machine))
			return false;
		if (text_equal(known->section, item->section) &&
		    text_equal(known->key, item->key) && text_equal(known->value, item->value))
			return true;
	}
	return false;
}

void not_honoured_add(struct arena *arena, struct not_honoured *list,
		      const struct definition *definition)
{
	for (size_t i = 0; i < definition->items.count; i++) {
		const struct definition_item *item = &definition->items.items[i];
		struct not_honoured_item found = { definition->name, item->section, item->key, NULL,
						   NULL };

		found.why = why_not(arena, list, item, &found.value);
		if (found.why != NULL && !is_listed(list, &found))
			*(struct not_honoured_item *)list_grow(arena, (void **)&list->items,
							       &list->count, sizeof(found)) = found;
	}
}

int not_honoured_print(struct arena *arena, const struct not_honoured *list,
		       const struct program *program)
{
	int r = 0;

	for (size_t i = 0; i < list->count && r >= 0; i++) {
		const struct not_honoured_item *item = &list->items[i];

		r = program_print(
			program,
			arena_format(arena, "not honoured on this host: %s [%s] %s%s%s (%s)\n",
				     item->machine, text_printable(arena, item->section),
				     text_printable(arena, item->key),
				     item->value != NULL ? "=" : "",
				     item->value == NULL ? "" : text_printable(arena, item->value),
				     item->why));
	}
	return r;
}
