#include "format/imageref.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/name-clean.h"
#include "base/parse.h"
#include "base/path.h"
#include "base/text.h"

#define DOCKER "docker.io"
#define LOWER "abcdefghijklmnopqrstuvwxyz0123456789"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

/* ---- the parts ---- */

/* The port behind HOST, if any; *RET is the host's length. False: that is no port. */
static bool split_port(size_t *ret, const char *registry)
{
	const char *colon = strrchr(registry, ':');
	uint16_t port;

	if (registry[0] == '[') {
		const char *end = strchr(registry, ']');

		if (end == NULL || (end[1] != '\0' && end[1] != ':'))
			return false;
		colon = end[1] == ':' ? end + 1 : NULL;
	}
	*ret = colon == NULL ? strlen(registry) : (size_t)(colon - registry);
	return colon == NULL || parse_port(&port, colon + 1) >= 0;
}

static bool is_label(const char *label, size_t length)
{
	return length > 0 && length <= 63 && label[0] != '-' && label[length - 1] != '-' &&
	       strspn(label, LOWER UPPER "-") >= length;
}

static bool is_registry(const char *registry)
{
	size_t length;

	if (!split_port(&length, registry) || length == 0 || length > 253)
		return false;
	if (registry[0] == '[') {
		char address[INET6_ADDRSTRLEN];
		struct in6_addr parsed;

		if (length - 2 >= sizeof(address))
			return false;
		memcpy(address, registry + 1, length - 2);
		address[length - 2] = '\0';
		return inet_pton(AF_INET6, address, &parsed) == 1;
	}
	for (const char *at = registry, *end = registry + length;;) {
		size_t label = strcspn(at, ".:");

		if (at + label > end || !is_label(at, label))
			return false;
		at += label;
		if (at >= end)
			return true;
		at++;
	}
}

/* Words of small letters and digits, between them one dot, one or two underscores, or hyphens. */
static bool is_component(const char *text, size_t length)
{
	const char *end = text + length;

	while (text < end) {
		size_t word = strspn(text, LOWER), gap;

		if (word == 0)
			return false;
		text += word;
		if (text >= end)
			return true;
		gap = strspn(text, "._-");
		if (!(gap == 1 || strspn(text, "-") == gap || (gap == 2 && text_after(text, "__"))))
			return false;
		text += gap;
	}
	return false;
}

static bool is_repository(const char *path)
{
	for (;;) {
		size_t length = strcspn(path, "/");

		if (!is_component(path, length))
			return false;
		if (path[length] == '\0')
			return true;
		path += length + 1;
	}
}

static bool is_tag(const char *tag)
{
	return *tag != '\0' && strspn(tag, LOWER UPPER "._-") == strlen(tag) && *tag != '.' &&
	       *tag != '-';
}

/* ---- the whole ---- */

static bool copy(char *ret, size_t room, const char *text, size_t length)
{
	if (length >= room)
		return false;
	memcpy(ret, text, length);
	ret[length] = '\0';
	return true;
}

/* Is what stands before the first slash a registry? Then *TEXT goes on behind it. */
static const char *take_registry(struct imageref *ref, const char **text)
{
	size_t length = strcspn(*text, "/");

	if ((*text)[length] == '/' && copy(ref->registry, sizeof(ref->registry), *text, length) &&
	    (strpbrk(ref->registry, ".:[") != NULL || strcmp(ref->registry, "localhost") == 0)) {
		if (!is_registry(ref->registry))
			return "what stands before the first '/' is no host";
		*text += length + 1;
		if (strcmp(ref->registry, "index.docker.io") == 0 ||
		    strcmp(ref->registry, "registry-1.docker.io") == 0)
			snprintf(ref->registry, sizeof(ref->registry), DOCKER);
		return NULL;
	}
	snprintf(ref->registry, sizeof(ref->registry), DOCKER);
	return NULL;
}

static const char *take_repository(struct imageref *ref, const char *text, size_t length)
{
	bool official = strcmp(ref->registry, DOCKER) == 0 && memchr(text, '/', length) == NULL;
	size_t before = official ? strlen("library/") : 0;

	memcpy(ref->repository, "library/", before);
	if (!copy(ref->repository + before, sizeof(ref->repository) - before, text, length))
		return "it is too long";
	if (ref->repository[before] == '\0')
		return "it does not name an image";
	if (!is_repository(ref->repository))
		return "images are called by small letters, digits, and '.', '_', '-', '/' "
		       "between them";
	return NULL;
}

static const char *judge(struct imageref *ref, const char *text)
{
	const char *digest = strchr(text, '@'), *end, *why;

	if (digest != NULL && digest_parse(&ref->digest, digest + 1) < 0)
		return "what stands behind '@' is no digest (sha256:, and 64 digits)";
	end = digest != NULL ? digest : text + strlen(text);
	why = take_registry(ref, &text);
	if (why != NULL)
		return why;
	if (text > end)
		return "it does not name an image";
	for (const char *at = text; at < end; at++)
		if (*at == ':') {
			if (!copy(ref->tag, sizeof(ref->tag), at + 1, (size_t)(end - at - 1)) ||
			    !is_tag(ref->tag))
				return "what stands behind ':' is no tag";
			end = at;
		}
	if (ref->tag[0] == '\0' && digest == NULL)
		snprintf(ref->tag, sizeof(ref->tag), "latest");
	return take_repository(ref, text, (size_t)(end - text));
}

int imageref_parse(struct imageref *ret, const char *text, const char **why)
{
	struct imageref parsed = { 0 };
	const char *rest = text_after(text, "docker://");

	*why = judge(&parsed, rest != NULL ? rest : text);
	if (*why != NULL)
		return -EINVAL;
	*ret = parsed;
	return 0;
}

char *imageref_text(struct arena *arena, const struct imageref *ref)
{
	return arena_format(arena, "%s/%s%s%s%s%s", ref->registry, ref->repository,
			    ref->tag[0] != '\0' ? ":" : "", ref->tag,
			    ref->digest.text[0] != '\0' ? "@" : "", ref->digest.text);
}

const char *imageref_host(const struct imageref *ref)
{
	return strcmp(ref->registry, DOCKER) == 0 ? "registry-1.docker.io" : ref->registry;
}

bool imageref_host_is_local(const char *host)
{
	char name[IMAGEREF_REGISTRY_ROOM];
	struct in_addr v4;
	size_t length;

	if (!split_port(&length, host) || !copy(name, sizeof(name), host, length))
		return false;
	if (strcmp(name, "localhost") == 0 || strcmp(name, "[::1]") == 0)
		return true;
	return inet_pton(AF_INET, name, &v4) == 1 && ntohl(v4.s_addr) >> 24 == 127;
}

const char *imageref_scheme(const struct imageref *ref)
{
	return imageref_host_is_local(imageref_host(ref)) ? "http" : "https";
}

char *imageref_machine(struct arena *arena, const struct imageref *ref)
{
	return name_clean(arena, path_name(ref->repository));
}
