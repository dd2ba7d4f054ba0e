/* transfer/kept - what downloads that are kept as they came are called.
 *
 * ".tar-URL.ETAG" and ".raw-URL.ETAG.raw" in the directory of images, read-only, as the original
 * names them (machinectl catalogue, 12.1), so that either finds the other's. A URL that would make
 * the path too long is there as its SipHash. What is kept may be a layer of images, so it is never
 * replaced by something else. Quiet.
 */
#pragma once
#include <stdbool.h>

struct arena;
struct text_list;

#define KEPT_ETAGS_MAX 32

struct kept {
	const char *pool;   /* the directory of images */
	const char *prefix; /* ".tar-" or ".raw-" */
	const char *suffix; /* "" or ".raw" */
	const char *url;    /* without user and password */
};

/* The image's name, without the suffix of its file. ETAG may be empty; one that is too long for a
 * name is left out. */
char *kept_name(struct arena *arena, const struct kept *kept, const char *etag);

/* What takes the place of an etag in a name where that is taken by other content, or there is none.
 */
char *kept_tag(struct arena *arena, const char *sha256);

/* Whether the file or tree at PATH is noted as content of this sum. */
bool kept_is(const char *path, const char *sha256);

/* What FD says of itself, as an archive's directory could, is worth nothing. */
int kept_forget(int fd);

/* VERIFIED: by what it was, "signature" or "checksum". That nothing can be noted only means that it
 * is downloaded again. */
int kept_note(int fd, const char *url, const char *etag, const char *sha256, const char *verified);
bool kept_is_verified(const char *path, const char *verified);

/* The etags of what is there of this URL; at most KEPT_ETAGS_MAX. */
int kept_etags(struct arena *arena, struct text_list *ret, const struct kept *kept);
