#include "transfer/kept.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/xattr.h>

#include "base/arena.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/macros.h"
#include "base/parse.h"
#include "base/text.h"
#include "io/dir.h"
#include "io/fd.h"

#define TAG "sha256:"
#define SOURCE_URL "user.source_url"
#define SOURCE_ETAG "user.source_etag"
#define SOURCE_SHA256 "user.source_sha256"
#define SOURCE_VERIFIED "user.source_verified"
#define PATH_LENGTH 240 /* from here on the URL is hashed */
#define NAME_LENGTH 230 /* of a file's 255, for what is put around it */

static char *escape(struct arena *arena, const char *text)
{
	char *escaped = arena_take(arena, strlen(text) * 4 + 1), *to = escaped;

	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (c > ' ' && c < 0x7f && strchr("/.#\"'\\", c) == NULL) {
			*to++ = *text;
			continue;
		}
		*to++ = '\\';
		*to++ = 'x';
		*to++ = "0123456789abcdef"[c >> 4];
		*to++ = "0123456789abcdef"[c & 15];
	}
	return escaped;
}

/* NULL: this is not what escape() makes. */
static char *unescape(struct arena *arena, const char *text)
{
	char *plain = arena_take(arena, strlen(text) + 1), *to = plain;

	while (*text != '\0') {
		if (*text != '\\') {
			*to++ = *text++;
			continue;
		}
		if (text[1] != 'x' || parse_hex_digit(text[2]) < 0 || parse_hex_digit(text[3]) < 0)
			return NULL;
		*to++ = (char)(parse_hex_digit(text[2]) * 16 + parse_hex_digit(text[3]));
		text += 4;
	}
	return plain;
}

static char *of_url(struct arena *arena, const struct kept *kept, const char *etag)
{
	static const uint8_t key[16] = { 0xdf, 0x89, 0x16, 0x87, 0x01, 0xcc, 0x42, 0x30,
					 0x98, 0xab, 0x4a, 0x19, 0xa6, 0xa5, 0x63, 0x4f };
	char *name = arena_format(arena, "%s%s", kept->prefix, escape(arena, kept->url));

	if (strlen(kept->pool) + 1 + strlen(name) + strlen(etag) + strlen(kept->suffix) <
	    PATH_LENGTH)
		return name;
	return arena_format(arena, "%s%llx", kept->prefix,
			    (unsigned long long)hash_siphash24(kept->url, strlen(kept->url), key));
}

char *kept_name(struct arena *arena, const struct kept *kept, const char *etag)
{
	const char *end = "";

	if (!text_empty(etag))
		end = arena_format(arena, ".%s", escape(arena, etag));
	if (strlen(end) > NAME_LENGTH - 32)
		end = "";
	return arena_format(arena, "%s%s", of_url(arena, kept, end), end);
}

char *kept_tag(struct arena *arena, const char *sha256)
{
	return arena_format(arena, TAG "%.32s", sha256);
}

/* Not every file system keeps such. */
static bool has(const char *path, const char *attribute, const char *wanted)
{
	char value[80];
	ssize_t n = getxattr(path, attribute, value, sizeof(value) - 1);

	if (n < 0)
		return false;
	value[n] = '\0';
	return text_equal(value, wanted);
}

bool kept_is(const char *path, const char *sha256)
{
	return has(path, SOURCE_SHA256, sha256);
}

bool kept_is_verified(const char *path, const char *verified)
{
	return has(path, SOURCE_VERIFIED, verified);
}

int kept_forget(int fd)
{
	static const char *const all[] = { SOURCE_URL, SOURCE_ETAG, SOURCE_SHA256,
					   SOURCE_VERIFIED };

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (fremovexattr(fd, all[i]) < 0 && errno != ENODATA && errno != EOPNOTSUPP)
			return -errno;
	return 0;
}

static int note(int fd, const char *attribute, const char *value)
{
	if (text_empty(value))
		return 0;
	return fsetxattr(fd, attribute, value, strlen(value), 0) < 0 ? -errno : 0;
}

/* That it was verified comes last. */
int kept_note(int fd, const char *url, const char *etag, const char *sha256, const char *verified)
{
	int r = note(fd, SOURCE_URL, url);

	if (r >= 0)
		r = note(fd, SOURCE_ETAG, etag);
	if (r >= 0)
		r = note(fd, SOURCE_SHA256, sha256);
	return r < 0 ? r : note(fd, SOURCE_VERIFIED, verified);
}

struct search {
	struct arena *arena;
	struct text_list *found;
	const struct kept *kept;
};

static int look(int dir_fd, const char *name, unsigned char type, void *context)
{
	struct search *search = context;
	size_t length = strlen(name), ending = strlen(search->kept->suffix);
	char *stem, *dot, *etag;

	(void)dir_fd;
	(void)type;
	if (search->found->count == KEPT_ETAGS_MAX ||
	    text_after(name, search->kept->prefix) == NULL ||
	    !text_ends(name, search->kept->suffix))
		return 0;
	stem = arena_text_n(search->arena, name, length - ending);
	dot = strchr(stem + 1, '.'); /* those of the URL and the etag are escaped */
	if (dot == NULL)
		return 0;
	etag = unescape(search->arena, dot + 1);
	/* Whether its URL is the one is told by the name that it would get. */
	if (etag != NULL && text_after(etag, TAG) == NULL &&
	    text_equal(kept_name(search->arena, search->kept, etag), stem) &&
	    !text_list_has(search->found, etag))
		text_list_add(search->arena, search->found, etag);
	return 0;
}

int kept_etags(struct arena *arena, struct text_list *ret, const struct kept *kept)
{
	struct search search = { .arena = arena, .found = ret, .kept = kept };
	autoclose int fd = open(kept->pool, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	return dir_walk(fd, look, &search);
}
