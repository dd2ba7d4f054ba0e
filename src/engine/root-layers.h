/* engine/root-layers - the tree of a layered image: read, held, and stacked to be looked at.
 *
 * What is locked is the image, the directory NAME.mstack; root->fd is a view of what its layers
 * show together, and facts.layers says of what the tree will be made. Speaking. Supervisor.
 */
#pragma once
#include <stdbool.h>

struct arena;
struct root;

/* Is PATH a layered image, by its name? */
bool root_layers_is(const char *path);

/* root->facts.path is one. MAKE: what is missing of its own directory for changes. */
int root_layers_open(struct arena *arena, struct root *root, bool make);

/* Its layers are noted, or nobody will run from them. */
void root_layers_let_go(struct root *root);
