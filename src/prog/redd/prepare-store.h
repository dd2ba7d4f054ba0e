/* prog/redd/prepare-store - what lies where in the store of images: trees and roots by their
 * digest, and what grows beside them.
 *
 * Speaking, but for what looks only. Needs the lock of the generations where it changes anything.
 */
#pragma once

struct arena;
struct generation_machine;
struct prepare;
struct text_list;

/* Of DIGEST, as a tree is called; NULL: none, or no digest. Quiet. */
const char *prepare_store_hex(const char *digest);

/* The form in which NAME is there, by its suffix; NULL: in none. Quiet. */
const char *prepare_store_form(struct arena *arena, int dir_fd, const char *name);

/* Make the directory PATH unless it is there, and open it. */
int prepare_store_room(const char *path);

/* In the directory ROOM nothing grows any more. */
int prepare_store_clean(struct prepare *prepare, int dir_fd, const char *room);

/* The real paths of the layers of the layered image PATH. */
int prepare_store_layers(struct prepare *prepare, struct text_list *ret, const char *path);
