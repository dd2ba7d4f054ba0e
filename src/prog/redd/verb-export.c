/* A definition for other programs. */
#include "base/arena.h"
#include "base/log.h"
#include "base/text.h"
#include "declare/export.h"
#include "prog/redd/redd.h"

/* --as= takes no other word. */
static enum export_format format_of(const struct context *context)
{
	for (enum export_format i = 0; i < EXPORT_FORMATS; i++)
		if (text_equal(context->options.as, export_words[i]))
			return i;
	return EXPORT_NSPAWN;
}

int verb_export(void *context_, const struct text_list *words)
{
	struct context *context = context_;
	struct definition definition;
	struct export_result result;
	int r;

	r = context_find(context, &definition, words->items[0]);
	if (r >= 0)
		r = export_definition(context->arena, &result, &definition, format_of(context));
	if (r >= 0)
		r = program_print(&context->program, result.text);
	for (size_t i = 0; r >= 0 && i < result.left.count; i++)
		log_warning("left out, as there is no word for it: %s",
			    text_printable(context->arena, result.left.items[i]));
	return r;
}
