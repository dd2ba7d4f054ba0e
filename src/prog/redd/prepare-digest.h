/* prog/redd/prepare-digest - what an image is: by the digest that its definition asks for, that it
 * has before it is fetched, and that what was fetched has. Speaking. As prog/redd/prepare.
 */
#pragma once
#include <stdbool.h>

struct definition;
struct prepare;

/* The digest that it has to be; NULL: any. Quiet. */
const char *prepare_digest_wanted(const struct definition *definition);

/* Who has it is asked for that digest, which is not the one that we give it. Quiet. */
bool prepare_digest_is_asked(const struct definition *definition);

/* DIGEST is not what it has to be. Quiet. */
bool prepare_digest_differs(const struct definition *definition, const char *digest);

/* What can be told before anything is fetched; NULL: nothing. */
int prepare_digest_early(struct prepare *prepare, const char **ret,
			 const struct definition *definition);

/* Of what grows, in the form FORM. */
int prepare_digest_grown(struct prepare *prepare, const char **ret, const char *form);
