/* transfer/oci-out - a machine becomes an image again.
 *
 * Layers that came from a registry are sent on as they came, if the store has kept that; others are
 * packed. What a machine has written is one more layer. What the image says of itself is what it
 * said when it came, with other layers where they have changed; a machine that was no image gets a
 * configuration of its own. Speaking. The job's process.
 */
#pragma once
#include "image/find.h"
#include "image/store.h"
#include "transfer/oci-document.h"

struct arena;
struct job;

struct oci_out_blob {
	struct oci_blob blob;
	struct digest id;	/* of a layer: uncompressed */
	int fd;			/* to read; a lease, or a file without a name */
	struct store_part part; /* of a file that goes with this */
};

struct oci_out {
	struct oci_out_blob manifest, config; /* MANIFEST's media is OCI_MANIFEST */
	bool docker;			      /* the manifest is in Docker's words */
	struct oci_out_blob *layers;
	size_t layer_count;
	int holds[4]; /* of the rooms that layers lie in */
	int hold_count;
};

struct oci_out_wish {
	const struct store *store;
	const struct found *image;
	const char *name;
	struct job *job; /* NULL: nobody wants to know how far it is */
};

int oci_out(struct arena *arena, struct oci_out *ret, const struct oci_out_wish *wish);

/* Accepts the empty one. */
void oci_out_done(struct oci_out *out);

/* ---- what is said of it (oci-out-config) ---- */

/* A configuration in a file without a name, of LAYERS. OLD: one to be changed, or negative. By a
 * worker. */
int oci_out_config(struct arena *arena, int *ret_fd, int old, const struct oci_out_blob *layers,
		   size_t count, bool has_init);

/* A manifest for these, likewise. Pure but for the file. */
int oci_out_manifest(struct arena *arena, int *ret_fd, const struct oci_out *out);

/* ---- where it goes (oci-export) ---- */

enum oci_form { OCI_FORM_LAYOUT, OCI_FORM_ARCHIVE, OCI_FORM_DOCKER };

/* OUTPUT: a directory for a layout, else a file. TAG: what it is called in there: "web:latest". */
int oci_export_image(struct arena *arena, const struct oci_out *out, const struct store *store,
		     enum oci_form form, int output, const char *tag, struct job *job);
