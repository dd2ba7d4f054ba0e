/* transfer/oci-transfer - images of registries, layouts and archives, from one end to the other.
 *
 * Each is what a job does (transfer/job). Speaking.
 */
#pragma once
#include "image/find.h"
#include "transfer/download.h"
#include "transfer/oci-machine.h"
#include "transfer/registry.h"

struct job;

struct oci_transfer {
	struct arena *arena;
	const struct find_scope *scope; /* whose store */
	struct publish_request target;	/* of what comes */
	bool keep;			/* what layers are unpacked from, too */
	const char *name;		/* of one image of several; NULL: there is one */

	/* to and from registries */
	struct imageref ref;
	struct registry_login login;
	struct download_trust trust;

	/* to and from files */
	int input; /* a directory, or a file: an archive */
	const char *shown;
};

int oci_pull(struct job *job, void *transfer);
int oci_import(struct job *job, void *transfer);
