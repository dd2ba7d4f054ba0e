#include "engine/environ.h"

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/id128.h"
#include "base/list.h"
#include "base/text.h"
#include "engine/host.h"
#include "machine/guest-users.h"
#include "plan/plan.h"

static void terminal(struct arena *arena, struct text_list *list, const struct environ_facts *facts)
{
	static const char *const names[] = { "TERM", "COLORTERM", "NO_COLOR" };
	const char *term = text_variable(facts->host->environment, "TERM");

	if (facts->spec->console == CONSOLE_PIPE || term == NULL || strcmp(term, "dumb") == 0) {
		text_list_add(arena, list, arena_text(arena, "TERM=dumb"));
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const char *value = text_variable(facts->host->environment, names[i]);

		if (value != NULL)
			text_list_add(arena, list, arena_format(arena, "%s=%s", names[i], value));
	}
}

char **environ_build(struct arena *arena, const struct environ_facts *facts)
{
	const struct spec *spec = facts->spec;
	const struct guest_user *user = facts->user;
	char uuid[ID128_UUID_ROOM];
	struct text_list list = { 0 };

	text_list_add(
		arena, &list,
		arena_text(arena,
			   "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"));
	text_list_add(arena, &list, arena_format(arena, "container=%s", spec->container_service));
	terminal(arena, &list, facts);
	text_list_add(arena, &list,
		      arena_format(arena, "HOME=%s", user == NULL ? "/root" : user->home));
	text_list_add(arena, &list,
		      arena_format(arena, "USER=%s", user == NULL ? "root" : user->name));
	text_list_add(arena, &list,
		      arena_format(arena, "LOGNAME=%s", user == NULL ? "root" : user->name));
	id128_uuid(uuid, facts->root->machine_id);
	text_list_add(arena, &list, arena_format(arena, "container_uuid=%s", uuid));
	if (facts->listen_fds > 0) {
		text_list_add(arena, &list,
			      arena_format(arena, "LISTEN_FDS=%d", facts->listen_fds));
		text_list_add(arena, &list, arena_text(arena, "LISTEN_PID=1"));
	}
	text_list_add(arena, &list, arena_text(arena, "NOTIFY_SOCKET=/run/host/notify"));
	if (spec->credentials.count > 0)
		text_list_add(arena, &list,
			      arena_text(arena, "CREDENTIALS_DIRECTORY=/run/host/credentials"));
	if (spec->start != START_BOOT)
		text_list_add(arena, &list, arena_text(arena, "LANG=C.UTF-8"));
	for (size_t i = 0; i < facts->host->os_release_fields.count; i++)
		text_list_add(arena, &list, facts->host->os_release_fields.items[i]);
	for (size_t i = 0; i < spec->environment.count; i++)
		text_list_assign(arena, &list, spec->environment.items[i]);
	return list.items;
}
