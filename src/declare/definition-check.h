/* declare/definition-check - whether definitions go together. Speaking, pure.
 *
 * Each has been checked by itself when it was made; here are what they need of each other, and what
 * only one machine can have: addresses, ports of the host, links and names.
 */
#pragma once

struct arena;
struct definition;
struct definition_facts;
struct definitions;
struct text_list;

/* DEFINITIONS are all that there will be, sorted. */
int definition_check(struct arena *arena, const struct definitions *definitions,
		     const struct definition_facts *facts);

/* The machines that have to be ready before this one: After=, Requires= and BindsTo= NAME.nspawn;
 * whether or not they are defined. Each once. Quiet. */
void definition_before(struct arena *arena, struct text_list *ret,
		       const struct definition *definition, const struct definition_facts *facts);
