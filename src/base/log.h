/* base/log - sentences for the person who runs the program, on stderr.
 *
 * One line a call; control characters in what is printed are shown escaped
 * (a guest may have chosen the string). The level is process-wide state: it is
 * set once by main(). Any process; safe between fork and exec.
 */
#pragma once
#include <stdbool.h>

#include "base/macros.h"

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_NOTICE,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG
};

void log_set_level(enum log_level level);
enum log_level log_level(void);

/* Colours are used only if this was called with true (stderr is a terminal). */
void log_set_colour(bool colour);

void log_error(const char *format, ...) PRINTF(1, 2);
void log_warning(const char *format, ...) PRINTF(1, 2); /* "…, going on without" */
void log_notice(const char *format, ...) PRINTF(1, 2);
void log_info(const char *format, ...) PRINTF(1, 2); /* not shown with --quiet */
void log_debug(const char *format, ...) PRINTF(1, 2);
