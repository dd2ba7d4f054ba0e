/* machine/network-names - the further names of a running machine are others from now on. Speaking.
 *
 * They are in the facts of its network (machine/network-file), and links beside what the host knows
 * of machines (machine/hosts-file); nobody else has to be told. For whoever may write those.
 */
#pragma once

struct arena;
struct machine;
struct text_list;

/* NAMES are all that it has. One that another machine has already is a warning, as at a start. 0
 * also if it has no network of its own, so that names lead nowhere. */
int network_names_set(struct arena *arena, const struct machine *machine,
		      const struct text_list *names);
