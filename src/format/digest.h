/* format/digest - the name of bytes by their hash, as OCI registries write it: "sha256:9f86…".
 *
 * Only sha256 and sha512, only lower-case digits, exactly as many as the hash has: what is accepted
 * is no path (classes S44, S5), and the same bytes have one name of each kind. Pure, quiet.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#define DIGEST_ROOM 136	    /* "sha512:" and 128 digits */
#define DIGEST_BYTES_MAX 64 /* of the hash itself */

enum digest_kind { DIGEST_SHA256, DIGEST_SHA512, DIGEST_KINDS };

struct digest {
	enum digest_kind kind;
	char text[DIGEST_ROOM]; /* "": none */
};

extern const char *const digest_words[DIGEST_KINDS]; /* "sha256" */

/* -EINVAL: it is none. */
int digest_parse(struct digest *ret, const char *text);

/* Of the bytes of a hash; SIZE: 32 for sha256, 64 for sha512. -EINVAL: another size. */
int digest_make(struct digest *ret, enum digest_kind kind, const void *bytes, size_t size);

const char *digest_hex(const struct digest *digest); /* what is behind the colon */
bool digest_equal(const struct digest *a, const struct digest *b);
