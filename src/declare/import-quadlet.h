/* declare/import-quadlet - a directory of Quadlet units: each NAME.container becomes a machine.
 * Pure. Speaking.
 *
 * What .volume, .network and .image files say is taken where a container names them; [Unit],
 * [Service] and [Install] go on as they are, with containers' services as machines.
 */
#pragma once

struct import;
struct text_list;

/* NAMES: of the directory's files, sorted. DIRECTORY is absolute. */
void import_quadlet(struct import *import, const char *directory, const struct text_list *names);
