#include "base/text.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/parse.h"

#define BLANKS " \t\n\r"

bool text_equal(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	/* Of most, already the first letter tells. */
	return *a == *b && strcmp(a, b) == 0;
}

bool text_empty(const char *text)
{
	return text == NULL || *text == '\0';
}

const char *text_after(const char *text, const char *prefix)
{
	size_t length = strlen(prefix);

	return strncmp(text, prefix, length) == 0 ? text + length : NULL;
}

/* Not strncasecmp(3): nothing else wants it, and a static program would get 25 KiB for it. */
static char lower(char letter)
{
	return letter >= 'A' && letter <= 'Z' ? (char)(letter - 'A' + 'a') : letter;
}

const char *text_after_loose(const char *text, const char *prefix)
{
	for (; *prefix != '\0'; text++, prefix++)
		if (lower(*text) != lower(*prefix))
			return NULL;
	return text;
}

bool text_ends(const char *text, const char *suffix)
{
	size_t length = strlen(text), tail = strlen(suffix);

	return length >= tail && memcmp(text + length - tail, suffix, tail) == 0;
}

const char *text_assigned(const char *assignment, const char *name)
{
	const char *rest = text_after(assignment, name);

	return rest != NULL && *rest == '=' ? rest + 1 : NULL;
}

const char *text_variable(const char *const *environment, const char *name)
{
	for (; environment != NULL && *environment != NULL; environment++) {
		const char *value = text_assigned(*environment, name);

		if (value != NULL)
			return value;
	}
	return NULL;
}

void text_split(struct arena *arena, struct text_list *ret, const char *text, const char *any)
{
	struct text_list words = {};

	for (;;) {
		size_t length;

		text += strspn(text, any);
		length = strcspn(text, any);
		if (length == 0)
			break;
		text_list_add(arena, &words, arena_text_n(arena, text, length));
		text += length;
	}
	*ret = words;
}

int text_split_escaped(struct arena *arena, struct text_list *ret, const char *text, char mark)
{
	struct text_list fields = {};

	for (;;) {
		char *field = arena_take(arena, strlen(text) + 1);
		size_t used = 0;

		for (; *text != '\0' && *text != mark; text++) {
			if (*text == '\\' && *++text == '\0')
				return -EINVAL;
			field[used++] = *text;
		}
		text_list_add(arena, &fields, field);
		if (*text == '\0')
			break;
		text++;
	}
	*ret = fields;
	return 0;
}

static int read_digits(uint32_t *ret, const char *text, int digits, int base)
{
	uint32_t value = 0;

	for (int i = 0; i < digits; i++) {
		int digit = parse_hex_digit(text[i]);

		if (digit < 0 || digit >= base)
			return -EINVAL;
		value = value * (uint32_t)base + (uint32_t)digit;
	}
	*ret = value;
	return 0;
}

