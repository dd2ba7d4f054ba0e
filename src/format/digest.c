#include "format/digest.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"

#define DIGITS "0123456789abcdef"

const char *const digest_words[DIGEST_KINDS] = {
	[DIGEST_SHA256] = "sha256",
	[DIGEST_SHA512] = "sha512",
};

static const size_t sizes[DIGEST_KINDS] = { [DIGEST_SHA256] = 32, [DIGEST_SHA512] = 64 };

int digest_parse(struct digest *ret, const char *text)
{
	struct digest parsed = { 0 };

	for (int kind = 0; kind < DIGEST_KINDS; kind++) {
		const char *digits = text_after(text, digest_words[kind]);

		if (digits == NULL || *digits++ != ':')
			continue;
		if (strlen(digits) != 2 * sizes[kind] || strspn(digits, DIGITS) != 2 * sizes[kind])
			return -EINVAL;
		parsed.kind = (enum digest_kind)kind;
		memcpy(parsed.text, text, strlen(text));
		*ret = parsed;
		return 0;
	}
	return -EINVAL;
}

int digest_make(struct digest *ret, enum digest_kind kind, const void *bytes, size_t size)
{
	struct digest made = { .kind = kind };
	const unsigned char *byte = bytes;
	size_t used = strlen(digest_words[kind]);

	if (size != sizes[kind])
		return -EINVAL;
	memcpy(made.text, digest_words[kind], used);
	made.text[used++] = ':';
	for (size_t i = 0; i < size; i++) {
		made.text[used++] = DIGITS[byte[i] >> 4];
		made.text[used++] = DIGITS[byte[i] & 15];
	}
	*ret = made;
	return 0;
}

const char *digest_hex(const struct digest *digest)
{
	const char *colon = strchr(digest->text, ':');

	return colon == NULL ? "" : colon + 1;
}

bool digest_equal(const struct digest *a, const struct digest *b)
{
	return strcmp(a->text, b->text) == 0;
}
