#include "kernel/device-filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/parse.h"
#include "base/text.h"
#include "io/fd.h"
#include "kernel/mount.h"
#include "kernel/syscall.h"

#define CONTEXT(field) offsetof(struct bpf_cgroup_dev_ctx, field)
#define ALL_ACCESS (BPF_DEVCG_ACC_MKNOD | BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE)

struct range {
	uint32_t first, last;
};

struct rule {
	int type; /* BPF_DEVCG_DEV_*; 0: both */
	struct range major, minor;
	int access;
};

/* ---- reading ---- */

static int parse_range(struct range *ret, char *text)
{
	char *last = strchr(text, '-');

	if (strcmp(text, "*") == 0) {
		*ret = (struct range){ 0, UINT32_MAX };
		return 0;
	}
	if (last)
		*last++ = '\0';
	if (parse_u32(&ret->first, text) < 0 || parse_u32(&ret->last, last ? last : text) < 0 ||
	    ret->first > ret->last)
		return -EINVAL;
	return 0;
}

static int parse_access(int *ret, const char *text)
{
	static const struct {
		char letter;
		int access;
	} letters[] = {
		{ 'r', BPF_DEVCG_ACC_READ },
		{ 'w', BPF_DEVCG_ACC_WRITE },
		{ 'm', BPF_DEVCG_ACC_MKNOD },
	};
	int access = 0;

	for (; *text; text++) {
		size_t i = 0;

		while (i < ARRAY_SIZE(letters) && letters[i].letter != *text)
			i++;
		if (i == ARRAY_SIZE(letters))
			return -EINVAL;
		access |= letters[i].access;
	}
	*ret = access;
	return access == 0 ? -EINVAL : 0;
}

static int parse_rule(struct arena *arena, struct rule *ret, const char *text)
{
	static const char kinds[] = "abc";
	struct text_list words = { 0 };
	const char *kind;
	char *minor;
	int r;

	text_split(arena, &words, text, " ");
	if (words.count != 3 || strlen(words.items[0]) != 1)
		return -EINVAL;
	kind = strchr(kinds, words.items[0][0]);
	minor = strchr(words.items[1], ':');
	if (!kind || !minor)
		return -EINVAL;
	*minor++ = '\0';
	ret->type = *kind == 'a' ? 0 : *kind == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR;
	r = parse_range(&ret->major, words.items[1]);
	if (r == 0)
		r = parse_range(&ret->minor, minor);
	return r == 0 ? parse_access(&ret->access, words.items[2]) : r;
}

/* ---- writing ---- */

struct program {
	struct bpf_insn *at;
};

static void add(struct program *program, int code, int to, int from, int offset, uint32_t value)
{
	*program->at++ = (struct bpf_insn){
		.code = (uint8_t)code,
		.dst_reg = (uint8_t)to & 0xf,
		.src_reg = (uint8_t)from & 0xf,
		.off = (int16_t)offset,
		.imm = (int32_t)value,
	};
}

/* Registers: 2 kind, 3 access, 4 major, 5 minor; 0 is the result. */
static void begin(struct program *program)
{
	const int load = BPF_LDX | BPF_MEM | BPF_W;

	add(program, load, BPF_REG_2, BPF_REG_1, CONTEXT(access_type), 0);
	add(program, BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_3, BPF_REG_2, 0, 0);
	add(program, BPF_ALU64 | BPF_AND | BPF_K, BPF_REG_2, 0, 0, 0xffff);
	add(program, BPF_ALU64 | BPF_RSH | BPF_K, BPF_REG_3, 0, 0, 16);
	add(program, load, BPF_REG_4, BPF_REG_1, CONTEXT(major), 0);
	add(program, load, BPF_REG_5, BPF_REG_1, CONTEXT(minor), 0);
}

