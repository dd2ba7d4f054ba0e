/* prog/redd/not-honoured - what a definition asks for that this host cannot do. Quiet.
 *
 * Without systemd, its keys and values that Redd's own supervisor does not know; for a user, what
 * only root may have; anywhere, limits without a controller, and what is not built yet.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct arena;
struct definition;
struct program;

#define NOT_HONOURED_CONTROLLERS 8 /* more than declare/key knows */

struct not_honoured_item {
	const char *machine, *section, *key;
	const char *value; /* that alone; NULL: none that the key has */
	const char *why;   /* "no io controller" */
};

struct not_honoured {
	struct not_honoured_item *items;
	size_t count;
	/* of the host, by not_honoured_init() */
	bool systemd, user;
	/* Whose controllers machines may have: for root the top of cgroups v2, for a user what
	 * belongs to the user; negative: none. */
	int cgroup_fd;
	struct {
		const char *name;
		bool there;
	} controllers[NOT_HONOURED_CONTROLLERS]; /* those that were asked for */
};

void not_honoured_init(struct not_honoured *list);
void not_honoured_done(struct not_honoured *list);

/* Each key, or key and value, once. */
void not_honoured_add(struct arena *arena, struct not_honoured *list,
		      const struct definition *definition);

/* For people, a line each. Speaking. */
int not_honoured_print(struct arena *arena, const struct not_honoured *list,
		       const struct program *program);
