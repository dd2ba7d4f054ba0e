/* Prints the settings table for scripts: tools/check-manual and completion/generate. One row a line, fields
 * separated by tabs: option, letter, key, value, flags, words; a missing one is "-". */
#include <stdio.h>

#include "spec/settings.h"

static void print_field(const char *text)
{
	printf("%s\t", text != NULL ? text : "-");
}

static void print_flags(const struct setting *row)
{
	printf("%s%s%s%s%s\t",
	       row->flags & SETTING_TRUSTED ? "trusted," : "",
	       row->flags & SETTING_HIDDEN ? "hidden," : "",
	       row->flags & SETTING_OPTIONAL_VALUE ? "optional," : "",
	       row->flags & SETTING_RESETS ? "resets," : "",
	       row->unbuilt != NULL ? "unbuilt," : "");
}

int main(void)
{
	for (size_t i = 0; i < spec_settings_count; i++) {
		const struct setting *row = &spec_settings[i];

		print_field(row->option);
		printf("%c\t", row->letter != 0 ? row->letter : '-');
		print_field(row->key);
		print_field(row->value);
		print_flags(row);
		for (size_t n = 0; row->words != NULL && row->words[n] != NULL; n++)
			printf("%s%s", n > 0 ? " " : "", row->words[n]);
		puts(row->words != NULL ? "" : "-");
	}
	return ferror(stdout) != 0;
}
