/* transfer/oci-transfer - images of registries, layouts and archives, from one end to the other.
 *
 * Each is what a job does (transfer/job). Speaking.
 */
#pragma once
#include "image/find.h"
#include "transfer/download.h"
#include "transfer/oci-machine.h"
#include "transfer/oci-out.h"
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
	int input, output;    /* a directory, or a file: an archive */
	struct digest digest; /* that it has to be; "": any */
	const char *shown;

	/* of what goes out */
	struct found image;
	const char *local; /* its name */
	enum oci_form form;
	const char *made; /* a file that was not there before: nothing half-written stays */
};

int oci_pull(struct job *job, void *transfer);
int oci_import(struct job *job, void *transfer);
int oci_push(struct job *job, void *transfer);
int oci_export(struct job *job, void *transfer);
