/* transfer/registry-inside - between the files of the worker that talks to a registry. */
#pragma once
#include "base/arena.h"
#include "transfer/download.h"
#include "transfer/registry.h"

#define REGISTRY_TELLS_ANSWER 0x52656741u
#define REGISTRY_TELLS_REALM 0x5265675fu /* where name and password go; a text */

struct registry_talk {
	struct worker_side *side;
	struct downloads *all;
	struct arena arena;
	const struct imageref *ref;
	const struct registry_login *login;
	const struct download_trust *trust;
	bool push;
	int desk;
	const char *base;	   /* SCHEME, HOST, "/v2/PATH" */
	const char *authorization; /* NULL: none was asked for yet */
};

/* One question, until it is answered: several requests, maybe. */
struct registry_errand {
	struct download download; /* its context is the errand */
	struct registry_talk *talk;
	struct registry_question question;
	int fd;
	unsigned int logins; /* how often it had to say who we are */
	bool sending;	     /* the place for the blob is known, it goes there */
};

/* The answer is not the registry's, but of a place that it named. */
bool registry_is_elsewhere(const struct download *download);

/* Its answer was 401: *talk->authorization becomes another one, or a sentence says why not. */
int registry_authorize(struct registry_talk *talk, const struct registry_errand *errand);

/* A sentence for an answer that is none. */
int registry_refused(struct registry_talk *talk, const struct registry_errand *errand);

/* Runs in the worker, with a struct registry_talk. */
int registry_inside(struct worker_side *side, void *context);
