/* engine/registry - what the machine's record tells those who look for it, enter it or stop it.
 *
 * Noted once, together with the leader, so that it costs one write. Supervisor. Speaking.
 */
#pragma once

struct arena;
struct plan;
struct record;
struct resources;
struct root;
struct spec;
struct taken;

/* The unit of the service manager that is the machine's alone; NULL: none. */
char *registry_unit(struct arena *arena, const struct taken *taken);

/* All facts but the leader; they are written with the next note. */
void registry_note(struct arena *arena, struct resources *resources, const struct spec *spec,
		   const struct root *root, const struct plan *plan, const char *program);
