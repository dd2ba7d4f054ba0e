/* cli/bars - on a terminal, how far several things are: a line each, drawn over the last ones.
 * Pure.
 *
 * Nothing is shown in the first half second. Things that are done leave the screen; of many, those
 * that come first have a line.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BARS_MAX 128
#define BARS_SHOWN 8
#define BARS_NAME 24
#define BARS_ROOM 2048

struct bars_part {
	char name[BARS_NAME];
	uint64_t done, total, started_us; /* total 0: not known */
};

struct bars {
	uint64_t started_us, shown_us;
	unsigned int columns; /* of the terminal; 0: not known */
	struct bars_part parts[BARS_MAX];
	size_t count, lines; /* lines: on the screen */
};

/* NAME "": the whole. Names are cut; nothing in them reaches the terminal as a control character.
 */
void bars_note(struct bars *bars, uint64_t now_us, const char *name, uint64_t done, uint64_t total);

/* What has to be written to the terminal now, "" for nothing. NOW: also if it is soon again. */
const char *bars_draw(struct bars *bars, char ret[BARS_ROOM], uint64_t now_us, bool now);

/* What takes them away, before something else is printed; the next draw puts them there again. */
const char *bars_clear(struct bars *bars, char ret[BARS_ROOM]);
