#include "base/fail.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local struct failure record;

/* A cut sentence is still a sentence. */
static void put(char *to, size_t room, const char *format, va_list args)
{
	if (vsnprintf(to, room, format, args) < 0)
		to[0] = '\0';
}

static void PRINTF(1, 2) append(const char *format, ...)
{
	size_t used = strlen(record.text);
	va_list args;

	va_start(args, format);
	put(record.text + used, sizeof(record.text) - used, format, args);
	va_end(args);
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

	va_start(args, format);
	set(code, format, args);
	va_end(args);
	append(": %s", strerror(-code));
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

	assert(code < 0);
	if (record.code == 0)
		snprintf(old, sizeof(old), "%s", strerror(-code));
	else
		memcpy(old, record.text, sizeof(old));

	record.code = code;
	va_start(args, format);
	put(record.text, sizeof(record.text), format, args);
	va_end(args);
	append(": %s", old);
	return code;
}

void fail_hint(const char *format, ...)
{
	size_t used;
	va_list args;

	if (record.code == 0)
		return;
	append(" (");
	used = strlen(record.text);
	va_start(args, format);
	put(record.text + used, sizeof(record.text) - used, format, args);
	va_end(args);
	append(")");
}

bool fail_is_want(int code)
{
	return code == -EMFILE || code == -ENFILE || code == -ENOMEM;
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
