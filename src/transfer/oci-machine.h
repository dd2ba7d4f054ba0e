/* transfer/oci-machine - an image in the store becomes a machine.
 *
 *	NAME.mstack	its layers, and what is written (image/mstack)
 *	NAME.oci-config	what the image says of itself, as it is
 *	NAME.nspawn	what of that takes effect (transfer/oci-settings)
 *
 * Speaking. The job's process.
 */
#pragma once
#include "transfer/oci-image.h"
#include "transfer/publish.h"

/* TARGET's suffix and kind are set here. */
int oci_machine(struct arena *arena, const struct store *store, const struct oci_image *image,
		const struct publish_request *target);

/* There is an init in the tree that these layers make, the last one on top. A negative one is not
 * known. */
bool oci_has_init(const int *layers, size_t count);
