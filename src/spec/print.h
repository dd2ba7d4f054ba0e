/* spec/print - the settings table and a spec as text for people. Pure.
 * Every result lives in the arena and ends without a line feed. */
#pragma once
#include <stdbool.h>

struct arena;
struct setting;
struct spec;

/* --help: every option that is not hidden, below the headings of the table. */
char *spec_help(struct arena *arena, const char *program, bool colour);

/* The words that a row accepts, one a line: what the value "help" prints. */
char *spec_words(struct arena *arena, const struct setting *row);

/* What was asked for: "OPTION=VALUE  (who asked)", one a line; "" when nobody asked. */
char *spec_print(struct arena *arena, const struct spec *spec);
