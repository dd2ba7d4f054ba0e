/* prog/dissect/serve-filter - the system calls of a program that serves a file system. */
#pragma once
#include <stdbool.h>

struct seccomp_data;

/* For good. Opening files and mounting are not done but told to *RET_LISTENER; when that is closed,
 * they fail. Needs no-new-privileges. */
int serve_filter(int *ret_listener);

bool serve_filter_is_open(const struct seccomp_data *call);
bool serve_filter_is_mount(const struct seccomp_data *call);
