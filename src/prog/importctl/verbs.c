#include "base/macros.h"
#include "prog/importctl/importctl.h"

#define PULL "Download and Upload Commands"
#define IMPORT "Import and Export Commands"
#define LISTS "Transfer and Image Commands"
#define GENERAL "General Commands"

static const struct verb verbs[] = {
	{ PULL, "pull-tar", "URL [NAME]", "Download an archive as an image", 1, 2, verb_pull_tar },
	{ PULL, "pull-raw", "URL [NAME]", "Download a disk image", 1, 2, verb_pull_raw },
	{ PULL, "pull-oci", "REF [NAME]", "Download an image from a registry", 1, 2,
	  verb_pull_oci },
	{ PULL, "pull-dkr", "REF [NAME]", NULL, 1, 2, verb_pull_oci },
	{ PULL, "resolve-oci", "REF...", "Show what registries have under these names", 1, VERB_ANY,
	  verb_resolve_oci },
	{ PULL, "push-oci", "NAME REF", "Upload an image to a registry", 2, 2, verb_push_oci },
	{ IMPORT, "import-tar", "FILE [NAME]", "Make an image from an archive", 1, 2,
	  verb_import_tar, VERB_HERE },
	{ IMPORT, "import-raw", "FILE [NAME]", "Make an image from a disk image", 1, 2,
	  verb_import_raw, VERB_HERE },
	{ IMPORT, "import-fs", "DIRECTORY [NAME]", "Make an image from a directory", 1, 2,
	  verb_import_fs, VERB_HERE },
	{ IMPORT, "import-oci", "FILE|DIRECTORY [NAME]", "Make an image from an OCI layout", 1, 2,
	  verb_import_oci, VERB_HERE },
	{ IMPORT, "export-tar", "NAME [FILE]", "Make an archive of an image", 1, 2, verb_export_tar,
	  VERB_HERE },
	{ IMPORT, "export-raw", "NAME [FILE]", "Make a disk image of an image", 1, 2,
	  verb_export_raw, VERB_HERE },
	{ IMPORT, "export-oci", "NAME FILE|DIRECTORY", "Make an OCI archive of an image", 2, 2,
	  verb_export_oci, VERB_HERE },
	{ LISTS, "list-transfers", NULL, "List transfers that go on", 0, 0, verb_list_transfers,
	  VERB_PAGED },
	{ LISTS, "cancel-transfer", "ID...", "End transfers", 1, VERB_ANY, verb_cancel_transfer },
	{ LISTS, "list-images", NULL, "List images", 0, 0, verb_list_images, VERB_PAGED },
	{ LISTS, "disk-usage", NULL, "Show what takes how much room", 0, 0, verb_disk_usage,
	  VERB_PAGED },
	{ GENERAL, "help", NULL, "Show this help", 0, VERB_ANY, verb_help_text, VERB_PAGED },
};

const struct verb_table importctl_verbs = { verbs, ARRAY_SIZE(verbs), "list-transfers" };
