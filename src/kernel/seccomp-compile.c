#include "kernel/seccomp-compile.h"

#include <errno.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/macros.h"
#include "kernel/seccomp-emit.h"
#include "kernel/seccomp-list.h"
#include "kernel/seccomp-names.h"
#include "kernel/seccomp-set.h"

/* linux/audit.h and arch/x86/include/uapi/asm/unistd.h: x32 has one more bit in the number. */
#define X32_BIT 0x40000000

/* Below this a number means the same call in both, if x32 has it at all (syscall_64.tbl): the
 * kernel has no other answer than ENOSYS to a shared number that is not x32's. */
#define X32_OWN 512

#define NUMBERS_MAX 1024 /* of an ABI that has multiplexers; the kernel uses fewer than 500 */
#define FAMILIES_MAX 64

static const uint32_t abis[][SECCOMP_COMPILE_ABIS_MAX] = {
	{ SCMP_ARCH_X86_64, SCMP_ARCH_X86, SCMP_ARCH_X32 },
	{ SCMP_ARCH_AARCH64, SCMP_ARCH_ARM },
	{ SCMP_ARCH_S390X, SCMP_ARCH_S390 },
};

int seccomp_compile_abis(uint32_t ret[SECCOMP_COMPILE_ABIS_MAX], uint32_t architecture)
{
	int count = 1;

	ret[0] = architecture;
	for (size_t i = 0; i < ARRAY_SIZE(abis); i++)
		if (abis[i][0] == architecture)
			while (count < SECCOMP_COMPILE_ABIS_MAX && abis[i][count] != 0) {
				ret[count] = abis[i][count];
				count++;
			}
	return count;
}

uint32_t seccomp_compile_audit(uint32_t abi)
{
	return abi == SCMP_ARCH_X32 ? AUDIT_ARCH_X86_64 : abi;
}

/* These two have a place for their numbers of their own in each ABI. */
static bool numbers_are_unified(uint32_t abi)
{
	uint32_t machine = abi & 0xffff;

	return machine != EM_MIPS && machine != EM_ALPHA;
}

static int newer_number(uint32_t abi, const char *name)
{
	for (size_t i = 0; i < seccomp_list_newer_count; i++) {
		const struct seccomp_list_newer *newer = seccomp_list_newer + i;

		if (strcmp(newer->name, name) != 0)
			continue;
		if (newer->only != 0 ? newer->only != abi : !numbers_are_unified(abi))
			return -ENOENT;
		return newer->number | (abi == SCMP_ARCH_X32 ? X32_BIT : 0);
	}
	return -ENOENT;
}

static bool is_multiplexed(int number)
{
	/* libseccomp's pseudo numbers of what socketcall(2) and ipc(2) can do. */
	return number <= -100 && number > -300;
}

static int direct_number(const struct seccomp_names *names, uint32_t abi, const char *name)
{
	for (int number = 0; number < NUMBERS_MAX; number++) {
		char *found = names->name(abi, number);
		bool equal = found && strcmp(found, name) == 0;

		free(found);
		if (equal)
			return number;
	}
	return -ENOENT;
}

int seccomp_compile_number(const struct seccomp_names *names, uint32_t abi, const char *name)
{
	int number = names->number(abi, name);

	if (number >= 0)
		return number;
	if (is_multiplexed(number))
		return direct_number(names, abi, name);
	return newer_number(abi, name);
}

struct compiler {
	struct arena *arena;
	const struct seccomp_names *names;
	const struct seccomp_request *request;
	uint32_t abis[SECCOMP_COMPILE_ABIS_MAX];
	int abi_count;
	struct seccomp_set set;
	struct seccomp_emit_families families;
	const char *unknown; /* words that nobody knows, with a blank between them */
};

static void note_unknown(struct compiler *c, const char *word)
{
	c->unknown = c->unknown ? arena_format(c->arena, "%s %s", c->unknown, word)
				: arena_text(c->arena, word);
}

/* The installed library may know names that are younger than our list. */
static bool library_knows(const struct compiler *c, const char *name)
{
	for (int i = 0; i < c->abi_count; i++)
		if (c->names->number(c->abis[i], name) != __NR_SCMP_ERROR)
			return true;
	return false;
}

/* Raise the action of one word that the user gave. */
static int raise_word(struct compiler *c, const char *word, enum seccomp_action action)
{
	const char *members;

	if (strcmp(word, "@known") == 0) {
		for (size_t i = 0; i < c->set.count; i++)
			c->set.entries[i].action = MAX(c->set.entries[i].action, action);
		return 0;
	}
	if (*word == '@') {
		members = seccomp_list_members(word);
		if (!members)
			return -ENOENT;
		seccomp_set_raise(c->arena, &c->set, members, action);
		return 0;
	}
	if (!seccomp_set_find(&c->set, word) && !library_knows(c, word))
		return -ENOENT;
	return seccomp_set_add(c->arena, &c->set, word, action);
}

static int raise_list(struct compiler *c, const struct text_list *words, enum seccomp_action action)
{
	int r = 0;

	for (size_t i = 0; words && i < words->count; i++) {
		int word_result = raise_word(c, words->items[i], action);

		if (word_result == -ENOENT)
			note_unknown(c, words->items[i]);
		if (word_result < 0)
			r = word_result;
	}
	return r;
}

static void make_special(struct compiler *c, const char *list, enum seccomp_action action)
{
	const char *word;
	size_t length;

	while ((length = seccomp_list_next(&list, &word)) > 0) {
		const char *name = arena_text_n(c->arena, word, length);
		struct seccomp_set_entry *entry = seccomp_set_find(&c->set, name);

		if (entry->action == SECCOMP_ALLOW)
			entry->action = action;
	}
}

