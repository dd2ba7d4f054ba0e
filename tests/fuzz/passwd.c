/* passwd(5) and group(5): the first line is who is looked for, the rest is the file. */
#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "base/arena.h"
#include "format/passwd.h"
#include "fuzz.h"

#define NOBODY_SAID 4242

static bool holds(const char *text, size_t size, const char *wanted)
{
	return memmem(text, size, wanted, strlen(wanted)) != NULL;
}

static void check_id(uint32_t id, const char *text, size_t size)
{
	assert(id != UINT32_MAX && id != UINT16_MAX);
	/* Root is only what a file calls root. */
	assert(id != 0 || holds(text, size, ":0:"));
}

static void look_up_user(struct arena *arena, const char *who, const char *text, size_t size)
{
	struct passwd_user user = {};
	uid_t uid = NOBODY_SAID;
	int r;

	r = passwd_find_user(arena, &user, &uid, text, size, who);
	if (r == 0) {
		check_id(user.uid, text, size);
		check_id(user.gid, text, size);
		assert(user.uid == uid && user.name[0] != '\0');
		assert(strchr("0123456789", who[0]) != NULL || strcmp(user.name, who) == 0);
	} else {
		assert(user.name == NULL);
		assert(uid != 0 || strcmp(who, "0") == 0);
	}
}

static void look_up_groups(struct arena *arena, const char *who, const char *text, size_t size)
{
	struct passwd_group group = {};
	gid_t *gids = NULL;
	size_t count = 0;

	if (passwd_find_group(arena, &group, text, size, who) == 0) {
		check_id(group.gid, text, size);
		assert(strcmp(group.name, who) == 0);
	}
	if (passwd_groups_of(arena, &gids, &count, text, size, who, 1) == 0)
		for (size_t i = 0; i < count; i++) {
			check_id(gids[i], text, size);
			assert(gids[i] != 1);
		}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	const char *end = size == 0 ? NULL : memchr(text, '\n', size);
	autoarena struct arena arena = {};
	const char *who;

	if (end == NULL)
		return 0;
	who = arena_text_n(&arena, text, (size_t)(end - text));
	size -= (size_t)(end + 1 - text);
	text = end + 1;
	look_up_user(&arena, who, text, size);
	look_up_groups(&arena, who, text, size);
	return 0;
}
