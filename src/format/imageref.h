/* format/imageref - which image of which registry: "alpine", "ghcr.io/owner/app:1.2",
 * "localhost:5000/web@sha256:…".
 *
 *	[docker://][REGISTRY/]PATH[:TAG][@DIGEST]
 *
 * The first component is a registry if it has a dot or a port, or is "localhost". Without one it is
 * docker.io, whose images of one word are those of "library/". Without tag and digest the tag is
 * "latest". Pure, quiet.
 */
#pragma once
#include <stdbool.h>

#include "format/digest.h"

struct arena;

#define IMAGEREF_REGISTRY_ROOM 272   /* a name of DNS, and a port */
#define IMAGEREF_REPOSITORY_ROOM 256 /* registries take no more */
#define IMAGEREF_TAG_ROOM 129

struct imageref {
	char registry[IMAGEREF_REGISTRY_ROOM];	   /* "docker.io", "localhost:5000", "[::1]:5000" */
	char repository[IMAGEREF_REPOSITORY_ROOM]; /* "library/alpine" */
	char tag[IMAGEREF_TAG_ROOM];		   /* "": only the digest was given */
	struct digest digest;			   /* of the manifest; "": not given */
};

/* -EINVAL, and why as a clause. */
int imageref_parse(struct imageref *ret, const char *text, const char **why);

/* As one text, with everything. */
char *imageref_text(struct arena *arena, const struct imageref *ref);

/* Whom to connect to: docker.io is served by another host. HOST or HOST:PORT. */
const char *imageref_host(const struct imageref *ref);

/* "https", or "http" where the registry is on this host (localhost, 127.0.0.0/8, ::1): nobody can
 * listen or answer in between. */
const char *imageref_scheme(const struct imageref *ref);

/* That of an URL's host, with or without a port. */
bool imageref_host_is_local(const char *host);

/* What a machine of it is called if nobody said: the path's last component; NULL: nothing of it can
 * be in a machine's name. */
char *imageref_machine(struct arena *arena, const struct imageref *ref);
