/* machine/network-attach - an interface more for a running machine (format/attachment).
 *
 * Links to a zone, and such to the host that are not called by name, get addresses of the pool at
 * both ends, and rules, as at a start, unless the host's systemd-networkd gives them out; DNS is
 * answered there only if the machine was started with a link. It lasts until it is detached, or the
 * machine ends or starts again. Speaking. As machine/network-change.
 */
#pragma once

struct arena;
struct attachment;
struct machine;

/* *RET_NAME: what it is called in the machine. */
int network_attach(struct arena *arena, char **ret_name, const struct machine *machine,
		   const struct attachment *attachment);
