/* transfer/pull-state - between the files of transfer/pull. */
#pragma once
#include "base/list.h"
#include "transfer/fetch.h"
#include "transfer/kept.h"
#include "transfer/pull.h"

struct pull {
	struct arena *arena;
	const struct pull_request *request;
	const struct archive_listener *listener;
	const char *shown, *last; /* of the URL: for people; its last part */
	struct kept kept;
	struct fetch fetch;
	const char *list_name;
	struct text_list etags; /* of what is kept of this URL */

	struct worker worker;
	int pipe[2];
	struct publish publish;
	bool begun, main, sums, signature;
	bool own_sides; /* what is kept has others, of another time: those that came now count */
	struct download_answer main_answer;
	char sum[65]; /* of what was unpacked (transfer/between); "": not yet */
	struct pull_side {
		const char *suffix;
		bool came;
		void *data; /* once it is sealed */
		size_t size;
		char sum[65];
	} sides[FETCH_SIDES_MAX];
};

/* SHA-256 as lists of sums write it. */
void pull_write_sum(char ret[65], const unsigned char digest[32]);

/* For people. */
void pull_notice(const struct pull *pull, const char *sentence);

/* ---- where it comes from (pull-source) ---- */

/* Files in memory for the small ones, the pipe, and the worker that fills them. */
int pull_start(struct pull *pull);

/* What a worker tells. */
int pull_hear(void *pull, unsigned int what, const void *data, size_t size);

/* What is in FD, once the worker has ended. Nobody can change it from then on. */
int pull_read_small(struct pull *pull, char **ret, size_t *ret_size, int fd);

/* Likewise DATA, SIZE and SUM of what came beside it. */
int pull_read_sides(struct pull *pull);

/* To what is about to be published, with PULL_READ_SIDES() before. */
int pull_add_sides(struct pull *pull, struct publish *to);

void pull_source_done(struct pull *pull);

/* ---- what it becomes (pull-local) ---- */

/* What came gets its name as what is kept, unless it is there already. *RET: the name. */
int pull_publish_kept(struct pull *pull, const char **ret);

/* 1: beside what is kept as KEPT is what came now, no more and no less; 0: something else. */
int pull_has_sides(struct pull *pull, const char *kept);

/* The server has nothing newer than what is kept as *RET. */
int pull_find_kept(struct pull *pull, const char **ret);

/* From what is kept, under the name that was asked for. */
int pull_make_local(struct pull *pull, const char *kept_name);
