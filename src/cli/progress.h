/* cli/progress - one line that tells how far something long is. Pure.
 *
 * Nothing is shown in the first half second: what is over by then needs no bar.
 */
#pragma once
#include <stdint.h>

#define PROGRESS_ROOM 160

struct progress {
	uint64_t started_us, shown_us; /* shown_us: 0 until a line was made */
};

/* What has to be written to the terminal now, "" for nothing. TOTAL: 0 when it is not known.
 * FILES: 0 or 1 are not worth telling. NOW_US: a clock that never steps. */
const char *progress_line(struct progress *progress, char ret[PROGRESS_ROOM], uint64_t now_us,
			  uint64_t bytes, uint64_t total, uint64_t files);

/* What takes the line away again, "" if there is none. */
const char *progress_end(const struct progress *progress);
