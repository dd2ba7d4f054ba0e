/* Prints the completion of the runner for zsh, from its settings table: zsh NAME... */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "spec/settings.h"

/* What a value is, by the word that the table shows for it; the rest completes nothing. */
static const struct {
	const char *value, *action;
} kinds[] = {
	{ "PATH", "_files" },
	{ "PATH[:PATH[:OPTIONS]]", "_files" },
	{ "PATH[:OPTIONS]", "_files" },
	{ "FILE|DIRECTORY", "_files" },
	{ "USER", "_users" },
	{ "INTERFACE", "_net_interfaces" },
	{ "HOST[:CONTAINER]", "_net_interfaces" },
};

/* A single-quoted word of the shell; what _arguments itself would read is behind backslashes. */
static void print_quoted(const char *text, const char *special)
{
	for (; *text; text++) {
		if (*text == '\'')
			fputs("'\\'", stdout);
		else if (strchr(special, *text))
			putchar('\\');
		putchar(*text);
	}
}

static void print_value(const struct setting *row)
{
	printf(":%s", row->flags & SETTING_OPTIONAL_VALUE ? ":" : "");
	print_quoted(row->value, ":[]");
	putchar(':');
	if (row->words) {
		putchar('(');
		for (size_t i = 0; row->words[i]; i++)
			printf("%s%s", i > 0 ? " " : "", row->words[i]);
		putchar(')');
		return;
	}
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (text_equal(kinds[i].value, row->value))
			fputs(kinds[i].action, stdout);
}

static void print_form(const struct setting *row, bool is_letter)
{
	bool both = row->option && row->letter;

	fputs("\t'", stdout);
	if (row->flags & SETTING_REPEATS)
		putchar('*');
	else if (both)
		printf("(-%c --%s)", row->letter, row->option);
	if (is_letter)
		printf("-%c%s", row->letter, row->value ? "+" : "");
	else
		printf("--%s%s", row->option,
		       !row->value			     ? ""
		       : row->flags & SETTING_OPTIONAL_VALUE ? "=-"
							     : "=");
	putchar('[');
	print_quoted(row->help, "[]:");
	putchar(']');
	if (row->value)
		print_value(row);
	puts("' \\");
}

int main(int argc, char **argv)
{
	fputs("#compdef", stdout);
	for (int i = 1; i < argc; i++)
		printf(" %s", argv[i]);
	puts("\n# Completion of Redd's runner for zsh. Made from its settings table.\n"
	     "_arguments -s -S -A '-*' : \\");
	for (size_t i = 0; i < spec_settings_count; i++) {
		if (spec_settings[i].flags & SETTING_HIDDEN)
			continue;
		if (spec_settings[i].letter)
			print_form(&spec_settings[i], true);
		if (spec_settings[i].option)
			print_form(&spec_settings[i], false);
	}
	puts("\t'*:: :_normal'");
	return ferror(stdout) != 0;
}
