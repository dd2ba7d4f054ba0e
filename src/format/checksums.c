#include "format/checksums.h"

#include <errno.h>
#include <string.h>

static bool are_digits(const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (!((text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f')))
			return false;
	return true;
}

bool checksums_is_sum(const char *text)
{
	return strlen(text) == CHECKSUMS_DIGITS && are_digits(text, CHECKSUMS_DIGITS);
}

static bool is_equal(const char *text, size_t size, const char *name, size_t length)
{
	return size == length && memcmp(text, name, length) == 0;
}

/* LINE without its line feed. */
static bool is_of(const char *line, size_t size, const char *name, size_t length)
{
	const char *rest = line + CHECKSUMS_DIGITS + 1;

	if (size <= CHECKSUMS_DIGITS + 1 || line[CHECKSUMS_DIGITS] != ' ' ||
	    !are_digits(line, CHECKSUMS_DIGITS))
		return false;
	size -= CHECKSUMS_DIGITS + 1;
	return is_equal(rest, size, name, length) ||
	       ((*rest == '*' || *rest == ' ') && is_equal(rest + 1, size - 1, name, length));
}

int checksums_find(char ret[CHECKSUMS_DIGITS + 1], const char *text, size_t size, const char *name)
{
	size_t length = strlen(name);
	const char *found = NULL, *end = text + size;

	if (length == 0 || strchr(name, '\n') != NULL)
		return -EINVAL;
	if (size > CHECKSUMS_SIZE_MAX)
		return -E2BIG;
	while (text < end) {
		const char *line = text, *feed = memchr(text, '\n', (size_t)(end - text));

		if (feed == NULL)
			break;
		text = feed + 1;
		if (!is_of(line, (size_t)(feed - line), name, length))
			continue;
		if (found != NULL && memcmp(found, line, CHECKSUMS_DIGITS) != 0)
			return -EEXIST;
		found = line;
	}
	if (found == NULL)
		return -ENOENT;
	memcpy(ret, found, CHECKSUMS_DIGITS);
	ret[CHECKSUMS_DIGITS] = '\0';
	return 0;
}
