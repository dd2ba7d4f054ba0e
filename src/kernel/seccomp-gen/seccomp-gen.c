/* seccomp-gen - writes the built-in filters as C, or the default filter as a table.
 *
 * Runs on the machine that builds, linked with libseccomp:
 *   seccomp-gen source CPU     the source of kernel/seccomp-builtin.h
 *   seccomp-gen table CPU      one line for each call of each ABI: what the default filter answers
 *   seccomp-gen check CPU FILE fails when FILE is not that table
 */
#include <errno.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/macros.h"
#include "kernel/seccomp-compile.h"
#include "kernel/seccomp-list.h"
#include "kernel/seccomp-names.h"
#include "kernel/seccomp-set.h"
#include "kernel/seccomp-simulate.h"
#include "kernel/seccomp.h"

#define BIT(number) (UINT64_C(1) << (number))
#define ALL (~UINT64_C(0))

/* Of the capabilities that are kept by default, those that open a gate (the unit test compares). */
#define DEFAULT (BIT(CAP_SYS_PTRACE) | BIT(CAP_SYS_BOOT) | BIT(CAP_SYS_TTY_CONFIG))

static const struct {
	const char *name;
	uint64_t capabilities;
	bool suppress_sync;
	const char *description;
} variants[] = {
	{ "kept_by_default", DEFAULT, false, "default list, built in" },
	{ "kept_by_default_no_sync", DEFAULT, true, "default list, no sync, built in" },
	{ "all_kept", ALL, false, "default list for all capabilities, built in" },
	{ "all_kept_no_sync", ALL, true, "default list for all capabilities, no sync, built in" },
};

static int compile_variant(struct arena *arena, struct seccomp_program *ret, size_t variant,
			   uint32_t architecture, const struct seccomp_names *names)
{
	const struct seccomp_request request = {
		.capabilities = variants[variant].capabilities,
		.suppress_sync = variants[variant].suppress_sync,
	};
	const char *unknown;

	return seccomp_compile(arena, ret, &request, architecture, names, &unknown);
}

static int write_c(struct arena *arena, uint32_t architecture, const struct seccomp_names *names)
{
	struct seccomp_program program;
	int r;

	puts("#include \"kernel/seccomp-builtin.h\"\n\n#include <linux/filter.h>\n");
	for (size_t v = 0; v < ARRAY_SIZE(variants); v++) {
		r = compile_variant(arena, &program, v, architecture, names);
		if (r < 0)
			return r;
		printf("static const struct sock_filter %s[%u] = {\n", variants[v].name,
		       program.count);
		for (unsigned int i = 0; i < program.count; i++)
			printf("\t{ 0x%02x, %u, %u, 0x%08" PRIx32 " },\n",
			       program.instructions[i].code, program.instructions[i].jt,
			       program.instructions[i].jf, program.instructions[i].k);
		puts("};\n");
	}
	puts("const struct seccomp_builtin seccomp_builtins[] = {");
	for (size_t v = 0; v < ARRAY_SIZE(variants); v++)
		printf("\t{ UINT64_C(0x%" PRIx64 "), %d,\n"
		       "\t  { %s, sizeof(%s) / sizeof(struct sock_filter) },\n\t  \"%s\" },\n",
		       seccomp_list_gate_mask(variants[v].capabilities), variants[v].suppress_sync,
		       variants[v].name, variants[v].name, variants[v].description);
	printf("};\nconst size_t seccomp_builtin_count = %zu;\n", ARRAY_SIZE(variants));
	return 0;
}

struct line {
	uint32_t abi;
	int number;
	const char *name;
};

static int compare_lines(const void *a, const void *b)
{
	const struct line *x = a, *y = b;

	if (x->abi != y->abi)
		return x->abi < y->abi ? 1 : -1;
	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;
	return strcmp(x->name, y->name);
}

static const char *answer_name(uint32_t answer)
{
	switch (answer) {
	case SECCOMP_RET_ALLOW: return "allow";
	case SECCOMP_RET_ERRNO | EPERM: return "EPERM";
	case SECCOMP_RET_ERRNO | ENOSYS: return "ENOSYS";
	default: return "?";
	}
}

