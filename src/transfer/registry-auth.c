/* Saying who we are (class S45), and what a registry says when it does not like that. */
#include <curl/curl.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/fail.h"
#include "base/text.h"
#include "format/challenge.h"
#include "transfer/json-in.h"
#include "transfer/registry-inside.h"

#define TOKEN_MAX (16 * 1024)
#define ANSWER_MAX (64 * 1024)
#define DEPTH_MAX 16

/* ---- refusals ---- */

/* The registry's own words, or "". */
static const char *own_words(struct registry_talk *talk, const struct download *download)
{
	const char *words = "";
	json_t *top;

	if (json_in_parse(&top, download->text, download->text_size, ANSWER_MAX, DEPTH_MAX) < 0)
		return "";
	words = json_in_text(json_array_get(json_object_get(top, "errors"), 0), "message");
	words = text_printable(&talk->arena, arena_format(&talk->arena, "%.200s", words));
	json_decref(top);
	return words;
}

bool registry_is_elsewhere(const struct download *download)
{
	return download->foreign || download->pointed;
}

int registry_refused(struct registry_talk *talk, const struct registry_errand *errand)
{
	const struct download *download = &errand->download;
	uint32_t status = download->answer.status;
	const char *image = imageref_text(&talk->arena, talk->ref), *registry = talk->ref->registry;
	const char *words = own_words(talk, download);
	const char *mark = *words != '\0' ? ": " : "";

	if (status == 404 && errand->question.verb == REGISTRY_GET_MANIFEST)
		return fail_plain(-ENOENT,
				  "cannot find the image '%s' in its registry%s%s (try "
				  "another tag)",
				  image, mark, words);
	if (status == 404 && errand->question.verb == REGISTRY_GET_BLOB)
		return fail_plain(-ENOENT,
				  "cannot fetch '%s': the registry does not have its part '%s'",
				  image, errand->question.reference);
	if ((status == 401 || status == 403) && registry_is_elsewhere(download))
		return fail_plain(-EACCES,
				  "cannot %s '%s': the place where the registry '%s' has a part of "
				  "it refuses%s%s",
				  talk->push ? "push" : "pull", image, registry, mark, words);
	if (status == 401 || status == 403)
		return fail_plain(
			-EACCES,
			"cannot %s '%s': the registry refuses%s%s (try 'podman login %s', "
			"or a name that is spelled otherwise)",
			talk->push ? "push" : "pull", image, mark, words, registry);
	if (status == 429)
		return fail_plain(-EBUSY,
				  "cannot go on with '%s': the registry '%s' has enough for "
				  "now%s%s (try later, or with 'podman login %s')",
				  image, registry, mark, words, registry);
	return fail_plain(-EIO, "cannot %s '%s': its registry answers with status %u%s%s",
			  talk->push ? "push" : "pull", image, status, mark, words);
}

/* ---- tokens ---- */

static const char *basic(struct registry_talk *talk)
{
	const struct registry_login *login = talk->login;
	char *both;

	if (login->user == NULL)
		return NULL;
	both = arena_format(&talk->arena, "%s:%s", login->user, login->secret);
	return arena_format(&talk->arena, "Basic %s",
			    text_base64(&talk->arena, both, strlen(both)));
}

static const char *escape(struct registry_talk *talk, const char *text)
{
	char *escaped = curl_easy_escape(NULL, text, 0);
	const char *copy = arena_text(&talk->arena, escaped == NULL ? "" : escaped);

	curl_free(escaped);
	return copy;
}

/* A place that is not reached by https must be on this host, as the registry is then. */
static int check_realm(struct registry_talk *talk, const struct challenge *challenge)
{
	const char *realm = challenge->realm;
	const char *host = text_after_loose(realm, "http://");

	if (!download_is_url(realm) || strpbrk(realm, "@#") != NULL)
		return fail_plain(-EPROTO,
				  "cannot log in to the registry '%s': it gets its tokens from "
				  "'%s', which is no place",
				  talk->ref->registry, download_shown(&talk->arena, realm));
	if (host == NULL)
		return 0;
	host = arena_text_n(&talk->arena, host, strcspn(host, "/?"));
	if (strcmp(imageref_scheme(talk->ref), "http") == 0 && imageref_host_is_local(host))
		return 0;
	return fail_plain(-EPROTO,
			  "refusing to log in to the registry '%s': it gets its tokens "
			  "from '%s', which is not reached by https",
			  talk->ref->registry, download_shown(&talk->arena, realm));
}

