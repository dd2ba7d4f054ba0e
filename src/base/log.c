#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/macros.h"
#include "base/text.h"

#define LINE_ROOM 2048
#define BYTES_MAX 4 /* of a character */

static enum log_level threshold = LOG_LEVEL_INFO;
static bool use_colour;

void log_set_level(enum log_level level)
{
	threshold = level;
}

enum log_level log_level(void)
{
	return threshold;
}

void log_set_colour(bool colour)
{
	use_colour = colour;
}

/* What moves cursors, renames windows or turns the direction around, whole characters or not, is
 * shown as its bytes. */
static size_t escape(char *to, size_t room, const char *from)
{
	size_t size = strlen(from), used = 0;

	while (size > 0 && used + 4 * BYTES_MAX + 1 < room) {
		uint32_t code;
		size_t length = text_utf8_decode(&code, from, size), taken = MAX(length, 1u);
		bool blank = *from == '\n' || *from == '\t';

		if (blank || (length > 0 && !text_is_unsafe(code))) {
			memcpy(to + used, from, taken);
			used += taken;
		} else {
			for (size_t i = 0; i < taken; i++)
				used += (size_t)snprintf(to + used, room - used, "\\x%02x",
							 (unsigned char)from[i]);
		}
		from += taken;
		size -= taken;
	}
	to[used] = '\0';
	return used;
}

static void say(enum log_level level, const char *colour, const char *format, va_list args)
{
	char raw[LINE_ROOM], line[LINE_ROOM + 32];
	size_t used = 0;

	if (level > threshold)
		return;

	vsnprintf(raw, sizeof(raw), format, args);
	if (use_colour && colour != NULL)
		used = (size_t)snprintf(line, sizeof(line), "%s", colour);
	used += escape(line + used, sizeof(line) - used - 8, raw);
	if (use_colour && colour != NULL)
		used += (size_t)snprintf(line + used, sizeof(line) - used, "\x1b[0m");
	line[used++] = '\n';

	/* One write: lines of two processes do not mix. Nobody to tell when stderr is gone. */
	if (write(STDERR_FILENO, line, used) < 0)
		return;
}

#define DEFINE(name, level, colour)               \
	void name(const char *format, ...)        \
	{                                         \
		va_list args;                     \
                                                  \
		va_start(args, format);           \
		say(level, colour, format, args); \
		va_end(args);                     \
	}

DEFINE(log_error, LOG_LEVEL_ERROR, "\x1b[0;1;31m")
DEFINE(log_warning, LOG_LEVEL_WARNING, "\x1b[0;1;38;5;185m")
DEFINE(log_notice, LOG_LEVEL_NOTICE, "\x1b[0;1;39m")
DEFINE(log_info, LOG_LEVEL_INFO, NULL)
DEFINE(log_debug, LOG_LEVEL_DEBUG, "\x1b[0;38;5;245m")
