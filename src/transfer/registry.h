/* transfer/registry - talking to a registry of images (OCI distribution, Docker registry v2).
 *
 * The talking is done by one worker, which sees the network and nothing else; the caller asks it
 * for manifests and blobs by their digest and gives it files to write to, or files to send. What
 * comes is believed in nothing: the caller hashes it (transfer/oci-read).
 *
 * Registries are asked with TLS, but for those on this host. Name and password go to the registry
 * that they belong to, and to the place of tokens that it names, if that is reached by https
 * (class S45). Speaking. Runs in the caller.
 */
#pragma once
#include "base/list.h"
#include "format/imageref.h"
#include "transfer/worker.h"

struct arena;
struct download_trust;

#define REGISTRY_PARALLEL 5
#define REGISTRY_TYPE_ROOM 256

/* Who we are there (transfer/registry-login). */
struct registry_login {
	const char *user, *secret; /* NULL: nobody in particular */
	const char *token;	   /* in their place: one that gets other ones */
};

enum registry_verb {
	REGISTRY_NOTHING,      /* no more blobs: the answer to what a fetched one asks */
	REGISTRY_GET_MANIFEST, /* by REFERENCE: a tag or digest */
	REGISTRY_GET_BLOB,
	REGISTRY_HAS_BLOB, /* or is it to be sent? */
	REGISTRY_PUT_BLOB,
	REGISTRY_PUT_MANIFEST, /* as REFERENCE */
	REGISTRY_VERBS
};

struct registry_question {
	uint32_t verb, id;
	uint32_t more; /* another one follows before this one is begun with */
	uint64_t size; /* of a blob or manifest; for the manifest to get, the most */
	char reference[DIGEST_ROOM + 4];
	char type[REGISTRY_TYPE_ROOM]; /* of the manifest to put */
};

struct registry_answer {
	uint32_t verb, id;
	uint32_t status;	       /* 404 of HAS_BLOB; everything else has ended well */
	char type[REGISTRY_TYPE_ROOM]; /* of the manifest, as the server says */
};

struct registry {
	struct worker worker;
	int desk;			/* where questions are put */
	struct registry_answer *answer; /* what registry_ask() waits for */
	const struct worker_listener *listener;
	struct arena *arena;
	const char *name;
	uint32_t last;
};

#define REGISTRY_EMPTY                                 \
	{                                              \
		.worker = WORKER_EMPTY, .desk = -EBADF \
	}

/* LISTENER hears of progress (DOWNLOAD_TELLS_PART, parts by the id of their question); it may be
 * NULL. PUSH: rights to write are asked for. */
int registry_open(struct arena *arena, struct registry *ret, const struct imageref *ref,
		  const struct registry_login *login, const struct download_trust *trust, bool push,
		  const struct worker_listener *listener);

/* Ask and wait. FD: to write to or to read from; negative: none. */
int registry_ask(struct registry *registry, struct registry_answer *ret,
		 struct registry_question *question, int fd);

/* Several blobs at once: put up to REGISTRY_PARALLEL of them (REGISTRY_GET_BLOB, with an own id
 * each, and MORE but for the last), then registry_hear() when the worker's descriptor can be read,
 * and for each one that is there put another one or REGISTRY_NOTHING. */
int registry_put(struct registry *registry, const struct registry_question *question, int fd);

/* 1: *RET is an answer; 0: something else was heard. */
int registry_hear(struct registry *registry, struct registry_answer *ret);

/* Accepts the empty one. */
void registry_done(struct registry *registry);
