/* declare/generation-text - the files of a generation as text. As declared in declare/generation.
 *
 * images.lock has a line a machine, fields between tabs: name, source, digest, file, target. The
 * log has a line an event: microseconds of realtime, a word, the rest; its first is "begin PREVIOUS
 * REASON", its last, if all went its way, "end HOW". A torn last line is dropped. Pure.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct arena;
struct generation;

/* -EBADMSG: nobody wrote this here. */
typedef int generation_text_fn(struct arena *arena, struct generation *ret, const char *text,
			       size_t size);

generation_text_fn generation_text_parse_lock; /* machines are there, and sorted */
generation_text_fn generation_text_parse_log;

const char *generation_text_lock(struct arena *arena, const struct generation *generation);
const char *generation_text_manifest(struct arena *arena, const struct generation *generation);
const char *generation_text_begin(struct arena *arena, const struct generation *generation);
const char *generation_text_line(struct arena *arena, uint64_t at_us, const char *event,
				 const char *text);
