/* format/passwd - users and groups in the text of passwd(5) and group(5). Pure, quiet.
 *
 * The text may come from a tree that nobody trusts (classes S20, S21): a line that is not exactly
 * as the manual says is skipped, numbers neither wrap nor have signs, and what is not found is
 * -ENOENT, never id 0. The first line that fits counts, as in libc. Ids 65535 and 2^32-1 are not
 * valid. Lines that begin with "+" or "-" (NIS) are skipped.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct arena;

#define PASSWD_SIZE_MAX (4 * 1024 * 1024) /* what a caller should read at most */
#define PASSWD_LINES_MAX 65536		  /* more: -E2BIG */
#define PASSWD_LINE_MAX 65536		  /* longer ones are skipped */
#define PASSWD_GROUPS_MAX 4096		  /* of one user; more: -E2BIG */

struct passwd_user {
	const char *name;
	uid_t uid;
	gid_t gid;
	const char *home, *shell; /* as they stand in the file, may be "" */
};

struct passwd_group {
	const char *name;
	gid_t gid;
};

/* A name of digits only is never found: digits are a uid. */
int passwd_find_name(struct arena *arena, struct passwd_user *ret, const char *text, size_t size,
		     const char *name);
int passwd_find_uid(struct arena *arena, struct passwd_user *ret, const char *text, size_t size,
		    uid_t uid);

/* WHO is a name or a decimal uid. -EINVAL: neither; -ENOENT also for a uid without an entry (the
 * caller may go on with the number, which *ret_uid then holds). */
int passwd_find_user(struct arena *arena, struct passwd_user *ret, uid_t *ret_uid, const char *text,
		     size_t size, const char *who);

int passwd_find_group(struct arena *arena, struct passwd_group *ret, const char *text, size_t size,
		      const char *name);
int passwd_find_gid(struct arena *arena, struct passwd_group *ret, const char *text, size_t size,
		    gid_t gid);

/* The groups that list NAME as a member, without PRIMARY and without repetitions. None is fine. */
int passwd_groups_of(struct arena *arena, gid_t **ret, size_t *ret_count, const char *text,
		     size_t size, const char *name, gid_t primary);
