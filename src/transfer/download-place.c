#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/fail.h"
#include "base/text.h"
#include "format/imageref.h"
#include "transfer/download-part.h"

/* ---- URLs ---- */

static bool is_part(CURLU *url, CURLUPart part, const char *wanted)
{
	char *text = NULL;
	bool equal = curl_url_get(url, part, &text, 0) == CURLUE_OK && strcmp(text, wanted) == 0;

	curl_free(text);
	return equal;
}

static bool is_web(CURLU *url)
{
	return is_part(url, CURLUPART_SCHEME, "http") || is_part(url, CURLUPART_SCHEME, "https");
}

static bool is_same_part(CURLU *a, CURLU *b, CURLUPart part, unsigned int flags)
{
	char *of_a = NULL, *of_b = NULL;
	bool same = curl_url_get(a, part, &of_a, flags) == CURLUE_OK &&
		    curl_url_get(b, part, &of_b, flags) == CURLUE_OK && strcasecmp(of_a, of_b) == 0;

	curl_free(of_a);
	curl_free(of_b);
	return same;
}

static bool is_same_origin(CURLU *a, CURLU *b)
{
	return is_same_part(a, b, CURLUPART_SCHEME, 0) && is_same_part(a, b, CURLUPART_HOST, 0) &&
	       is_same_part(a, b, CURLUPART_PORT, CURLU_DEFAULT_PORT);
}

static bool is_plain(const char *text)
{
	size_t length = strlen(text);

	for (size_t i = 0; i < length; i++)
		if (text[i] <= ' ' || text[i] > '~')
			return false;
	return length < DOWNLOAD_URL_MAX;
}

CURLU *download_parse_url(const char *text)
{
	CURLU *url = curl_url();

	if (url == NULL)
		return NULL;
	if (is_plain(text) &&
	    (text_after_loose(text, "http://") != NULL ||
	     text_after_loose(text, "https://") != NULL) &&
	    curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK && is_web(url))
		return url;
	curl_url_cleanup(url);
	return NULL;
}

bool download_is_url(const char *text)
{
	CURLU *url = download_parse_url(text);

	curl_url_cleanup(url);
	return url != NULL;
}

char *download_shown(struct arena *arena, const char *text)
{
	CURLU *url = download_parse_url(text);
	char *clean = NULL, *shown;

	if (url == NULL)
		return text_printable(arena, text);
	curl_url_set(url, CURLUPART_USER, NULL, 0);
	curl_url_set(url, CURLUPART_PASSWORD, NULL, 0);
	curl_url_get(url, CURLUPART_URL, &clean, 0);
	shown = text_printable(arena, clean == NULL ? "" : clean);
	curl_free(clean);
	curl_url_cleanup(url);
	return shown;
}

/* ---- addresses ---- */

static bool is_refused4(const void *bytes)
{
	const uint8_t *at = bytes;

	return at[0] == 169 && at[1] == 254;
}

/* Link-local, the same inside of other forms, and where a cloud has its metadata besides. */
static bool is_refused6(const void *bytes)
{
	static const uint8_t mapped[12] = { [10] = 0xff, 0xff },
			     nat64[12] = { 0, 0x64, 0xff, 0x9b };
	static const uint8_t compatible[12], metadata[16] = { 0xfd, 0, 0x0e, 0xc2, [14] = 2, 0x54 };
	const uint8_t *at = bytes;

	if (at[0] == 0xfe && (at[1] & 0xc0) == 0x80)
		return true;
	if (memcmp(at, metadata, sizeof(metadata)) == 0)
		return true;
	return (memcmp(at, mapped, 12) == 0 || memcmp(at, nat64, 12) == 0 ||
		memcmp(at, compatible, 12) == 0) &&
	       is_refused4(at + 12);
}

static bool is_refused(const struct sockaddr *address, size_t size)
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	if (address->sa_family == AF_INET && size >= sizeof(in)) {
		memcpy(&in, address, sizeof(in));
		return is_refused4(&in.sin_addr);
	}
	if (address->sa_family == AF_INET6 && size >= sizeof(in6)) {
		memcpy(&in6, address, sizeof(in6));
		return is_refused6(&in6.sin6_addr);
	}
	return false;
}

