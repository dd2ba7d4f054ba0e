/* prog/redd - machines as files say they should be: plan, apply, roll back. */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/path.h"
#include "base/text.h"
#include "declare/definition-check.h"
#include "declare/definition.h"
#include "declare/definitions.h"
#include "declare/nixos.h"
#include "image/find.h"
#include "image/store.h"
#include "machine/find.h"
#include "prog/redd/prepare.h"
#include "prog/redd/redd.h"

int verb_help_text(void *context_, const struct text_list *words)
{
	struct context *context = context_;

	(void)words;
	return program_print_help(&context->program,
				  "Make machines what their files say, and go back.", &redd_verbs,
				  &redd_options);
}

bool context_wants(const struct context *context, const char *name)
{
	return context->options.only.count == 0 || text_list_has(&context->options.only, name);
}

/* A file says nothing of machines that are not in it: where WORDS are files, these are meant alone,
 * as by --only=. That cannot name others then, which would go. */
static int narrow(struct context *context, const struct definitions *definitions,
		  const struct text_list *words)
{
	struct text_list *only = &context->options.only;
	bool given = only->count > 0;
	struct stat st;

	if (words->count == 0)
		return 0;
	for (size_t i = 0; i < words->count; i++)
		if (stat(words->items[i], &st) == 0 && S_ISDIR(st.st_mode))
			return 0;
	for (size_t i = 0; i < only->count; i++)
		if (definitions_find(definitions, only->items[i]) == NULL)
			return fail_plain(-ENOENT,
					  "cannot find a definition of machine '%s' in what was "
					  "named",
					  only->items[i]);
	for (size_t i = 0; !given && i < definitions->count; i++)
		text_list_add(context->arena, only,
			      arena_text(context->arena, definitions->items[i]->name));
	return 0;
}

/* Whoever names a place means that it is there. */
static int check_places(const struct text_list *words)
{
	for (size_t i = 0; i < words->count; i++)
		if (access(words->items[i], F_OK) < 0)
			return fail(-errno, "cannot read '%s'", words->items[i]);
	return 0;
}

/* One name, one machine. */
static int refuse_container(struct context *context, const struct definition *definition,
			    const char *name)
{
	struct nixos nixos;

	if (nixos_find(context->arena, &nixos, name) >= 0)
		return fail_input("cannot use '%s': the NixOS container of '%s' has the name %s "
				  "(try another one, or 'nixos-container destroy %s')",
				  definition->path, nixos.conf_path, name, name);
	fail_forget();
	return 0;
}

static int refuse_containers(struct context *context, const struct definitions *definitions)
{
	int r = 0;

	/* They are root's, as are machines of that name then. */
	for (size_t i = 0; i < definitions->count && geteuid() == 0 && r >= 0; i++) {
		const struct definition *definition = definitions->items[i];

		r = refuse_container(context, definition, definition->name);
		for (size_t k = 0; k < definition->names.count && r >= 0; k++)
			r = refuse_container(context, definition, definition->names.items[k]);
	}
	return r;
}

static void add_some(const struct context *context, struct definitions *ret,
		     const struct definitions *from, bool wanted)
{
	for (size_t i = 0; i < from->count; i++)
		if (context_wants(context, from->items[i]->name) == wanted)
			*(struct definition **)list_grow(context->arena, (void **)&ret->items,
							 &ret->count,
							 sizeof(*ret->items)) = from->items[i];
}

/* An image of this name would be out of sight. */
static int refuse_hidden(struct context *context, const struct definition *definition,
			 const struct definitions *applied)
{
	struct found found;

	if (definition->image.root == ROOT_DIRECT ||
	    definitions_find(applied, definition->name) != NULL)
		return 0;
	if (find_image(context->arena, &found, definition->name, &context->scope) < 0) {
		fail_forget();
		return 0;
	}
	if (found.declared)
		return 0;
	return fail_plain(-EEXIST,
			  "cannot declare machine '%s': there is an image of this name, '%s' "
			  "(rename or remove it, or use it as it is: Source=dir:%s with "
			  "Root=direct)",
			  definition->name, found.path, found.path);
}

/* Images that cannot be made are told before it is said what they cost. */
static int check_images(struct context *context, const struct definitions *desired,
			const struct definitions *applied)
{
	int r = 0;

	for (size_t i = 0; i < desired->count && r >= 0; i++) {
		const struct definition *definition = desired->items[i];

		if (!context_wants(context, definition->name))
			continue;
		r = prepare_check(definition);
		if (r >= 0)
			r = refuse_hidden(context, definition, applied);
	}
	return r;
}

