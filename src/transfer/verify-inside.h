/* transfer/verify-inside - the signature's check, in a worker that sees programs. */
#pragma once
#include "transfer/verify.h"
#include "transfer/worker.h"

enum verify_tells { VERIFY_TELLS_STATUS = 1, VERIFY_TELLS_TEXT };

struct verify_task {
	const struct verify_keyrings *keyrings;
	const char *text;
	size_t size;
	const void *signature; /* NULL: TEXT holds it */
	size_t signature_size;
};

/* Tells what gpgv says in its status lines (VERIFY_TELLS_STATUS, as a whole), and what was signed,
 * in parts, if it was in one piece with its signature. */
worker_fn verify_inside;

/* The bytes of an armoured file, which gpgv does not read as a keyring; else what it is. */
void verify_dearmour(struct arena *arena, const void **data, size_t *size);

/* Status lines: who signed. -EBADMSG: a signature is bad, or none is good. */
int verify_read_status(struct verified *ret, const char *status);
