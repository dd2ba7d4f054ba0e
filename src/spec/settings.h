/* spec/settings - one row knows everything about one setting.
 *
 * The command line, the .nspawn reader, --help, completion, `show` and the
 * manual's check are walks over spec_settings[]. Pure. Row parsers record
 * nothing: they return 0 or a negative errno and may leave a static sentence
 * in reader->why ("the port is not between 1 and 65535").
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spec/spec.h"

enum setting_flags {
	SETTING_REPEATS = 1 << 0,
	SETTING_TRUSTED = 1 << 1,	 /* ignored in a .nspawn file that is not trusted */
	SETTING_TRUSTED_ALLOW = 1 << 2,	 /* trusted only if it allows (SystemCallFilter=) */
	SETTING_OPTIONAL_VALUE = 1 << 3, /* --volatile[=MODE] */
	SETTING_HIDDEN = 1 << 4,
	SETTING_SPACES = 1 << 5, /* the file's value is a whitespace separated list */
	SETTING_RESETS = 1 << 6, /* an empty assignment in a file clears the list */
	SETTING_HELP = 1 << 7,	 /* the value "help" prints row->words */
};

/* What a row parser is given besides the value. Facts are passed in: rows make no system call. */
struct setting_reader {
	struct arena *arena;
	struct spec *spec;
	const struct setting *row;
	enum origin origin;
	uint32_t line;			/* of the file; SPEC_LINE_OPTION for the command line */
	const char *working_directory;	/* to make relative host paths absolute */
	const char *const *environment; /* for a bare --setenv=NAME */
	const char *why;		/* optional sentence for a refusal */
};

/* VALUE is NULL only when the option was given without a value. */
typedef int setting_parse_fn(struct setting_reader *reader, const char *value);

/* The setting's value as the user would write it, for --print-plan --json and `show`; NULL:
 * unset. */
typedef char *setting_print_fn(struct arena *arena, const struct setting *row,
			       const struct spec *spec);

struct setting {
	const char *option;  /* long option without dashes; NULL: key only */
	const char *key;     /* "Exec.Boot"; NULL: option only */
	const char *section; /* heading in --help */
	const char *value;   /* "PATH[:PATH[:OPTIONS]]"; NULL: takes none */
	const char *help;
	const char *const *words; /* accepted words, NULL-terminated: `help`, completion */
	const char *stands_for;	  /* the option that this one sets by another name */
	const char *unbuilt;	  /* refusal for what a later issue builds; NULL: works */
	setting_parse_fn *parse;
	setting_print_fn *print;
	/* The table's pointers are what each supervisor has of it for itself: the rest is short. */
	uint16_t offset;  /* of the field in struct spec */
	int16_t constant; /* for parse_constant */
	uint8_t group;	  /* enum setting_group */
	uint8_t flags;
	char letter; /* short option or 0 */
};

extern const struct setting spec_settings[];
extern const size_t spec_settings_count;

const struct setting *setting_by_option(const char *option, size_t length,
					bool *ret_ambiguous); /* unique prefixes match */
const struct setting *setting_by_letter(char letter);
const struct setting *setting_by_key(const char *section, const char *key);

/* Run ROW's parser for one value and claim its group. 0, or the parser's error. */
int setting_apply(struct setting_reader *reader, const struct setting *row, const char *value);

/* Why a value was refused, as a clause ("the value is out of range"). */
const char *setting_refusal(const struct setting_reader *reader, int code);

/* What the value should look like: "one of no, yes" or "expected PATH"; "" when nothing is
 * known. */
const char *setting_expectation(struct arena *arena, const struct setting *row);

/* Who asked for a row's setting: "--bind=", "web.nspawn line 12", or "default" when nobody did. */
const char *setting_reason(struct arena *arena, const struct spec *spec, const struct setting *row);
