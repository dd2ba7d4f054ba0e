/* What a fuzz target defines: libFuzzer calls it, or replay.c with each file of the corpus. */
#pragma once
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