static const char *abi_name(uint32_t abi)
{
	switch (abi) {
	case SCMP_ARCH_X86_64: return "x86-64";
	case SCMP_ARCH_X86: return "i386";
	case SCMP_ARCH_X32: return "x32";
	case SCMP_ARCH_AARCH64: return "arm64";
	case SCMP_ARCH_ARM: return "arm";
	default: return "native";
	}
}

/* All names, in all ABIs. */
static size_t list_lines(struct arena *arena, struct line **ret, uint32_t architecture,
			 const struct seccomp_names *names)
{
	uint32_t abis[SECCOMP_COMPILE_ABIS_MAX];
	int abi_count = seccomp_compile_abis(abis, architecture);
	struct seccomp_set set;
	struct line *lines;
	size_t count = 0;

	seccomp_set_init(arena, &set);
	lines = arena_take_array(arena, set.count * SECCOMP_COMPILE_ABIS_MAX, sizeof(*lines));
	for (int a = 0; a < abi_count; a++)
		for (size_t i = 0; i < set.count; i++) {
			int number = seccomp_compile_number(names, abis[a], set.entries[i].name);

			if (number >= 0)
				lines[count++] = (struct line){ abis[a], number,
								set.entries[i].name };
		}
	qsort(lines, count, sizeof(*lines), compare_lines);
	*ret = lines;
	return count;
}

static int write_table(FILE *out, struct arena *arena, uint32_t architecture,
		       const struct seccomp_names *names)
{
	struct seccomp_program program;
	struct line *lines;
	size_t count;
	int r;

	r = compile_variant(arena, &program, 0, architecture, names);
	if (r < 0)
		return r;
	count = list_lines(arena, &lines, architecture, names);
	for (size_t i = 0; i < count; i++) {
		const struct seccomp_data data = {
			.nr = lines[i].number,
			.arch = seccomp_compile_audit(lines[i].abi),
		};
		uint32_t answer;

		r = seccomp_simulate(&answer, &program, &data);
		if (r < 0)
			return r;
		fprintf(out, "%-6s %4d %-6s %s\n", abi_name(lines[i].abi),
			lines[i].number & ~0x40000000, answer_name(answer), lines[i].name);
	}
	return 0;
}

static int check_table(struct arena *arena, uint32_t architecture,
		       const struct seccomp_names *names, const char *path)
{
	char *text = NULL, *line = NULL, *position;
	size_t size = 0, room = 0;
	int bad = 0, number = 0;
	FILE *memory = open_memstream(&text, &size), *file = fopen(path, "re");

	if (!memory || !file) {
		perror(path);
		return -EIO;
	}
	bad = write_table(memory, arena, architecture, names);
	fclose(memory);
	position = text;
	while (bad == 0 && getline(&line, &room, file) >= 0) {
		size_t length = strlen(line);

		number++;
		if (strncmp(position, line, length) != 0) {
			fprintf(stderr, "%s:%d: the filter says: %.*s\n", path, number,
				(int)strcspn(position, "\n"), position);
			bad = -EINVAL;
		}
		position += bad == 0 ? length : 0;
	}
	if (bad == 0 && *position != '\0') {
		fprintf(stderr, "%s: the filter has more: %s", path, position);
		bad = -EINVAL;
	}
	free(line);
	free(text);
	fclose(file);
	return bad;
}

int main(int argc, char **argv)
{
	autoarena struct arena arena = { 0 };
	struct seccomp_names names = { 0 };
	uint32_t architecture;
	int r = -EINVAL;

	if (argc < 3 || seccomp_names_open(&names) < 0)
		return EXIT_FAILURE;
	architecture = names.architecture(argv[2]);
	if (architecture == 0)
		architecture = names.native();
	if (strcmp(argv[1], "source") == 0)
		r = write_c(&arena, architecture, &names);
	else if (strcmp(argv[1], "table") == 0)
		r = write_table(stdout, &arena, architecture, &names);
	else if (strcmp(argv[1], "check") == 0 && argc == 4)
		r = check_table(&arena, architecture, &names, argv[3]);
	seccomp_names_close(&names);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
