/* prog/redd/prepare-fetch - the image that a definition names comes into the store, as what grows
 * there. Speaking. As prog/redd/prepare.
 */
#pragma once
#include <stdbool.h>

struct definition;
struct prepare;

/* Quiet. */
bool prepare_fetch_is_url(const char *text);

/* Of IMAGE_OCI: what its registry is asked for. */
const char *prepare_fetch_reference(struct prepare *prepare, const struct definition *definition);

/* EARLY: what a file of this host was before; it has to be that still. */
int prepare_fetch(struct prepare *prepare, const struct definition *definition, const char *early);
