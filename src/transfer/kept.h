/* transfer/kept - what downloads that are kept as they came are called.
 *
 * ".tar-URL.ETAG" and ".raw-URL.ETAG.raw" in the directory of images, read-only, as the original
 * names them (machinectl catalogue, 12.1), so that either finds the other's. A URL that would make
 * the path too long is there as its SipHash. Quiet.
 */
#pragma once

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

/* The etags of what is there of this URL; at most KEPT_ETAGS_MAX. */
int kept_etags(struct arena *arena, struct text_list *ret, const struct kept *kept);
