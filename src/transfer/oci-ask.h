/* transfer/oci-ask - which images registries have under a name now, without fetching them.
 *
 * Several are asked at once, each by a worker of its own; a document that chooses between several
 * images is read by another. What is told is as good as the registry: whoever fetches believes
 * nothing of it. Speaking, by what is noted of each. Runs in the caller.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "format/imageref.h"
#include "transfer/registry.h"

struct arena;
struct download_trust;

struct oci_ask {
	struct imageref ref;
	struct registry_login login;

	/* Of the manifest for this host. "": not known, and why as a sentence. */
	struct digest digest;
	const char *why; /* set before: that is why it is not asked; else NULL */
};

/* All together take this long at most. One that does not answer makes room for others after a
 * while, and they go first. */
void oci_ask(struct arena *arena, struct oci_ask *items, size_t count,
	     const struct download_trust *trust, uint64_t timeout_us);
