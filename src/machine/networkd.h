/* machine/networkd - whether the host's systemd-networkd configures a link: by its files. Quiet.
 * Any process.
 *
 * Of the files `*.network` the first by name whose [Match] fits is the link's; one of the same name
 * in an earlier directory takes the place of another, and an empty one is none. So who masks
 * 80-container-ve.network, or says Unmanaged=yes, leaves links to us, though networkd runs. Drop-in
 * files are not looked at. What a virtual link never has (a path, a hardware address that is known)
 * does not fit; what is said of the host does.
 */
#pragma once
#include <stdbool.h>

#define NETWORKD_FILE_SIZE_MAX (256 * 1024)

struct arena;

/* NAME of the link, which is a KIND: "veth" or "bridge". Files are looked for below ROOT_FD. */
bool networkd_configures(struct arena *arena, int root_fd, const char *name, const char *kind);
