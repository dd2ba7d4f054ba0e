/* format/challenge - what a server wants to know before it answers: "WWW-Authenticate" (RFC 9110,
 * section 11), as registries use it.
 *
 *	Bearer realm="https://auth.example.com/token",service="registry",scope="repository:a:pull"
 *	Basic realm="the registry"
 *
 * From outside, so with limits: of several challenges the first of each kind counts, and what does
 * not fit makes one unusable. Pure, quiet.
 */
#pragma once
#include <stdbool.h>

#define CHALLENGE_REALM_ROOM 1024
#define CHALLENGE_TEXT_ROOM 512

struct challenge {
	bool basic, bearer;
	char realm[CHALLENGE_REALM_ROOM];  /* of Bearer: an URL; "": not said */
	char service[CHALLENGE_TEXT_ROOM]; /* printable ASCII, like all of these */
	char scope[CHALLENGE_TEXT_ROOM];
};

/* -EINVAL: it is none, or none of these. */
int challenge_parse(struct challenge *ret, const char *text);
