/* format/help - what --help prints: headings, and entries with a text beside them. Pure.
 *
 * Lines fit a terminal of 80 columns. What stands before the texts may be longer than its column;
 * then it has a line of its own.
 */
#pragma once
#include <stdbool.h>

#include "base/list.h"

struct arena;

struct help {
	struct arena *arena;
	struct text_list lines;
	bool colour; /* bold headings */
};

/* What the program is called like, and what it is for. */
void help_init(struct help *help, struct arena *arena, bool colour, const char *program,
	       const char *arguments, const char *summary);

void help_heading(struct help *help, const char *title);
void help_entry(struct help *help, const char *lead, const char *text);

/* An option's lead: "  -p, --property=NAME". LETTER is 0, NAME and VALUE are NULL when there is
 * none. */
char *help_option(struct arena *arena, char letter, const char *name, const char *value,
		  bool optional);

/* With a last line that says where there is more; ends without a line feed. */
char *help_done(struct help *help, const char *more);
