/* transfer/pull - an archive or disk image that somebody publishes becomes an image.
 *
 * One worker downloads (transfer/fetch), another one unpacks what comes at the same time
 * (transfer/archive); when both have ended, what came is verified (transfer/verify), and only then
 * anything gets a name. What is kept as it came is hidden and read-only (transfer/kept), and the
 * image a clone of it; if the server has nothing newer, it is cloned again. Runs in the job.
 * Speaking.
 */
#pragma once
#include <stdbool.h>

#include "transfer/archive.h"
#include "transfer/download.h"
#include "transfer/publish.h"
#include "transfer/verify.h"

struct arena;

enum pull_kind { PULL_TAR, PULL_RAW };

struct pull_request {
	enum pull_kind kind;
	const char *url;
	struct verify verify;
	struct verify_keyrings keyrings; /* for VERIFY_SIGNATURE */
	struct download_trust trust;
	struct publish_request target; /* NAME NULL: only what is kept */
	bool keep;
};

/* http://, https:// or file:///, with a last part that can be verified and named; a sentence if
 * not. */
int pull_check_url(const char *url, const struct verify *verify);

/* LISTENER: how far it is, and what people should know. */
int pull(struct arena *arena, const struct pull_request *request,
	 const struct archive_listener *listener);
