#include "format/challenge.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#define BLANKS " \t"
#define TOKEN                                                  \
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" \
	"0123456789!#$%&'*+-.^_`|~"

/* A value, quoted or not, into RET if there is room; *TEXT goes on behind it. */
static bool take_value(char *ret, size_t room, const char **text)
{
	const char *at = *text;
	size_t used = 0;

	if (*at != '"') {
		used = strspn(at, TOKEN "/:=");
		if (used == 0 || used >= room)
			return false;
		memcpy(ret, at, used);
		ret[used] = '\0';
		*text = at + used;
		return true;
	}
	for (at++; *at != '"'; at++) {
		if (*at == '\\')
			at++;
		if (*at < ' ' || *at > '~' || used + 1 >= room)
			return false;
		ret[used++] = *at;
	}
	ret[used] = '\0';
	*text = at + 1;
	return true;
}

/* NAME=VALUE, of a challenge that is read into RET, if it is one to be used. */
static bool take_parameter(struct challenge *ret, bool wanted, const char *name, size_t length,
			   const char **text)
{
	char value[CHALLENGE_REALM_ROOM];
	struct {
		const char *name;
		char *to;
		size_t room;
	} places[] = {
		{ "realm", ret->realm, sizeof(ret->realm) },
		{ "service", ret->service, sizeof(ret->service) },
		{ "scope", ret->scope, sizeof(ret->scope) },
	};

	if (!take_value(value, sizeof(value), text))
		return false;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]) && wanted; i++)
		if (strlen(places[i].name) == length &&
		    strncasecmp(places[i].name, name, length) == 0 && places[i].to[0] == '\0') {
			if (strlen(value) >= places[i].room)
				return false;
			memcpy(places[i].to, value, strlen(value) + 1);
		}
	return true;
}

static bool is_word(const char *word, size_t length, const char *is)
{
	return strlen(is) == length && strncasecmp(word, is, length) == 0;
}

int challenge_parse(struct challenge *ret, const char *text)
{
	struct challenge parsed = { 0 };
	bool begun = false, wanted = false;

	for (;;) {
		size_t length;

		text += strspn(text, BLANKS ",");
		if (*text == '\0')
			break;
		length = strspn(text, TOKEN);
		if (length == 0)
			return -EINVAL;
		if (text[length] == '=') {
			const char *name = text;

			text += length + 1;
			if (!begun || !take_parameter(&parsed, wanted, name, length, &text))
				return -EINVAL;
		} else {
			/* The name of a scheme: what follows belongs to it. */
			begun = true;
			wanted = is_word(text, length, "Bearer") && !parsed.bearer;
			parsed.bearer = parsed.bearer || wanted;
			parsed.basic = parsed.basic || is_word(text, length, "Basic");
			text += length;
		}
	}
	if (!parsed.basic && !parsed.bearer)
		return -EINVAL;
	*ret = parsed;
	return 0;
}
