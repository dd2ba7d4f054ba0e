/* engine/network-pool - the container's addresses from the host's pool, before it is planned.
 *
 * Runs in: supervisor, in the host's network namespace. Speaking.
 */
#pragma once

struct host;
struct resources;
struct spec;

/* Into resources->taken.pooled, if the spec wants any. What is taken is in the record. */
int network_pool_take(struct resources *resources, const struct spec *spec,
		      const struct host *host);

/* Given back; the record goes next. */
void network_pool_release(struct resources *resources);
