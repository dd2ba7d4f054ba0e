/* transfer/oci-image - an image, from what it says of itself to layers in the store.
 *
 * Comes from a registry, or from a directory: an OCI layout, or what was in a docker-archive. Every
 * document is copied into the store under its digest before it is read, every layer is unpacked by
 * a worker and gets its name when the digest of its archive is the one that the configuration
 * says; what is in the store already is not fetched (class S44). Speaking. The job's process.
 */
#pragma once
#include "image/store.h"
#include "transfer/oci-document.h"

struct arena;
struct imageref;
struct job;
struct registry;

/* Where it comes from. */
struct oci_source {
	struct registry *registry;  /* NULL: a directory */
	const struct imageref *ref; /* with a registry */
	int directory;
	bool docker; /* a directory with a manifest.json, not an index.json */
	const char *shown;
	struct oci_wanted wanted;
	struct digest digest; /* of its manifest, or of an index of it; "": any */
};

struct oci_image {
	struct digest manifest;	      /* "": it has none that could be sent on as it is */
	struct oci_document document; /* with a docker-archive, digests of layers are "" */
	struct oci_config config;
	struct text_list paths;			      /* of layers in a docker-archive */
	struct store_part manifest_part, config_part; /* leases */
	struct store_part *layers;		      /* leases, one each (oci_fill) */
	struct store_part *blobs; /* likewise of what they were unpacked from, if it is kept */
};

/* What it says of itself. */
int oci_resolve(struct arena *arena, struct oci_image *ret, const struct store *store,
		struct oci_source *source);

struct oci_fill {
	const struct store *store;
	struct oci_source *source;
	struct job *job; /* NULL: nobody wants to know how far it is */
	bool keep;	 /* what layers are unpacked from, too */
	bool lazy;	 /* do not wait until it is on disk */
};

/* Bring all layers into the store. */
int oci_fill(struct arena *arena, struct oci_image *image, const struct oci_fill *fill);

/* Lets go of all leases. */
void oci_image_done(struct oci_image *image);

/* The file PATH of a source that is a directory, to read. Links do not lead out of it. */
int oci_source_open(const struct oci_source *source, const char *path);

/* That a layer was unpacked from. */
int oci_source_open_blob(const struct oci_source *source, const struct digest *digest);