/* \xHH and \NNN are bytes, \u and \U are characters. */
static int unescape_number(const char **text, char *to, size_t *used, int digits, int base)
{
	uint32_t value;
	int r;

	r = read_digits(&value, *text, digits, base);
	if (r < 0)
		return r;
	*text += digits;
	if (digits <= 3) {
		if (value > 0xff)
			return -EINVAL;
		to[(*used)++] = (char)value;
		return 0;
	}
	if (value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
		return -EINVAL;
	*used += text_utf8_encode(to + *used, value);
	return 0;
}

/* *text stands behind the backslash. What is written is never longer than what is read. */
static int unescape_one(const char **text, char *to, size_t *used)
{
	static const char letters[] = "abfnrtv\\\"'s", meanings[] = "\a\b\f\n\r\t\v\\\"' ";
	char c = **text;
	const char *letter;

	if (c == '\0')
		return -EINVAL;
	if (c >= '0' && c <= '7')
		return unescape_number(text, to, used, 3, 8);

	(*text)++;
	if (c == 'x')
		return unescape_number(text, to, used, 2, 16);
	if (c == 'u')
		return unescape_number(text, to, used, 4, 16);
	if (c == 'U')
		return unescape_number(text, to, used, 8, 16);

	letter = strchr(letters, c);
	if (letter == NULL)
		return -EINVAL;
	to[(*used)++] = meanings[letter - letters];
	return 0;
}

/* One word; *text moves behind it. Quotes may begin and end inside of a word: A="b c"d. */
static int read_word(const char **text, char *to)
{
	const char *at = *text;
	char quote = '\0';
	size_t used = 0;

	for (; *at != '\0';) {
		if (quote == '\0' && strchr(BLANKS, *at) != NULL)
			break;
		if (quote == '\0' && (*at == '"' || *at == '\'')) {
			quote = *at++;
		} else if (quote != '\0' && *at == quote) {
			quote = '\0';
			at++;
		} else if (*at == '\\' && quote != '\'') {
			size_t before = used;
			int r;

			at++;
			r = unescape_one(&at, to, &used);
			if (r < 0)
				return r;
			if (memchr(to + before, '\0', used - before) != NULL)
				return -EINVAL;
		} else {
			to[used++] = *at++;
		}
	}
	if (quote != '\0')
		return -EINVAL;
	*text = at;
	return 0;
}

int text_split_quoted(struct arena *arena, struct text_list *ret, const char *text)
{
	struct text_list words = {};
	size_t room = strlen(text) + 1;

	/* All words share one piece of memory: their sum is never longer than the text. */
	char *to = arena_take(arena, room);

	for (;;) {
		int r;

		text += strspn(text, BLANKS);
		if (*text == '\0')
			break;
		r = read_word(&text, to);
		if (r < 0)
			return r;
		text_list_add(arena, &words, to);
		to += strlen(to) + 1;
	}
	*ret = words;
	return 0;
}

int text_unescape(struct arena *arena, char **ret, size_t *ret_size, const char *text)
{
	char *to = arena_take(arena, strlen(text) + 1);
	size_t used = 0;

	while (*text != '\0') {
		int r;

		if (*text != '\\') {
			to[used++] = *text++;
			continue;
		}
		text++;
		r = unescape_one(&text, to, &used);
		if (r < 0)
			return r;
	}
	to[used] = '\0';
	*ret = to;
	*ret_size = used;
	return 0;
}

size_t text_utf8_encode(char ret[4], uint32_t code)
{
	if (code < 0x80) {
		ret[0] = (char)code;
		return 1;
	}
	if (code < 0x800) {
		ret[0] = (char)(0xc0 | (code >> 6));
		ret[1] = (char)(0x80 | (code & 0x3f));
		return 2;
	}
	if (code < 0x10000) {
		ret[0] = (char)(0xe0 | (code >> 12));
		ret[1] = (char)(0x80 | ((code >> 6) & 0x3f));
		ret[2] = (char)(0x80 | (code & 0x3f));
		return 3;
	}
	ret[0] = (char)(0xf0 | (code >> 18));
	ret[1] = (char)(0x80 | ((code >> 12) & 0x3f));
	ret[2] = (char)(0x80 | ((code >> 6) & 0x3f));
	ret[3] = (char)(0x80 | (code & 0x3f));
	return 4;
}

size_t text_utf8_decode(uint32_t *ret, const char *text, size_t size)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *in = (const unsigned char *)text;
	size_t length;
	uint32_t code;

	if (size == 0)
		return 0;
	if (in[0] < 0x80) {
		*ret = in[0];
		return 1;
	}
	length = in[0] >= 0xf0 ? 4 : in[0] >= 0xe0 ? 3 : in[0] >= 0xc0 ? 2 : 0;
	if (length == 0 || length > size || in[0] >= 0xf8)
		return 0;
	code = in[0] & (0xffu >> (length + 1));
	for (size_t i = 1; i < length; i++) {
		if ((in[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (in[i] & 0x3fu);
	}
	if (code < least[length] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return 0;
	*ret = code;
	return length;
}

/* Direction marks reorder what a terminal shows, so that a name can look like another one. */
bool text_is_unsafe(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code <= 0x9f) || code == 0x061c || code == 0x200e ||
	       code == 0x200f || (code >= 0x2028 && code <= 0x202e) ||
	       (code >= 0x2066 && code <= 0x2069) || code == 0xfeff;
}

char *text_printable(struct arena *arena, const char *text)
{
	size_t size = strlen(text), used = 0;
	char *to;

	while (text[used] >= ' ' && text[used] <= '~')
		used++;
	if (used == size)
		return arena_text_n(arena, text, size);
	to = arena_take_array(arena, size + 1, 4);
	used = 0;
	while (size > 0) {
		uint32_t code;
		size_t length = text_utf8_decode(&code, text, size);
		size_t taken = MAX(length, 1u);

		if (length > 0 && !text_is_unsafe(code)) {
			memcpy(to + used, text, taken);
			used += taken;
		} else {
			for (size_t i = 0; i < taken; i++)
				used += (size_t)snprintf(to + used, 5, "\\x%02x",
							 (unsigned char)text[i]);
		}
		text += taken;
		size -= taken;
	}
	to[used] = '\0';
	return to;
}

char *text_base64(struct arena *arena, const void *data, size_t size)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *in = data;
	char *text = arena_take_array(arena, size / 3 + 2, 4);
	size_t used = 0;

	for (size_t i = 0; i < size; i += 3) {
		size_t there = MIN(size - i, 3u);
		uint32_t group = (uint32_t)in[i] << 16;

		if (there > 1)
			group |= (uint32_t)in[i + 1] << 8;
		if (there > 2)
			group |= in[i + 2];
		text[used++] = digits[group >> 18];
		text[used++] = digits[(group >> 12) & 63];
		text[used++] = there > 1 ? digits[(group >> 6) & 63] : '=';
		text[used++] = there > 2 ? digits[group & 63] : '=';
	}
	text[used] = '\0';
	return text;
}
