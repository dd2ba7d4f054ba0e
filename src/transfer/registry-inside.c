#include "transfer/registry-inside.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/text.h"
#include "io/fd.h"
#include "transfer/oci-document.h"

#define LOGINS_MAX 3 /* a token can be too old, once or twice */
#define PATIENCE 300 /* seconds: who has all of a layer may have a lot to do with it */

static int finished(struct downloads *all, struct download *download);

/* ---- questions ---- */

/* 1: one; 0: the caller has no more. */
static int read_question(struct registry_talk *talk, struct registry_question *ret, int *ret_fd)
{
	char room[CMSG_SPACE(sizeof(int))];
	struct iovec part = { ret, sizeof(*ret) };
	struct msghdr header = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = room,
		.msg_controllen = sizeof(room),
	};
	ssize_t n;

	do
		n = recvmsg(talk->desk, &header, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n == 0)
		return 0;
	if (n != sizeof(*ret))
		return fail(n < 0 ? -errno : -EBADMSG, "cannot hear what is wanted");
	*ret_fd = -EBADF;
	for (struct cmsghdr *at = CMSG_FIRSTHDR(&header); at != NULL; at = CMSG_NXTHDR(&header, at))
		if (at->cmsg_level == SOL_SOCKET && at->cmsg_type == SCM_RIGHTS)
			memcpy(ret_fd, CMSG_DATA(at), sizeof(int));
	return 1;
}

/* ---- requests ---- */

static const char *const accepted[] = {
	"Accept: application/vnd.oci.image.index.v1+json, "
	"application/vnd.oci.image.manifest.v1+json, "
	"application/vnd.docker.distribution.manifest.list.v2+json, "
	"application/vnd.docker.distribution.manifest.v2+json",
	NULL,
};
static const char *const octets[] = { "Content-Type: application/octet-stream", NULL };

static const char *url(const struct registry_errand *errand, const char *room)
{
	return arena_format(&errand->talk->arena, "%s/%s/%s", errand->talk->base, room,
			    errand->question.reference);
}

static void describe(struct registry_errand *errand, struct download *download)
{
	const struct registry_question *question = &errand->question;
	const char **type;

	switch (question->verb) {
	case REGISTRY_GET_MANIFEST:
		download->url = url(errand, "manifests");
		download->headers = accepted;
		download->fd = errand->fd;
		download->limit = question->size;
		break;
	case REGISTRY_GET_BLOB:
		download->url = url(errand, "blobs");
		download->fd = errand->fd;
		download->unsummed = true; /* the caller would not believe it */
		download->limit = question->size > 0 ? question->size : 1;
		break;
	case REGISTRY_HAS_BLOB:
		download->url = url(errand, "blobs");
		download->method = "HEAD";
		download->limit = OCI_BLOB_MAX; /* what is announced of a body that does not come */
		break;
	case REGISTRY_PUT_BLOB:
		download->url = arena_format(&errand->talk->arena, "%s/blobs/uploads/",
					     errand->talk->base);
		download->method = "POST";
		break;
	case REGISTRY_PUT_MANIFEST:
		type = arena_take_array(&errand->talk->arena, 2, sizeof(*type));
		type[0] = arena_format(&errand->talk->arena, "Content-Type: %s", question->type);
		download->url = url(errand, "manifests");
		download->headers = type;
		download->method = "PUT";
		download->patience = PATIENCE;
		download->body_fd = errand->fd;
		download->body_size = question->size;
		break;
	default: break;
	}
}

static int send_errand(struct registry_errand *errand, struct download *download)
{
	struct registry_talk *talk = errand->talk;

	download->id = errand->question.id;
	download->quiet = errand->question.verb != REGISTRY_GET_BLOB;
	download->done = finished;
	download->context = errand;
	return download_add(talk->all, download);
}

/* A new request each time: the old one is borrowed until the end. */
static int begin(struct registry_errand *errand)
{
	struct download *download = arena_new(&errand->talk->arena, struct download);

	/* Also where the place for a blob had been told: who is asked again may tell another. */
	errand->sending = false;
	describe(errand, download);
	download->authorization = errand->talk->authorization;
	return send_errand(errand, download);
}

static int run_errand(struct registry_talk *talk, const struct registry_question *question, int fd)
{
	struct registry_errand *errand = arena_new(&talk->arena, struct registry_errand);

	if (question->verb == REGISTRY_NOTHING || question->verb >= REGISTRY_VERBS)
		return 0;
	errand->talk = talk;
	errand->question = *question;
	errand->question.reference[sizeof(question->reference) - 1] = '\0';
	errand->question.type[sizeof(question->type) - 1] = '\0';
	errand->fd = fd;
	return begin(errand);
}

/* ---- sending a blob ---- */

static bool has_same_origin(const char *a, const char *b)
{
	static const CURLUPart parts[] = { CURLUPART_SCHEME, CURLUPART_HOST, CURLUPART_PORT };
	CURLU *first = curl_url(), *second = curl_url();
	bool same = curl_url_set(first, CURLUPART_URL, a, 0) == CURLUE_OK &&
		    curl_url_set(second, CURLUPART_URL, b, 0) == CURLUE_OK;

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]) && same; i++) {
		char *one = NULL, *other = NULL;

		same = curl_url_get(first, parts[i], &one, CURLU_DEFAULT_PORT) == CURLUE_OK &&
		       curl_url_get(second, parts[i], &other, CURLU_DEFAULT_PORT) == CURLUE_OK &&
		       strcmp(one, other) == 0;
		curl_free(one);
		curl_free(other);
	}
	curl_url_cleanup(first);
	curl_url_cleanup(second);
	return same;
}

