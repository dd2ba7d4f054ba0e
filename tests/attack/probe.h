/* probe - the classes that live in probe-mounts.c. */
#pragma once
#include <stdbool.h>

extern bool userns; /* /proc/self/ns/user is there */

void travel(void);
void mounts(void);
void unmask(void);
void handles(const char *wanted);
void climb(void);
