/* base/version - which Redd this is. Pure. */
#pragma once

struct arena;

extern const char version_number[];

/* "PROGRAM (Redd) NUMBER", what --version prints, without a line feed. */
char *version_text(struct arena *arena, const char *program);