/* The place may be told relative to what was asked. NULL: that is no place. */
static const char *resolve(struct registry_talk *talk, const char *asked, const char *location)
{
	CURLU *place = curl_url();
	char *text = NULL;
	const char *found = NULL;

	if (*location != '\0' && curl_url_set(place, CURLUPART_URL, asked, 0) == CURLUE_OK &&
	    curl_url_set(place, CURLUPART_URL, location, 0) == CURLUE_OK &&
	    curl_url_get(place, CURLUPART_URL, &text, 0) == CURLUE_OK)
		found = arena_text(&talk->arena, text);
	curl_free(text);
	curl_url_cleanup(place);
	return found;
}

/* Our word that we may write goes to the registry alone, and the bytes not to where anybody could
 * read them on their way. */
static int send_blob(struct registry_errand *errand, const struct download *asked)
{
	struct registry_talk *talk = errand->talk;
	struct download *download = arena_new(&talk->arena, struct download);
	const char *place = resolve(talk, asked->url, asked->answer.location);
	bool home;

	if (place == NULL || !download_is_url(place) || strchr(place, '#') != NULL)
		return fail_plain(-EBADMSG,
				  "cannot send a layer: the registry '%s' names no place for it",
				  talk->ref->registry);
	home = has_same_origin(place, talk->base);
	if (!home && text_after_loose(place, "https://") == NULL)
		return fail_plain(-EPROTO,
				  "refusing to send a layer to '%s', where anybody could read it",
				  download_shown(&talk->arena, place));
	errand->sending = true;
	download->url = arena_format(&talk->arena, "%s%cdigest=%s", place,
				     strchr(place, '?') == NULL ? '?' : '&',
				     errand->question.reference);
	download->method = "PUT";
	download->patience = PATIENCE;
	download->headers = octets;
	download->pointed = !home;
	download->authorization = home ? talk->authorization : NULL;
	download->body_fd = errand->fd;
	download->body_size = errand->question.size;
	if (errand->question.size == 0)
		download->body_fd = -EBADF;
	return send_errand(errand, download);
}

/* ---- answers ---- */

static int answer(struct registry_errand *errand, const struct download *download)
{
	struct registry_talk *talk = errand->talk;
	struct registry_answer said = {
		.verb = errand->question.verb,
		.id = errand->question.id,
		.status = download->answer.status,
	};
	struct registry_question next;
	int fd, r;

	fd_close(&errand->fd);
	memcpy(said.type, download->answer.type, sizeof(said.type));
	r = worker_tell(talk->side, REGISTRY_TELLS_ANSWER, &said, sizeof(said));
	if (r < 0)
		return fail(r, "cannot tell that something is there");
	if (errand->question.verb != REGISTRY_GET_BLOB)
		return 0;
	r = read_question(talk, &next, &fd);
	return r <= 0 ? r : run_errand(talk, &next, fd);
}

static bool is_answered(const struct registry_errand *errand, uint32_t status)
{
	switch (errand->question.verb) {
	case REGISTRY_GET_MANIFEST:
	case REGISTRY_GET_BLOB: return status == 200;
	case REGISTRY_HAS_BLOB: return status == 200 || status == 404;
	case REGISTRY_PUT_BLOB: return status == 201;
	default: return status >= 200 && status < 300;
	}
}

static int finished(struct downloads *all, struct download *download)
{
	struct registry_errand *errand = download->context;
	uint32_t status = download->answer.status;

	(void)all;
	errand->download = *download;
	if (download->result < 0)
		return download->result;
	/* Who else says 401 does not say where the registry's logins go. */
	if (status == 401 && !registry_is_elsewhere(download) && errand->logins++ < LOGINS_MAX) {
		int r = registry_authorize(errand->talk, errand);

		return r < 0 ? r : begin(errand);
	}
	if (errand->question.verb == REGISTRY_PUT_BLOB && !errand->sending && status == 202)
		return send_blob(errand, download);
	return is_answered(errand, status) ? answer(errand, download)
					   : registry_refused(errand->talk, errand);
}

int registry_inside(struct worker_side *side, void *context)
{
	struct registry_talk *talk = context;
	const struct imageref *ref = talk->ref;
	struct registry_question question;
	int fd, r;

	talk->side = side;
	talk->arena = (struct arena){ 0 };
	talk->base = arena_format(&talk->arena, "%s://%s/v2/%s", imageref_scheme(ref),
				  imageref_host(ref), ref->repository);
	r = download_open(&talk->all, side, talk->trust, REGISTRY_PARALLEL);
	while (r >= 0) {
		r = read_question(talk, &question, &fd);
		if (r <= 0)
			break;
		r = run_errand(talk, &question, fd);
		if (r >= 0 && !question.more)
			r = download_run(talk->all);
	}
	return r;
}
