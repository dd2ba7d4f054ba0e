/* transfer/oci-settings - what an image says of how it is run, as a .nspawn file.
 *
 * Only what stands in a list here takes effect, and it gives no rights: words, variables, a user
 * and a directory inside, a signal (classes S46, S47). Ports and volumes are proposals in comments,
 * for whoever looks after the machine. A value that could be more than itself is refused: one with
 * a control character, a name or path with '%', or one that is too long. (In words and variables
 * '%' is itself: no reader of .nspawn files replaces it there.) Pure. Speaking.
 */
#pragma once
#include <stdbool.h>

#include "base/list.h"

struct arena;
struct oci_config;

#define OCI_VALUE_MAX 4096 /* bytes of a word or variable */
#define OCI_SETTINGS_MAX (64 * 1024)
#define OCI_SETTINGS_BEGIN "# What the image says of how it is run."

enum oci_trust {
	OCI_IGNORED,  /* takes no effect, and is told */
	OCI_PROPOSED, /* a comment */
	OCI_ALLOWED,
};

/* What the key of an image's "config" may do. */
enum oci_trust oci_settings_trust(const char *key);

/* HAS_INIT: there is an init in the tree, which is booted where the image does not say what to run.
 * RET_NOTES: sentences without an end, of what was left out. */
int oci_settings(struct arena *arena, char **ret, struct text_list *ret_notes,
		 const struct oci_config *config, bool has_init);