/* What is sent as "Authorization" is one line of one word. */
static int take_token(struct registry_talk *talk, const struct download *download)
{
	const char *token;
	size_t length;
	json_t *top;

	if (json_in_parse(&top, download->text, download->text_size, ANSWER_MAX, DEPTH_MAX) < 0)
		return fail_plain(-EBADMSG,
				  "cannot log in to the registry '%s': '%s' gives no JSON",
				  talk->ref->registry, download_shown(&talk->arena, download->url));
	token = json_in_text(top, "token");
	if (*token == '\0')
		token = json_in_text(top, "access_token");
	token = arena_text(&talk->arena, token);
	json_decref(top);
	length = strlen(token);
	for (const char *at = token; *at != '\0'; at++)
		if (*at <= ' ' || *at > '~')
			length = 0;
	if (length == 0 || length > TOKEN_MAX)
		return fail_plain(-EBADMSG,
				  "cannot log in to the registry '%s': '%s' gives no token",
				  talk->ref->registry, download_shown(&talk->arena, download->url));
	talk->authorization = arena_format(&talk->arena, "Bearer %s", token);
	return 0;
}

static void describe_token(struct registry_talk *talk, struct download *download,
			   const struct challenge *challenge)
{
	static const char *const form[] = { "Content-Type: application/x-www-form-urlencoded",
					    NULL };
	const char *scope = challenge->scope;
	char *words;

	if (*scope == '\0')
		scope = arena_format(&talk->arena, "repository:%s:%s", talk->ref->repository,
				     talk->push ? "pull,push" : "pull");
	words = arena_format(&talk->arena, "scope=%s", escape(talk, scope));
	if (challenge->service[0] != '\0')
		words = arena_format(&talk->arena, "service=%s&%s",
				     escape(talk, challenge->service), words);
	if (talk->login->token != NULL) {
		download->url = challenge->realm;
		download->method = "POST";
		download->headers = form;
		download->body = arena_format(
			&talk->arena, "grant_type=refresh_token&client_id=redd&refresh_token=%s&%s",
			escape(talk, talk->login->token), words);
		download->body_size = strlen(download->body);
		return;
	}
	download->url = arena_format(&talk->arena, "%s%c%s", challenge->realm,
				     strchr(challenge->realm, '?') == NULL ? '?' : '&', words);
	download->authorization = basic(talk);
}

static int get_token(struct registry_talk *talk, const struct registry_errand *errand,
		     const struct challenge *challenge)
{
	struct download download = {
		.quiet = true,
		.limit = ANSWER_MAX,
		.pointed = strcmp(imageref_scheme(talk->ref), "https") == 0,
	};
	int r = check_realm(talk, challenge);

	if (r < 0)
		return r;
	describe_token(talk, &download, challenge);
	if (talk->login->user != NULL || talk->login->token != NULL)
		worker_tell(talk->side, REGISTRY_TELLS_REALM, challenge->realm,
			    strlen(challenge->realm));
	r = download_one(&talk->arena, talk->side, talk->trust, &download);
	if (r < 0)
		return r;
	if (download.answer.status == 401 || download.answer.status == 403)
		return registry_refused(talk, errand);
	if (download.answer.status != 200)
		return fail_plain(-EIO,
				  "cannot log in to the registry '%s': '%s' answers with status %u",
				  talk->ref->registry, download_shown(&talk->arena, download.url),
				  download.answer.status);
	return take_token(talk, &download);
}

int registry_authorize(struct registry_talk *talk, const struct registry_errand *errand)
{
	const char *used = errand->download.authorization;
	struct challenge challenge;

	if (talk->authorization != NULL && used != talk->authorization)
		return 0; /* another request has got one meanwhile */
	if (challenge_parse(&challenge, errand->download.answer.authenticate) < 0)
		return registry_refused(talk, errand);
	if (challenge.bearer && challenge.realm[0] != '\0')
		return get_token(talk, errand, &challenge);
	if (!challenge.basic || talk->login->user == NULL || talk->authorization != NULL)
		return registry_refused(talk, errand);
	talk->authorization = basic(talk);
	return 0;
}
