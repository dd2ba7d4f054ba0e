/* transfer/archive - images out of archives, and archives out of images.
 *
 * These functions run in the trusted caller. Each starts a worker (transfer/worker), which does all
 * that reads bytes from outside, and waits for its end: nothing of the input is looked at here but
 * its first bytes. What is made is as yet unseen (transfer/publish) and is not synced. Speaking.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "transfer/stream.h"

#define ARCHIVE_NOTICES_MAX 64 /* of one worker; what it says beyond is not heard */

struct archive_listener {
	void (*progress)(void *context, uint64_t done,
			 uint64_t total);		     /* bytes; TOTAL 0: unknown */
	void (*notice)(void *context, const char *sentence); /* for people: what was left out; may
							      * hold bytes that no terminal should
							      * see */
	void *context;
};

struct archive_wish {
	const char *name;   /* of the input, for sentences; NULL: "the archive" */
	uint64_t bytes_max; /* after decompression, and of the files; 0: 1 TiB */
	uint64_t files_max; /* 0: 8 million */
	unsigned int ratio; /* 0: 256; UINT_MAX: any */
	bool layer;	    /* of an OCI image (transfer/unpack) */
	bool lift;	    /* likewise */
	bool no_devices;    /* likewise: of what holds documents, not a system */
	bool lazy;	    /* likewise */
	bool digest_in;	    /* SHA-256 of the input, by a process that does not look into it
			     * (transfer/between) */
};

struct archive_result {
	struct stream_result stream;
	uint64_t files, bytes; /* entries, and their sizes */
	bool qcow2;	       /* it was one, and was converted */
	bool shared;	       /* its blocks are the input's */
};

/* A tar archive into the empty directory TREE_FD (not O_PATH). All of the input is read, also what
 * is behind the archive's end. LISTENER may be NULL. */
int archive_import_tar(int input_fd, int tree_fd, const struct archive_wish *wish,
		       struct archive_result *ret, const struct archive_listener *listener);

/* A disk image into the empty regular file OUTPUT_FD, with holes; blocks are shared with the input
 * where that can be. qcow2 is converted; SCRATCH_FD, an empty file that nobody else sees
 * (O_TMPFILE), is for those that are compressed as a whole or come through a pipe; -EBADF: these
 * are refused. All descriptors stand at 0. */
int archive_import_raw(int input_fd, int output_fd, int scratch_fd, const struct archive_wish *wish,
		       struct archive_result *ret, const struct archive_listener *listener);

/* The tree TREE_FD (not O_PATH) as a tar archive; nothing of what is mounted in it. Digests of the
 * result: digest_in of the archive as it is written, digest_out before compression. */
int archive_export_tar(int tree_fd, int output_fd, enum compression compression, bool digests,
		       struct archive_result *ret, const struct archive_listener *listener);

/* Likewise as a layer of an OCI image (transfer/pack), with digests. */
int archive_export_layer(int tree_fd, int output_fd, enum compression compression,
			 struct archive_result *ret, const struct archive_listener *listener);

/* The regular file INPUT_FD. */
int archive_export_raw(int input_fd, int output_fd, enum compression compression,
		       struct archive_result *ret, const struct archive_listener *listener);
