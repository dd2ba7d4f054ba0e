#include "cli/bars.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/macros.h"

#define SILENT_US 500000
#define EVERY_US 200000
#define BAR 24
#define CLEAR "\r\033[K"
#define UP "\033[A"

/* ASCII only, so that a byte is a place. */
static void copy_name(char ret[BARS_NAME], const char *name)
{
	size_t i;

	for (i = 0; i + 1 < BARS_NAME && name[i] != '\0'; i++)
		ret[i] = name[i] > ' ' && name[i] < 0x7f ? name[i] : '?';
	ret[i] = '\0';
}

void bars_note(struct bars *bars, uint64_t now_us, const char *name, uint64_t done, uint64_t total)
{
	char shown[BARS_NAME];
	size_t i;

	copy_name(shown, name);
	for (i = 0; i < bars->count && strcmp(bars->parts[i].name, shown) != 0; i++)
		;
	if (i == BARS_MAX)
		return;
	if (i == bars->count) {
		bars->count++;
		memcpy(bars->parts[i].name, shown, sizeof(shown));
		bars->parts[i].started_us = now_us;
	}
	bars->parts[i].done = done;
	bars->parts[i].total = total;
}

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

static void line_text(const struct bars_part *part, uint64_t now_us, char *ret, size_t room)
{
	uint64_t since = MAX(now_us - part->started_us, (uint64_t)1);
	char done[24], rate[24], drawn[BAR + 16] = "", hashes[BAR + 1], name[BARS_NAME + 2] = "";

	size_text(done, (double)part->done);
	size_text(rate, (double)part->done * 1e6 / (double)since);
	if (part->total > 0) {
		double share = (double)MIN(part->done, part->total) / (double)part->total;

		memset(hashes, '#', BAR);
		hashes[BAR] = '\0';
		snprintf(drawn, sizeof(drawn), "[%-*.*s] %3.0f%% ", BAR, (int)(share * BAR), hashes,
			 share * 100);
	}
	if (part->name[0] != '\0')
		snprintf(name, sizeof(name), "%s ", part->name);
	snprintf(ret, room, "%s%s%s, %s/s", name, drawn, done, rate);
}

struct output {
	char *text;
	size_t used;
};

static void put(struct output *output, const char *text)
{
	size_t length = MIN(strlen(text), BARS_ROOM - 1 - output->used);

	memcpy(output->text + output->used, text, length);
	output->used += length;
	output->text[output->used] = '\0';
}

/* The cursor stays at the end of the last line, so that the screen does not scroll. */
static void take_away(struct bars *bars, struct output *output)
{
	for (size_t i = 0; i < bars->lines; i++) {
		if (i > 0)
			put(output, UP);
		put(output, CLEAR);
	}
	bars->lines = 0;
}

const char *bars_draw(struct bars *bars, char ret[BARS_ROOM], uint64_t now_us, bool now)
{
	struct output output = { .text = ret };
	char line[160];

	ret[0] = '\0';
	if (now_us - bars->started_us < SILENT_US || (!now && now_us - bars->shown_us < EVERY_US))
		return ret;
	bars->shown_us = now_us;
	take_away(bars, &output);
	for (size_t i = 0; i < bars->count && bars->lines < BARS_SHOWN; i++) {
		const struct bars_part *part = &bars->parts[i];

		if (part->total > 0 && part->done >= part->total)
			continue;
		line_text(part, now_us, line, sizeof(line));
		/* A line that is broken would be two to take away. */
		if (bars->columns > 1 && strlen(line) >= bars->columns)
			line[bars->columns - 1] = '\0';
		if (bars->lines > 0)
			put(&output, "\n");
		put(&output, line);
		bars->lines++;
	}
	return ret;
}

const char *bars_clear(struct bars *bars, char ret[BARS_ROOM])
{
	struct output output = { .text = ret };

	ret[0] = '\0';
	take_away(bars, &output);
	return ret;
}
