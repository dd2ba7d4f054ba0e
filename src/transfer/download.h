/* transfer/download - HTTP and HTTPS, inside a worker that sees the network.
 *
 * Several transfers at once, each with an answer that is believed in nothing and has limits.
 * Redirects never lead from https to http, to other protocols or to link-local addresses, and
 * another origin never gets the Authorization, nor what is sent (class S45). A lost connection is
 * taken up again where it was lost, by a range where the server can, else by reading over what is
 * there already; what then differs from it is refused. One that is only held open is lost, too, and
 * none is taken up for ever. Speaking.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct worker_side;

#define DOWNLOAD_URL_MAX 4096
#define DOWNLOAD_REDIRECTS_MAX 10
#define DOWNLOAD_SIZE_MAX (UINT64_C(64) << 30)
#define DOWNLOAD_SMALL_MAX (UINT64_C(1) << 20) /* lists, signatures, settings */
#define DOWNLOAD_HEADERS_MAX (128 * 1024)      /* bytes of one answer's */
#define DOWNLOAD_SLOWEST 100 /* bytes a second, on the average of twice the patience */
#define DOWNLOAD_LENGTH_UNKNOWN UINT64_MAX

/* What a server answered; without pointers, so that it can be told. Texts are printable ASCII,
 * empty where the server said nothing, or too much. */
struct download_answer {
	uint32_t id;
	uint32_t status;	 /* 200, 404, …; 0: none */
	uint64_t size;		 /* of the body, as far as it came */
	uint64_t length;	 /* as announced, or DOWNLOAD_LENGTH_UNKNOWN */
	int64_t modified;	 /* Last-Modified in seconds since 1970; 0: not said */
	char sha256[65];	 /* of the body's bytes as transferred; empty: not asked for */
	char etag[256];		 /* as it was sent, with quotes */
	char digest[160];	 /* Docker-Content-Digest */
	char type[256];		 /* Content-Type */
	char authenticate[4096]; /* WWW-Authenticate; several joined by ", " */
	char location[DOWNLOAD_URL_MAX];
};

struct downloads;
struct download;

/* A negative errno, with a sentence recorded, ends all. May add more downloads. */
typedef int download_fn(struct downloads *all, struct download *download);

struct download {
	/* What is wished. */
	uint32_t id;
	const char *url;
	const char *method;	    /* NULL: GET */
	const char *const *headers; /* "Name: value"; NULL-terminated; may be NULL */
	const char *authorization;  /* "Bearer …": for the URL's origin alone; may be NULL */
	bool pointed;		    /* the URL was told by a server: as if redirected */
	bool quiet;		    /* its progress is not told */
	int fd;		/* for the body of 200; 0 or negative: kept in memory, as all others are */
	uint64_t limit; /* bytes of the body at most; 0: DOWNLOAD_SMALL_MAX */
	bool unsummed;	/* FD is a file whose sum is computed by who reads it: none is answered */
	uint64_t have;	/* bytes that FD (a file) has from another time; 0: none */
	const char *validator; /* with HAVE: the ETag or Last-Modified of then; may be NULL */
	const void *body;      /* to be sent; may be NULL */
	int body_fd;	       /* likewise, from its start; 0 or negative: none */
	uint64_t body_size;
	unsigned int patience; /* seconds in which some bytes must come; 0: 30 */
	download_fn *began;    /* a body of 200 for FD is about to come, for the first time */
	download_fn *done; /* it is over. NULL: what failed ends all, and what was answered does not
			    */
	void *context;

	/* How it went. */
	int result; /* a negative errno: there is no complete answer, and a sentence is recorded */
	bool foreign; /* not the URL's origin has answered, but one that it leads to */
	struct download_answer answer;
	const char *text; /* the body that was kept in memory, with a NUL behind; never NULL */
	size_t text_size;
};

/* Certificates to trust instead of the host's, in PEM. */
struct download_trust {
	const void *bundle;
	size_t size; /* 0: the host's */
};

/* Before the worker starts: what $SSL_CERT_FILE names. */
int download_read_trust(struct arena *arena, struct download_trust *ret,
			const char *const *environment);

/* TRUST is borrowed. PARALLEL: at once; 0: 4. */
int download_open(struct downloads **ret, struct worker_side *side,
		  const struct download_trust *trust, unsigned int parallel);

/* DOWNLOAD is borrowed until download_close(). */
int download_add(struct downloads *all, struct download *download);

/* Until none is left, or one fails that may not. */
int download_run(struct downloads *all);

/* Frees texts, too. Accepts NULL. */
void download_close(struct downloads *all);

/* Alone; TEXT is the arena's. */
int download_one(struct arena *arena, struct worker_side *side, const struct download_trust *trust,
		 struct download *download);

/* ---- pure, either side ---- */

/* http:// or https:// with a host, at most DOWNLOAD_URL_MAX printable ASCII characters. */
bool download_is_url(const char *url);

/* Without user and password, for people. */
char *download_shown(struct arena *arena, const char *url);

/* What a worker told with worker_tell() as the bytes of an answer, or -EBADMSG. */
int download_hear(struct download_answer *ret, const void *data, size_t size);

/* What a worker tells of parts while they come (worker_tell() of this kind). */
#define DOWNLOAD_TELLS_PART 0x50617274u

struct download_part {
	uint32_t id;
	uint64_t done, total; /* TOTAL 0: not known */
};
