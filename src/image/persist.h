/* image/persist - where directories of a machine are that outlive its image: [X-Image] Persist=.
 *
 *	STATE/persist/NAME/var-lib-nginx	what the machine has as /var/lib/nginx
 *
 * STATE is the store's ("/var/lib/redd"). The name is the path without its first "/", with "-" for
 * the others; what is no letter, digit, "_", "." or ":" is "\xHH", and so is a first ".". So no two
 * paths have the same, and none is hidden or leads elsewhere. STATE/persist and what is in it is
 * 0700, since machines' files may have any mode (class S39); the directories themselves belong to
 * who has them in the machine, by its own ids from 0 on: whatever range their tree is in, they are
 * given to that one when they are taken, and the runner maps it.
 *
 * Beside a directory may be a mark, "owed": what counts is not in it, but still in a tree, from
 * which it is to be taken before it is used. Nothing else tells where what the machine has is:
 *
 *	redd apply	marks what is kept from now on, and was not before; it copies nothing
 *	redd rollback	marks that of the two what was kept counts
 *	each start	takes what is owed of what it keeps, before that is bound; of what it
 *			does not keep, it marks that the machine writes to its tree now
 *
 * So an apply that failed or was taken back, an interrupted one, a boot and a rollback all find
 * what the machine had last. What is taken appears whole, or not at all; a directory that it takes
 * the place of is put aside as "NAME~1", "NAME~2"… Quiet. Any process, as the store's owner.
 * Marks are made by who holds the lock of the generations or the machine's name, each under a lock
 * of the directory; the rest is done by the latter.
 */
#pragma once
#include <stdbool.h>

struct arena;
struct text_list;

#define PERSIST_ROOM "persist"
#define PERSIST_OWN "." /* instead of a tree: what it starts from itself */

/* Text only. NULL: there is no such name, since the path is too long, not absolute, or "/". */
char *persist_name(struct arena *arena, const char *path);

/* "STATE/persist/MACHINE/…" of PATH; NULL as above. Text only. */
char *persist_path(struct arena *arena, const char *state, const char *machine, const char *path);

/* The directory with all of MACHINE's, to be read; STATE_FD: of STATE. MAKE: with its parent, where
 * it is missing; else that is -ENOENT. Never through a link. */
int persist_open(int state_fd, const char *machine, bool make);

/* All below: ROOM_FD is of persist_open(), NAME of persist_name(). */

/* What is noted of it can be read. Where it cannot, what the others below tell is not true: who
 * goes by that might lose what is owed. */
int persist_check(struct arena *arena, int room_fd, const char *name);

/* It was taken once, or is about to be again and was before. */
bool persist_is_kept(struct arena *arena, int room_fd, const char *name);

/* The tree from which it is to be taken, or PERSIST_OWN; NULL: nothing is owed. */
const char *persist_owed(struct arena *arena, int room_fd, const char *name);

/* Something is owed, but what is kept counts. */
bool persist_is_back(struct arena *arena, int room_fd, const char *name);

/* Nothing is there, neither kept nor owed, even if one becomes the other meanwhile. */
bool persist_is_missing(struct arena *arena, int room_fd, const char *name);

/* On disk when it returns. FROM NULL: nothing is owed any more. */
int persist_owe(struct arena *arena, int room_fd, const char *name, const char *from);

/* Of two, what was kept counts, or what is owed. Not even that is lost: the mark stays until a
 * start follows it, and one that keeps nothing makes it what is owed again. On disk when it
 * returns. */
int persist_choose(struct arena *arena, int room_fd, const char *name, bool kept);

/* Names of all that is kept or owed, sorted. */
int persist_names(struct arena *arena, struct text_list *ret, int room_fd);

/* If it is owed, and what was kept does not count: take what is below SOURCE_FD (a directory to be
 * read; negative: nothing is); SHIFTED: its tree is in another range than that of 0. In any case
 * end what an interrupted one has begun. RET_ASIDE: the name under which is what was kept until
 * now, NULL: nothing was. -EINTR at SIGINT or SIGTERM. */
int persist_take(struct arena *arena, const char **ret_aside, int room_fd, const char *name,
		 int source_fd, bool shifted);
