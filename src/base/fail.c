#include "base/fail.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static struct failure record;

/* Keep at least one byte for the terminator; a cut sentence is still a sentence. */
static size_t put(char *to, size_t room, const char *format, va_list args)
{
	int n = vsnprintf(to, room, format, args);

	if (n < 0)
		return 0;
	return MIN((size_t)n, room - 1);
}

static void set(int code, const char *format, va_list args)
{
	assert(code < 0);
	record.code = code;
	put(record.text, sizeof(record.text), format, args);
}

int fail(int code, const char *format, ...)
{
	va_list args;
	size_t used;

	va_start(args, format);
	set(code, format, args);
	va_end(args);

	used = strlen(record.text);
	snprintf(record.text + used, sizeof(record.text) - used, ": %s", strerror(-code));
	return code;
}

int fail_input(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	set(-EINVAL, format, args);
	va_end(args);
	return -EINVAL;
}

int fail_plain(int code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	set(code, format, args);
	va_end(args);
	return code;
}

int fail_in(int code, const char *format, ...)
{
	char old[FAIL_TEXT_MAX];
	va_list args;
	size_t used;

	assert(code < 0);
	if (record.code == 0)
		snprintf(old, sizeof(old), "%s", strerror(-code));
	else
		memcpy(old, record.text, sizeof(old));

	record.code = code;
	va_start(args, format);
	used = put(record.text, sizeof(record.text), format, args);
	va_end(args);
	snprintf(record.text + used, sizeof(record.text) - used, ": %s", old);
	return code;
}

void fail_hint(const char *format, ...)
{
	size_t used = strlen(record.text);
	va_list args;

	if (record.code == 0 || sizeof(record.text) - used < 4)
		return;
	used += (size_t)snprintf(record.text + used, sizeof(record.text) - used, " (");
	va_start(args, format);
	used += put(record.text + used, sizeof(record.text) - used, format, args);
	va_end(args);
	snprintf(record.text + used, sizeof(record.text) - used, ")");
}

const struct failure *fail_recorded(void)
{
	return &record;
}

void fail_adopt(const struct failure *child)
{
	record = *child;
	record.text[sizeof(record.text) - 1] = '\0';
}

void fail_forget(void)
{
	record.code = 0;
	record.text[0] = '\0';
}
