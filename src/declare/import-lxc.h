/* declare/import-lxc - a container's config of LXC ("lxc.net.0.link = br0"), or of Proxmox VE
 * ("net0: name=eth0,bridge=br0"), which may hold lines of the former. Pure. Speaking. */
#pragma once
#include <stddef.h>

struct import;

#define IMPORT_LXC_INCLUDES_MAX 8 /* in each other */
#define IMPORT_LXC_LINKS_MAX 16
#define IMPORT_LXC_LINES_MAX 16384

/* The machine is called as the config says, else as its directory (LXC) or file (Proxmox VE). */
void import_lxc(struct import *import, const char *path, const char *text, size_t size);
