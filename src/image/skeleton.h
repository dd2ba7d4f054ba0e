/* image/skeleton - a tree that has everything but its system, which is bound in: NixOS's.
 *
 * What has to be there before it is started is made, below a descriptor, with the owner of the
 * tree's top; what is there already stays as it is. Speaking. Any process of the tree's owner.
 */
#pragma once
#include <stdbool.h>

/* PATH is made if it is missing. CLEAR_RESOLV_CONF: /etc/resolv.conf is going to be written, so it
 * may be no link. */
int skeleton_make(const char *path, bool clear_resolv_conf);
