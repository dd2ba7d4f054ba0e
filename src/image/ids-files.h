/* image/ids-files - which ids the host's account files speak of.
 *
 * /etc/passwd, /etc/group, /etc/subuid and /etc/subgid are read as they are:
 * no name service is loaded. A file that is missing or absurdly large takes
 * no part. Quiet.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;

struct ids_files {
	const char *passwd, *group, *subuid, *subgid; /* texts, NULL: not there */
};

void ids_files_read(struct arena *arena, struct ids_files *ret);

/* An account has BASE or its "nobody", or a subordinate range touches BASE…BASE+RANGE-1. */
bool ids_files_collide(const struct ids_files *files, uint32_t base, uint32_t range);

struct ids_files_range {
	uint32_t first, count; /* count 0: none */
};

/* The best range of SUBIDS (the text of subuid or subgid) for this user: the first that has 65536,
 * else the largest. NAME may be NULL. */
struct ids_files_range ids_files_subordinate(const char *subids, const char *name, uint32_t uid);

/* FIRST…FIRST+COUNT-1 lies in one range that the user has. */
bool ids_files_owns(const char *subids, const char *name, uint32_t uid, uint32_t first,
		    uint32_t count);

/* The user's name by the passwd text; NULL: there is none. */
char *ids_files_user_name(struct arena *arena, const char *passwd, uint32_t uid);
