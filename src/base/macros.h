/* base/macros - the few macros that every module may use. Pure. */
#pragma once
#include <stddef.h>

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#define PRINTF(text, first) __attribute__((format(printf, text, first)))
#define CLEANUP(function) __attribute__((cleanup(function)))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
