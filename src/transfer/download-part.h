/* transfer/download-part - between the files of transfer/download. */
#pragma once
#include <curl/curl.h>
#include <openssl/evp.h>

#include "base/arena.h"
#include "transfer/download.h"

enum download_phase { DOWNLOAD_WAITS, DOWNLOAD_RUNS, DOWNLOAD_OVER };

struct transfer {
	struct download *download;
	struct downloads *all;
	struct transfer *next;
	enum download_phase phase;
	uint64_t not_before_us;

	CURL *easy;
	CURLU *first, *now; /* as asked for; as redirected */
	struct curl_slist *headers;
	char sentence[CURL_ERROR_SIZE];
	unsigned int redirects, tries, stalled;
	bool slow;    /* given up, as too little came for too long */
	bool foreign; /* left the URL's origin */
	bool suspect; /* a server chose the address */
	bool refused; /* that was one of those that nobody is sent to */
	bool no_range, ranged, judged, began;

	struct download_answer heard; /* of this attempt */
	char content_range[128];
	size_t header_bytes;
	char validator[256];

	uint64_t received; /* bytes of the body that are where they belong */
	uint64_t attempt;  /* RECEIVED when this attempt began */
	uint64_t skip;	   /* of a body that begins again: to be read over */
	EVP_MD_CTX *sum, *over;
	char *memory;
	size_t memory_size, memory_room;
	uint64_t told_us;
	uint64_t window_us, window_bytes; /* since when little may have come; 0: from now on */
	int error;			  /* of a callback, with its sentence recorded */
};

struct downloads {
	struct worker_side *side;
	const struct download_trust *trust;
	unsigned int parallel;
	CURLM *multi;
	struct transfer *all;
	struct arena arena; /* of sentences */
};

/* ---- answers (download-answer) ---- */

/* One header line with its line end. -E2BIG: too many. */
int download_take_header(struct transfer *transfer, const char *line, size_t size);

/* "bytes START-…/TOTAL"; TOTAL may be unknown. */
int download_parse_range(uint64_t *ret_start, uint64_t *ret_total, const char *text);

/* ---- places (download-place) ---- */

CURLU *download_parse_url(const char *text); /* NULL: no such URL */

/* Where the answer's Location leads; refused with a sentence. */
int download_redirect(struct transfer *transfer);

/* For curl: a socket, unless the address is one that a server must not send us to. */
curl_socket_t download_socket(void *transfer, curlsocktype purpose, struct curl_sockaddr *address);
bool download_is_host_refused(CURLU *url);

/* On this host: nothing that a proxy could reach, or should see. */
bool download_is_host_local(CURLU *url);
