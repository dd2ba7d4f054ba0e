/* transfer/oci-document - what an image says of itself: index, manifest, configuration (OCI and
 * Docker schema 2), and the manifest.json of a docker-archive.
 *
 * Runs in a worker (transfer/oci-read): the text is from outside. Whatever is ambiguous is refused
 * (class S44): two keys of one name, a type that is not what the server said, an index that is a
 * manifest as well; so are layers that are somewhere else (foreign), encrypted ones and schema 1.
 * Speaking.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "format/digest.h"

struct arena;

#define OCI_DOCUMENT_MAX (4 << 20) /* bytes */
#define OCI_DEPTH_MAX 24	   /* arrays and objects in each other */
#define OCI_LAYERS_MAX 500	   /* what overlayfs takes */
#define OCI_ENTRIES_MAX 1024	   /* of an index, or words, variables, ports */
#define OCI_TEXT_MAX (48 * 1024)   /* of one value */
#define OCI_BLOB_MAX (UINT64_C(64) << 30)

enum oci_media {
	OCI_UNKNOWN,
	OCI_INDEX,
	OCI_MANIFEST,
	OCI_CONFIG,
	OCI_TAR,
	OCI_TAR_GZIP,
	OCI_TAR_ZSTD,
	OCI_MEDIA_COUNT
};

/* Other bytes that a document names. */
struct oci_blob {
	enum oci_media media;
	uint64_t size;
	struct digest digest;
};

/* Which image of several. */
struct oci_wanted {
	const char *architecture, *variant; /* as Go calls them; VARIANT: "" if there are none */
	const char *name; /* annotated or tagged so; NULL: there has to be one only */
};

/* For what uname(2) says; "" and "" where nobody knows. */
void oci_wanted_for(struct oci_wanted *ret, const char *machine);

struct oci_document {
	bool is_index;
	bool docker;		/* in Docker's words, not OCI's */
	struct oci_blob chosen; /* of an index; MEDIA says what it is */
	struct oci_blob config;
	struct oci_blob *layers; /* from the bottom to the top */
	size_t layer_count;
};

/* SERVED: the media type that came with it; NULL or "": none did. */
int oci_parse_document(struct arena *arena, struct oci_document *ret, const char *text, size_t size,
		       const char *served, const struct oci_wanted *wanted);

struct oci_config {
	const char *architecture, *os; /* "" if it does not say */
	struct digest *layers;	       /* diff ids: of the layers' archives, uncompressed */
	size_t layer_count;
	struct text_list entrypoint, command, environment, volumes, ports;
	const char *user, *directory, *signal; /* "" if it does not say */
	struct text_list ignored;	       /* what else it says of running it: keys */
};

int oci_parse_config(struct arena *arena, struct oci_config *ret, const char *text, size_t size);

/* One image of a docker-archive: paths in it. */
struct oci_archive {
	const char *config;
	struct text_list layers;
	struct text_list tags;
};

int oci_parse_archive(struct arena *arena, struct oci_archive *ret, const char *text, size_t size,
		      const struct oci_wanted *wanted);

/* A path below a directory: relative, normal, of printable characters, not too long. */
bool oci_is_path(const char *path);

/* The type's name as a manifest has it; DOCKER: in Docker's words. */
const char *oci_media_name(enum oci_media media, bool docker);

/* Of a name, without what stands behind ";". */
enum oci_media oci_media_of(const char *name, bool *ret_docker);