/* The allow list, then what is special about what is allowed, then the deny list: it wins. */
static int fill_set(struct compiler *c)
{
	const struct seccomp_request *request = c->request;
	int r;

	seccomp_set_init(c->arena, &c->set);
	seccomp_set_raise(c->arena, &c->set, seccomp_list_default, SECCOMP_ALLOW);
	for (size_t i = 0; i < seccomp_list_gate_count; i++)
		if (request->capabilities & (UINT64_C(1) << seccomp_list_gates[i].capability))
			seccomp_set_raise(c->arena, &c->set, seccomp_list_gates[i].members,
					  SECCOMP_ALLOW);
	r = raise_list(c, request->allow, SECCOMP_ALLOW);
	if (r < 0 && r != -ENOENT)
		return r;
	make_special(c, "socket", SECCOMP_SOCKET);
	make_special(c, "ioctl", SECCOMP_IOCTL);
	if (request->families)
		make_special(c, "socketcall", SECCOMP_SOCKETCALL);
	if (request->suppress_sync) {
		make_special(c, "sync msync", SECCOMP_SUCCEED);
		make_special(c, "fsync fdatasync syncfs sync_file_range sync_file_range2",
			     SECCOMP_SUCCEED_FD);
		make_special(c, "open", SECCOMP_OPEN);
		make_special(c, "openat", SECCOMP_OPENAT);
	}
	return raise_list(c, request->deny, SECCOMP_DENY);
}

static int fill_families(struct compiler *c)
{
	const struct text_list *words = c->request->families;
	uint16_t *numbers = arena_take_array(c->arena, FAMILIES_MAX, sizeof(*numbers));
	size_t count = 0;
	int r = 0;

	for (size_t i = 0; words && i < words->count; i++) {
		int family = seccomp_list_family(words->items[i]);

		if (strcmp(words->items[i], "none") == 0)
			continue;
		if (family < 0) {
			note_unknown(c, words->items[i]);
			r = -ENOENT;
		} else if (count == FAMILIES_MAX) {
			r = -E2BIG;
		} else {
			numbers[count++] = (uint16_t)family;
		}
	}
	c->families = (struct seccomp_emit_families){
		.numbers = numbers,
		.count = count,
		.deny = c->request->families_deny,
	};
	return r;
}

static void add_rule(struct seccomp_emit_table *table, int number, enum seccomp_action action)
{
	table->rules[table->count++] = (struct seccomp_emit_rule){
		.number = (uint32_t)number,
		.action = action,
	};
}

/* Calls that socketcall(2) and ipc(2) also do. libseccomp gives no number for such a name, but it
 * names the number; asked once for each number instead of once for each name. */
static void add_multiplexed(struct compiler *c, struct seccomp_emit_table *table, uint32_t abi)
{
	for (int number = 0; number < NUMBERS_MAX; number++) {
		char *name = c->names->name(abi, number);
		struct seccomp_set_entry *entry = name ? seccomp_set_find(&c->set, name) : NULL;

		if (entry && is_multiplexed(c->names->number(abi, name)))
			add_rule(table, number, entry->action);
		free(name);
	}
}

static void fill_table(struct compiler *c, struct seccomp_emit_table *table, uint32_t abi)
{
	bool multiplexed = false;

	for (size_t i = 0; i < c->set.count; i++) {
		const struct seccomp_set_entry *entry = c->set.entries + i;
		int number = c->names->number(abi, entry->name);

		if (is_multiplexed(number))
			multiplexed = true;
		else if (number < 0)
			number = newer_number(abi, entry->name);
		if (number >= 0)
			add_rule(table, number, entry->action);
	}
	if (multiplexed)
		add_multiplexed(c, table, abi);
}

/* ABIs of one architecture share a table. */
static int fill_tables(struct compiler *c, struct seccomp_emit_table *tables)
{
	int count = 0;

	for (int i = 0; i < c->abi_count; i++) {
		uint32_t audit = seccomp_compile_audit(c->abis[i]);
		int k = 0;

		while (k < count && tables[k].architecture != audit)
			k++;
		if (k == count) {
			tables[count++] = (struct seccomp_emit_table){
				.architecture = audit,
				.rules = arena_take_array(c->arena,
							  SECCOMP_COMPILE_ABIS_MAX *
								  (SECCOMP_SET_MAX + NUMBERS_MAX),
							  sizeof(*tables->rules)),
			};
		}
		if (c->abis[i] == SCMP_ARCH_X32) {
			tables[k].shared_bit = X32_BIT;
			tables[k].shared_below = X32_OWN;
		}
		fill_table(c, tables + k, c->abis[i]);
	}
	return count;
}

int seccomp_compile(struct arena *arena, struct seccomp_program *ret,
		    const struct seccomp_request *request, uint32_t architecture,
		    const struct seccomp_names *names, const char **ret_unknown)
{
	struct compiler c = { .arena = arena, .names = names, .request = request };
	struct seccomp_emit_table tables[SECCOMP_COMPILE_ABIS_MAX];
	int count, r, families_result;

	c.abi_count = seccomp_compile_abis(c.abis, architecture);
	r = fill_set(&c);
	families_result = fill_families(&c);
	*ret_unknown = c.unknown;
	if (r < 0)
		return r;
	if (families_result < 0)
		return families_result;
	count = fill_tables(&c, tables);
	return seccomp_emit(arena, ret, tables, (size_t)count,
			    request->families ? &c.families : NULL);
}
