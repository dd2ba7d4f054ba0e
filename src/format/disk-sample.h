/* format/disk-sample - for tests only: a disk in memory, and tables with right sums on it. */
#pragma once
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "format/disk-find.h"
#include "format/gpt.h"

#define SAMPLE_SIZE (2 * 1024 * 1024)
#define SAMPLE_ROOT "4f68bce3-e8cd-4db1-96e7-fbcaf984b709"
#define SAMPLE_HOME "933ac7e1-2eb4-4f13-b844-0e14e2aef915"
#define SAMPLE_LINUX "0fc63daf-8483-4772-8e79-3d69d8477de4"

static uint8_t sample[SAMPLE_SIZE];

static inline void sample_put(size_t at, uint64_t number, int bytes)
{
	for (int i = 0; i < bytes; i++)
		sample[at + (size_t)i] = (uint8_t)(number >> 8 * i);
}

static inline int sample_read(void *context, void *to, size_t size, uint64_t offset)
{
	(void)context;
	if (size > SAMPLE_SIZE || offset > SAMPLE_SIZE - size)
		return -EIO;
	memcpy(to, sample + offset, size);
	return 0;
}

static inline unsigned int sample_digit(char c)
{
	return (unsigned int)(c <= '9' ? c - '0' : c - 'a' + 10);
}

/* The first three parts are numbers, the lowest byte first. */
static inline void sample_type(size_t at, const char *type)
{
	static const int places[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };

	for (int i = 0; i < 16; i++) {
		type += *type == '-';
		sample[at + (size_t)places[i]] = (uint8_t)(sample_digit(type[0]) << 4 |
							   sample_digit(type[1]));
		type += 2;
	}
}

/* Entry NUMBER (from 0) of the table. */
static inline void sample_entry(int number, const char *type, uint64_t first, uint64_t last,
				uint64_t attributes)
{
	size_t at = 1024 + 128 * (size_t)number;

	sample_type(at, type);
	sample_put(at + 32, first, 8);
	sample_put(at + 40, last, 8);
	sample_put(at + 48, attributes, 8);
}

static inline void sample_sums(void)
{
	sample_put(512 + 88, gpt_checksum(sample + 1024, 128 * 128), 4);
	sample_put(512 + 16, 0, 4);
	sample_put(512 + 16, gpt_checksum(sample + 512, 92), 4);
}

/* An empty GPT on an empty disk; sample_sums() at the end. */
static inline void sample_gpt(void)
{
	memset(sample, 0, sizeof(sample));
	sample[446 + 4] = 0xee;
	sample_put(510, 0xaa55, 2);
	memcpy(sample + 512, "EFI PART", 8);
	sample_put(512 + 8, 0x10000, 4);
	sample_put(512 + 12, 92, 4);
	sample_put(512 + 24, 1, 8);
	sample_put(512 + 40, 34, 8);
	sample_put(512 + 48, SAMPLE_SIZE / 512 - 34, 8);
	sample_put(512 + 72, 2, 8);
	sample_put(512 + 80, 128, 4);
	sample_put(512 + 84, 128, 4);
}

/* A squashfs of SIZE bytes, as far as its mark goes. */
static inline void sample_system(uint64_t sector, uint64_t size)
{
	size_t at = sector * 512;

	memcpy(sample + at, "hsqs", 4);
	sample_put(at + 28, 4, 2);
	sample_put(at + 40, size, 8);
}

static inline enum disk_problem sample_find(struct disk *ret)
{
	const struct disk_source source = {
		.read = sample_read,
		.size = SAMPLE_SIZE,
		.machine = "x86_64",
	};

	return disk_find(ret, NULL, &source);
}
