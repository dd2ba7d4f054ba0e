#include "cli/progress.h"

#include <stdio.h>
#include <string.h>

#include "base/macros.h"

#define SILENT_US 500000
#define EVERY_US 200000
#define WIDTH 24
#define CLEAR "\r\033[K"

static void size_text(char ret[24], double bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	size_t unit = 0;

	while (bytes >= 1024 && unit + 1 < ARRAY_SIZE(units)) {
		bytes /= 1024;
		unit++;
	}
	snprintf(ret, 24, unit == 0 ? "%.0f %s" : "%.1f %s", bytes, units[unit]);
}

static void bar(char ret[WIDTH + 16], uint64_t bytes, uint64_t total)
{
	double part = total == 0 ? 0 : (double)MIN(bytes, total) / (double)total;
	char dashes[WIDTH + 1];

	if (total == 0) {
		ret[0] = '\0';
		return;
	}
	memset(dashes, '#', WIDTH);
	dashes[WIDTH] = '\0';
	snprintf(ret, WIDTH + 16, "[%-*.*s] %3.0f%% ", WIDTH, (int)(part * WIDTH), dashes,
		 part * 100);
}

const char *progress_line(struct progress *progress, char ret[PROGRESS_ROOM], uint64_t now_us,
			  uint64_t bytes, uint64_t total, uint64_t files)
{
	char drawn[WIDTH + 16], done[24], rate[24], count[40] = "";
	uint64_t since = now_us - progress->started_us;

	if (since < SILENT_US || now_us - progress->shown_us < EVERY_US)
		return "";
	progress->shown_us = now_us;
	bar(drawn, bytes, total);
	size_text(done, (double)bytes);
	size_text(rate, (double)bytes * 1e6 / (double)since);
	if (files > 1)
		snprintf(count, sizeof(count), ", %llu files", (unsigned long long)files);
	snprintf(ret, PROGRESS_ROOM, CLEAR "%s%s%s, %s/s", drawn, done, count, rate);
	return ret;
}

const char *progress_end(const struct progress *progress)
{
	return progress->shown_us == 0 ? "" : CLEAR;
}
