/* transfer/oci-read - documents of images, read by a worker that sees nothing but them.
 *
 * Runs in the caller. What the worker tells is checked again: digests, sizes, counts. The bytes
 * are hashed by the caller itself, before anybody looks at them. Speaking.
 */
#pragma once
#include "transfer/oci-document.h"

/* The image of several that is for this host. */
void oci_wanted_here(struct oci_wanted *ret);

/* FD: a memfd, which a worker has as well. What it has filled it may not change any more. */
int oci_seal(int fd);

/* FD: a file, read from its start, of at most OCI_DOCUMENT_MAX bytes. */
int oci_read_document(struct arena *arena, struct oci_document *ret, int fd, const char *served,
		      const struct oci_wanted *wanted);
int oci_read_config(struct arena *arena, struct oci_config *ret, int fd);
int oci_read_archive(struct arena *arena, struct oci_archive *ret, int fd,
		     const struct oci_wanted *wanted);

/* SHA-256 of all of a file, wherever its position is; it stays. */
int oci_hash(struct digest *ret, int fd);

/* The same a piece at a time, for who has to listen meanwhile. NULL: no memory. */
struct oci_hash *oci_hash_begin(int fd);
void oci_hash_end(struct oci_hash *hash); /* accepts NULL */
/* 1: there is more; 0: that was all of it. */
int oci_hash_step(struct oci_hash *hash, struct digest *ret);

/* 0 if the file has this size and digest; else a sentence about WHAT. */
int oci_verify(int fd, const struct digest *digest, uint64_t size, const char *what);
