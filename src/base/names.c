#include "base/names.h"

#include <stddef.h>
#include <string.h>

#include "base/macros.h"

#define USER_MAX_LENGTH 31
#define INTERFACE_MAX_LENGTH 15
#define ALTERNATIVE_MAX_LENGTH 127
#define FILE_NAME_MAX_LENGTH 255

/* ctype.h asks the locale; a name's validity must not. */
static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

bool name_is_machine(const char *name)
{
	char before = '.';
	size_t length = 0;

	for (; name[length] != '\0'; length++) {
		char c = name[length];

		if (length >= NAME_MAX_LENGTH)
			return false;
		if (c == '.') {
			if (before == '.' || before == '-')
				return false;
		} else if (c == '-') {
			if (before == '.')
				return false;
		} else if (!is_letter(c) && !is_digit(c)) {
			return false;
		}
		before = c;
	}
	return before != '.' && before != '-';
}

static bool is_or_below(const char *name, const char *zone)
{
	size_t length = strlen(name), tail = strlen(zone);

	if (length < tail || strcmp(name + length - tail, zone) != 0)
		return false;
	return length == tail || name[length - tail - 1] == '.';
}

static bool is_number(const char *name)
{
	while (is_digit(*name))
		name++;
	return *name == '\0';
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool name_further(char ret[NAME_MAX_LENGTH + 1], const char *name)
{
	static const char *const special[] = { "localhost", "localdomain", "machine",
					       "invalid",   "onion",	   "resolver.arpa" };
	const char *last;
	size_t i = 0;

	if (!name_is_machine(name))
		return false;
	for (; name[i] != '\0'; i++)
		ret[i] = lower(name[i]);
	ret[i] = '\0';
	last = strrchr(ret, '.');
	if (is_number(last == NULL ? ret : last + 1))
		return false;
	for (i = 0; i < ARRAY_SIZE(special); i++)
		if (is_or_below(ret, special[i]))
			return false;
	return true;
}

bool name_is_node(const char *name, const char *node)
{
	size_t i = 0;

	while (name[i] != '\0' && name[i] == lower(node[i]))
		i++;
	if (name[i] == '\0' && node[i] == '\0')
		return true;
	return ((name[i] == '\0' && node[i] == '.') || (name[i] == '.' && node[i] == '\0')) &&
	       i > 0 && memchr(name, '.', i) == NULL;
}

static bool is_interface(const char *name, size_t longest)
{
	bool number = true;
	size_t length = 0;

	for (; name[length] != '\0'; length++) {
		char c = name[length];

		/* The kernel takes "%d" in a name for "the next free number". */
		if (length >= longest || c <= ' ' || c >= 0x7f || strchr("/:%", c) != NULL)
			return false;
		number = number && is_digit(c);
	}
	return length > 0 && !number && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
	       strcmp(name, "all") != 0 && strcmp(name, "default") != 0;
}

bool name_is_interface(const char *name)
{
	return is_interface(name, INTERFACE_MAX_LENGTH);
}

bool name_is_alternative(const char *name)
{
	return is_interface(name, ALTERNATIVE_MAX_LENGTH);
}

bool name_is_user(const char *name)
{
	size_t length = 0;

	if (!is_letter(name[0]) && name[0] != '_')
		return false;
	for (; name[length] != '\0'; length++) {
		char c = name[length];

		if (length >= USER_MAX_LENGTH ||
		    (!is_letter(c) && !is_digit(c) && c != '_' && c != '-'))
			return false;
	}
	return true;
}

bool name_is_credential(const char *name)
{
	size_t length = 0;

	for (; name[length] != '\0'; length++)
		if (length >= FILE_NAME_MAX_LENGTH || name[length] < ' ' || name[length] >= 0x7f ||
		    name[length] == ':' || name[length] == '/')
			return false;
	return length > 0 && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

bool name_is_environment(const char *assignment)
{
	const char *at = assignment;

	if (!is_letter(*at) && *at != '_')
		return false;
	while (is_letter(*at) || is_digit(*at) || *at == '_')
		at++;
	if (*at++ != '=')
		return false;
	for (; *at != '\0'; at++)
		if (((unsigned char)*at < ' ' && *at != '\t' && *at != '\n') || *at == 0x7f)
			return false;
	return true;
}
