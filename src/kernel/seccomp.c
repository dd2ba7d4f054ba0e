#include "kernel/seccomp.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string.h>

#include "base/arena.h"
#include "base/list.h"
#include "kernel/seccomp-builtin.h"
#include "kernel/seccomp-compile.h"
#include "kernel/seccomp-list.h"
#include "kernel/seccomp-names.h"
#include "kernel/syscall.h"

static bool is_empty(const struct text_list *list)
{
	return !list || list->count == 0;
}

static const struct seccomp_builtin *find_builtin(const struct seccomp_request *request)
{
	uint64_t gates = seccomp_list_gate_mask(request->capabilities);

	if (!is_empty(request->allow) || !is_empty(request->deny) || request->families)
		return NULL;
	for (size_t i = 0; i < seccomp_builtin_count; i++)
		if (seccomp_builtins[i].gates == gates &&
		    seccomp_builtins[i].suppress_sync == request->suppress_sync)
			return seccomp_builtins + i;
	return NULL;
}

static int compile(struct arena *arena, struct seccomp_program *ret,
		   const struct seccomp_request *request, const char **ret_unknown)
{
	/* The tables are much larger than the program, and the supervisor lives long. */
	autoarena struct arena scratch = { 0 };
	struct seccomp_names names = { 0 };
	struct seccomp_program program;
	const char *unknown = NULL;
	struct sock_filter *copy;
	int r;

	r = seccomp_names_open(&names);
	if (r < 0)
		return r;
	r = seccomp_compile(&scratch, &program, request, names.native(), &names, &unknown);
	seccomp_names_close(&names);
	*ret_unknown = arena_text(arena, unknown);
	if (r < 0)
		return r;
	copy = arena_take_array(arena, program.count, sizeof(*copy));
	memcpy(copy, program.instructions, program.count * sizeof(*copy));
	*ret = (struct seccomp_program){ .instructions = copy, .count = program.count };
	return 0;
}

int seccomp_select(struct arena *arena, struct seccomp_filter *ret,
		   const struct seccomp_request *request, const char **ret_unknown)
{
	struct seccomp_filter filter = { .count = 1, .description = "compiled with libseccomp" };
	struct seccomp_request normal = *request;
	const struct seccomp_builtin *builtin;
	int r;

	*ret_unknown = NULL;
	/* A list without a word asks for no filter; to refuse all there is the word "none". */
	if (is_empty(normal.families))
		normal.families = NULL;
	builtin = find_builtin(&normal);
	if (builtin) {
		filter.programs[0] = builtin->program;
		filter.description = builtin->description;
	} else {
		r = compile(arena, &filter.programs[0], &normal, ret_unknown);
		if (r < 0)
			return r;
	}
	*ret = filter;
	return 0;
}

int seccomp_install(const struct seccomp_filter *filter)
{
	for (size_t i = 0; i < filter->count; i++) {
		struct sock_fprog program = {
			.len = filter->programs[i].count,
			.filter = (struct sock_filter *)filter->programs[i].instructions,
		};
		int r = sys_seccomp(SECCOMP_SET_MODE_FILTER, 0, &program);

		if (r < 0)
			return r;
	}
	return 0;
}

bool seccomp_available(void)
{
	/* Without a program the kernel gets as far as reading it. */
	return sys_seccomp(SECCOMP_SET_MODE_FILTER, 0, NULL) == -EFAULT;
}
