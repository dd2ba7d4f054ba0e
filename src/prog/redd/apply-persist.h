/* prog/redd/apply-persist - what a machine keeps from the next generation on is marked.
 *
 * Nothing is copied: its next start takes it (image/persist). A mark says from where, and does no
 * harm if the generation never becomes current. Speaking. Needs the lock of the generations.
 */
#pragma once

struct apply;
struct generation;
struct text_list;

/* Right before NEXT becomes the current one, instead of HAD. ONLY: names; NULL: all. */
int apply_persist(const struct apply *apply, const struct generation *had,
		  const struct generation *next, const struct text_list *only);