curl_socket_t download_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct transfer *transfer = context;

	(void)purpose;
	if (transfer->suspect && is_refused(&address->addr, address->addrlen)) {
		transfer->refused = true;
		return CURL_SOCKET_BAD;
	}
	return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* Written as an address; a proxy would be asked for it otherwise. */
bool download_is_host_refused(CURLU *url)
{
	char *host = NULL, bare[64] = "";
	uint8_t bytes[16];
	bool refused = false;

	if (curl_url_get(url, CURLUPART_HOST, &host, 0) != CURLUE_OK)
		return true;
	if (host[0] == '[') {
		size_t length = strcspn(host + 1, "]%");

		if (length < sizeof(bare))
			memcpy(bare, host + 1, length);
		refused = inet_pton(AF_INET6, bare, bytes) != 1 || is_refused6(bytes);
	} else if (inet_pton(AF_INET, host, bytes) == 1) {
		refused = is_refused4(bytes);
	}
	curl_free(host);
	return refused;
}

bool download_is_host_local(CURLU *url)
{
	char *host = NULL;
	bool local = curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
		     imageref_host_is_local(host);

	curl_free(host);
	return local;
}

/* ---- redirects ---- */

/* What is sent may be a token, and is meant for who was asked. */
static bool takes_body_away(const struct transfer *transfer, CURLU *next)
{
	const struct download *download = transfer->download;

	return (download->body != NULL || download->body_fd > 0) &&
	       !is_same_origin(next, transfer->first);
}

static int check_next(struct transfer *transfer, CURLU *next)
{
	const char *where = download_shown(&transfer->all->arena, transfer->heard.location);

	if (!is_web(next))
		return fail_plain(-EPROTONOSUPPORT,
				  "refusing to be redirected to '%s': only http and https are",
				  where);
	if (is_part(transfer->now, CURLUPART_SCHEME, "https") &&
	    is_part(next, CURLUPART_SCHEME, "http"))
		return fail_plain(
			-EPROTO,
			"refusing to be redirected from https to '%s', where anybody could "
			"change what is sent",
			where);
	if (download_is_host_refused(next))
		return fail_plain(-EACCES,
				  "refusing to be redirected to the link-local address '%s'",
				  where);
	if (takes_body_away(transfer, next))
		return fail_plain(-EACCES,
				  "refusing to send to '%s', another server, what is for '%s'",
				  where,
				  download_shown(&transfer->all->arena, transfer->download->url));
	return 0;
}

/* As in FROM, whatever the server said; NULL: none. */
static void set_login(CURLU *url, CURLUPart part, CURLU *from)
{
	char *text = NULL;

	if (from != NULL)
		(void)curl_url_get(from, part, &text, 0);
	curl_url_set(url, part, text, 0);
	curl_free(text);
}

int download_redirect(struct transfer *transfer)
{
	const char *from = download_shown(&transfer->all->arena, transfer->download->url);
	CURLU *next;
	int r;

	if (++transfer->redirects > DOWNLOAD_REDIRECTS_MAX)
		return fail_plain(-ELOOP, "'%s' is redirected more than %d times", from,
				  DOWNLOAD_REDIRECTS_MAX);
	next = curl_url_dup(transfer->now);
	if (next == NULL)
		return fail(-ENOMEM, "cannot follow a redirect");
	if (curl_url_set(next, CURLUPART_URL, transfer->heard.location, CURLU_URLENCODE) !=
	    CURLUE_OK)
		r = fail_plain(-EPROTONOSUPPORT, "'%s' is redirected to '%s', which is no URL",
			       from,
			       text_printable(&transfer->all->arena, transfer->heard.location));
	else
		r = check_next(transfer, next);
	if (r < 0) {
		curl_url_cleanup(next);
		return r;
	}
	if (!is_same_origin(next, transfer->first))
		transfer->foreign = true;
	set_login(next, CURLUPART_USER, transfer->foreign ? NULL : transfer->first);
	set_login(next, CURLUPART_PASSWORD, transfer->foreign ? NULL : transfer->first);
	curl_url_cleanup(transfer->now);
	transfer->now = next;
	transfer->suspect = true;
	return 0;
}