/* A name that is mistyped is not one with which all is well. */
static int check_only(const struct context *context, const struct definitions *desired,
		      const struct definitions *applied)
{
	const struct text_list *only = &context->options.only;

	for (size_t i = 0; i < only->count; i++)
		if (definitions_find(desired, only->items[i]) == NULL &&
		    definitions_find(applied, only->items[i]) == NULL)
			return fail_plain(-ENOENT, "cannot find a definition of machine '%s'",
					  only->items[i]);
	return 0;
}

/* All that there will be: of machines that are meant what is desired, of others what is applied. */
static int check_next(struct context *context, const struct definitions *desired,
		      const struct definitions *applied)
{
	struct definitions next = { 0 };

	if (context->options.only.count == 0)
		return definition_check(context->arena, desired, &context->facts);
	add_some(context, &next, desired, true);
	add_some(context, &next, applied, false);
	definitions_sort(&next);
	return definition_check(context->arena, &next, &context->facts);
}

/* What is damaged keeps nobody from the next generation. */
static void load_applied(const struct context *context, struct definitions *ret,
			 const struct definitions *desired)
{
	const char *place = path_join(context->arena, context->store, "current/files");

	if (definitions_load_applied(context->arena, ret, place, desired) >= 0)
		return;
	log_warning("%s, going on without", fail_recorded()->text);
	fail_forget();
	*ret = (struct definitions){ 0 };
}

int context_desired(struct context *context, struct definitions *ret,
		    struct definitions *ret_applied, const struct text_list *words)
{
	int r = check_places(words);

	if (r >= 0)
		r = definitions_load(context->arena, ret,
				     words->count > 0 ? words : &context->templates,
				     &context->facts);
	if (r >= 0)
		load_applied(context, ret_applied, ret);
	if (r >= 0)
		r = check_only(context, ret, ret_applied);
	if (r >= 0)
		r = refuse_containers(context, ret);
	if (r < 0)
		return r;
	r = narrow(context, ret, words);
	if (r >= 0)
		r = check_next(context, ret, ret_applied);
	return r < 0 ? r : check_images(context, ret, ret_applied);
}

/* Facts that the options decide about. */
static int look_around(struct context *context)
{
	struct options *options = &context->options;
	struct program *program = &context->program;
	const char *const *environment = program->environment;

	if (options->json_automatic)
		options->table_format = program->terminal ? TABLE_JSON_PRETTY : TABLE_JSON_SHORT;
	program->format = options->table_format;
	program->no_legend = options->no_legend;
	program->no_pager = options->no_pager;
	context->scope = find_scope_of(geteuid(), environment);
	context->runtime = machine_runtime_directory(context->arena, geteuid(), environment);
	context->store = store_path(context->arena, &context->scope);
	find_settings(context->arena, &context->templates, &context->scope);
	definitions_facts(context->arena, &context->facts);
	context->facts.templates = &context->templates;
	if (context->store == NULL)
		return fail_input("cannot tell where the state of machines is: $HOME is not set");
	return 0;
}

/* gc above all: who thinks of one machine does not want those of others to go. */
static int refuse_only(const struct options *options, const struct verb *verb)
{
	static const char *const narrowed[] = { "plan", "apply", "diff", "rollback", "drift" };

	for (size_t i = 0; i < ARRAY_SIZE(narrowed); i++)
		if (text_equal(verb->name, narrowed[i]))
			return 0;
	return options->only.count == 0
		       ? 0
		       : fail_input("cannot use --only= with '%s': that is not about some machines "
				    "alone",
				    verb->name);
}

static int run(struct context *context, int argc, char **argv)
{
	struct options *options = &context->options;
	const struct program_line line = {
		.name = "redd",
		.options = &redd_options,
		.verbs = &redd_verbs,
		.values = options,
		.help = &options->help,
		.version = &options->version,
	};
	struct option_result result;
	const struct verb *verb;
	int r;

	r = program_parse(&context->program, &verb, &result, &line, argc, argv);
	if (r < 0 || verb == NULL)
		return r;
	r = refuse_only(options, verb);
	if (r >= 0)
		r = look_around(context);
	return r < 0 ? r : program_run_verb(&context->program, verb, context, &result.words);
}

int main(int argc, char **argv)
{
	autoarena struct arena arena = { 0 };
	struct context context = { .arena = &arena };

	program_begin(&context.program, &arena, argv);
	return program_end(run(&context, argc, argv));
}