static void end(struct program *program, uint32_t result)
{
	add(program, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, result);
	add(program, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

/* The jumps leave for the next rule, which is not there yet: its distance is set afterwards. */
static void add_range(struct program *program, int reg, const struct range *range)
{
	if (range->first > 0)
		add(program, BPF_JMP32 | BPF_JLT | BPF_K, reg, 0, 0, range->first);
	if (range->last < UINT32_MAX)
		add(program, BPF_JMP32 | BPF_JGT | BPF_K, reg, 0, 0, range->last);
}

static void add_rule(struct program *program, const struct rule *rule)
{
	struct bpf_insn *first = program->at;
	uint32_t denied = ~(uint32_t)rule->access;

	if (rule->type)
		add(program, BPF_JMP32 | BPF_JNE | BPF_K, BPF_REG_2, 0, 0, (uint32_t)rule->type);
	if (rule->access != ALL_ACCESS)
		add(program, BPF_JMP32 | BPF_JSET | BPF_K, BPF_REG_3, 0, 0, denied);
	add_range(program, BPF_REG_4, &rule->major);
	add_range(program, BPF_REG_5, &rule->minor);
	for (struct bpf_insn *jump = first; jump < program->at; jump++)
		jump->off = (int16_t)(program->at + 2 - (jump + 1));
	end(program, 1);
}

#define INSTRUCTIONS_AROUND 8
#define INSTRUCTIONS_PER_RULE 8

int device_filter_build(struct arena *arena, struct bpf_insn **ret, size_t *ret_count,
			const char *rules)
{
	struct text_list list = { 0 };
	struct program program;
	struct bpf_insn *first;

	text_split(arena, &list, rules, ",");
	if (list.count > DEVICE_FILTER_RULES_MAX)
		return -E2BIG;
	first = arena_take_array(arena, INSTRUCTIONS_AROUND + list.count * INSTRUCTIONS_PER_RULE,
				 sizeof(*first));
	program.at = first;
	begin(&program);
	for (size_t i = 0; i < list.count; i++) {
		struct rule rule;
		int r = parse_rule(arena, &rule, list.items[i]);

		if (r < 0)
			return r;
		add_rule(&program, &rule);
	}
	end(&program, 0);
	*ret = first;
	*ret_count = (size_t)(program.at - first);
	return 0;
}

int device_filter_attach(int cgroup_fd, const char *rules)
{
	autoarena struct arena arena = { 0 };
	autoclose int program = -EBADF;
	union bpf_attr attr;
	struct bpf_insn *code;
	size_t count;
	int r;

	r = device_filter_build(&arena, &code, &count, rules);
	if (r < 0)
		return r;
	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
	attr.insns = (uintptr_t)code;
	attr.insn_cnt = (uint32_t)count;
	attr.license = (uintptr_t) "Dual MIT/GPL";
	program = sys_bpf(BPF_PROG_LOAD, &attr, sizeof(attr));
	if (program < 0)
		return take_fd(&program);

	memset(&attr, 0, sizeof(attr));
	attr.target_fd = (uint32_t)cgroup_fd;
	attr.attach_bpf_fd = (uint32_t)program;
	attr.attach_type = BPF_CGROUP_DEVICE;
	attr.attach_flags = BPF_F_ALLOW_MULTI;
	r = sys_bpf(BPF_PROG_ATTACH, &attr, sizeof(attr));
	return r < 0 ? r : 0;
}

/* ---- somebody else's ---- */

#define UNUSED_MAJOR 60 /* the first of those for experiments */

/* Filters are asked before drivers are looked for: without one there just is no such device. */
static bool is_refused(int dir_fd, mode_t type)
{
	autoclose int fd = -EBADF;
	int r;

	if (mknodat(dir_fd, "node", type | 0600, makedev(UNUSED_MAJOR, 0)) < 0)
		return errno == EPERM;
	fd = openat(dir_fd, "node", O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	r = errno;
	unlinkat(dir_fd, "node", 0);
	return fd < 0 && r == EPERM;
}

bool device_filter_is_there(void)
{
	autoclose int room = mount_create("tmpfs", "tmpfs", "mode=0700", 0);

	return room >= 0 && is_refused(room, S_IFCHR) && is_refused(room, S_IFBLK);
}
