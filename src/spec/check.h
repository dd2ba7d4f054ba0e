/* spec/check - what cannot be asked for together, or not yet. Pure; speaking: one sentence each. */
#pragma once

struct arena;
struct resolve_facts;
struct spec;

/* What the command line says about the root, before anybody looks for it: contradictions, and
 * images of kinds that are not built. */
int check_image(struct arena *arena, const struct spec *spec);

/* After all defaults are known (reference, table 1.2). */
int check_combinations(const struct spec *spec, const struct resolve_facts *facts);

/* Settings that are understood, but that nothing carries out so far. */
int check_unbuilt(struct arena *arena, const struct spec *spec);
