#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINE_ROOM 2048

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

/* C0, DEL and the two-byte UTF-8 forms of C1 (0xC2 0x80..0x9F) move cursors and rename windows. */
static size_t escape(char *to, size_t room, const char *from)
{
	const unsigned char *in = (const unsigned char *)from;
	size_t used = 0;

	for (; *in != '\0' && used + 9 < room; in++) {
		if (in[0] == 0xc2 && in[1] >= 0x80 && in[1] <= 0x9f) {
			used += (size_t)snprintf(to + used, room - used, "\\x%02x", in[1]);
			in++;
		} else if ((*in < 0x20 && *in != '\n' && *in != '\t') || *in == 0x7f) {
			used += (size_t)snprintf(to + used, room - used, "\\x%02x", *in);
		} else {
			to[used++] = (char)*in;
		}
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
