/* engine/persist - [X-Image] Persist=: mounts of what outlives the image.
 *
 * Speaking. Supervisor.
 */
#pragma once
#include <stdbool.h>

struct arena;
struct host;
struct reader_facts;
struct root;
struct spec;

/* After the settings file was read and before spec_resolve(). APPLIED: `redd apply` has made the
 * directories, or noted from where they are taken, so they must be there; else what is not there is
 * left where it is, with a warning. */
int persist_mount(struct arena *arena, struct spec *spec, const struct reader_facts *facts,
		  bool applied);

/* Name and tree of the machine are ours, and nothing runs yet: take what is owed of what it keeps,
 * and note of the rest that what it has is in the tree now (image/persist). */
int persist_begin(struct arena *arena, const struct spec *spec, const struct host *host,
		  const struct root *root);
