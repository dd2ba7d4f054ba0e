/* declare/import-nixos - the conf of a NixOS container ("/etc/nixos-containers/web.conf"). Pure.
 * Speaking. */
#pragma once
#include <stddef.h>

struct import;

/* The machine is called as the file. What its companion file says is no part of it. */
void import_nixos(struct import *import, const char *path, const char *text, size_t size);
