/* declare/import-compose - compose.yaml: each service becomes a machine. Pure. Speaking.
 *
 * "${NAME}" is replaced as the specification says, from the record's environment. Services of one
 * network are in one zone, so that they find each other by name; volumes that have a name are kept
 * in the machine (Persist=).
 */
#pragma once
#include <stddef.h>

struct import;

/* PATH is absolute: relative paths in it are below its directory. */
void import_compose(struct import *import, const char *path, const char *text, size_t size);
