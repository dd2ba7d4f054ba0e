/* declare/import-kube - YAML of Kubernetes: each container of a Pod, or of what makes Pods
 * (Deployment, StatefulSet, DaemonSet), becomes a machine. Pure. Speaking.
 *
 * A Pod's containers share a network, machines do not: they are in one zone.
 */
#pragma once
#include <stddef.h>

struct import;

void import_kube(struct import *import, const char *path, const char *text, size_t size);
