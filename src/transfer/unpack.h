/* transfer/unpack - a tar archive becomes a tree (class S42).
 *
 * Inside a worker that sees the tree, which is empty at first and which nobody else has. Nothing is
 * ever reached through a symbolic link, nor above the tree: who names such a thing is refused.
 * Owners are numbers. What cannot be given is left out and counted in a notice; what cannot be told
 * apart from an attack is refused with a sentence that names the entry. Speaking.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct stream;
struct worker_side;

#define UNPACK_BYTES_MAX (UINT64_C(1) << 40)
#define UNPACK_FILES_MAX UINT64_C(8000000)
#define UNPACK_DEPTH_MAX 256
#define UNPACK_XATTR_MAX ((size_t)256 * 1024) /* of one file, all together */

/* What archives are limited to if nothing else is said (0). */
struct unpack_wish {
	uint64_t bytes_max; /* of all files, with their holes */
	uint64_t files_max; /* entries of any kind */
	bool layer; /* of an OCI image: ".wh.NAME" hides NAME, ".wh..wh..opq" all that is below */
	bool lift;  /* a tree that is the one thing in a directory becomes the top itself */
	bool no_devices; /* device nodes are left out and counted */
	bool lazy;	 /* nobody waits for it to be on disk */
};

struct unpack_result {
	uint64_t files, bytes;
};

/* Told by the worker, a sentence without a NUL, for people. */
typedef int unpack_notice_fn(void *context, const char *sentence);

struct unpack_context {
	int tree_fd;		  /* not O_PATH */
	struct worker_side *side; /* makes nodes and is told how far it is; NULL: in tests */
	unpack_notice_fn *notice;
	void *context;
};

int unpack_tar(const struct unpack_context *context, struct stream *stream,
	       const struct unpack_wish *wish, struct unpack_result *ret);
