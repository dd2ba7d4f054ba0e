#include "kernel/seccomp-emit.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf_common.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/arena.h"
#include "base/macros.h"
#include "kernel/seccomp.h"

#define LOAD (BPF_LD | BPF_W | BPF_ABS)
#define RETURN (BPF_RET | BPF_K)
#define JUMP (BPF_JMP | BPF_JA)
#define CLEAR_BITS (BPF_ALU | BPF_AND | BPF_K)
#define IF_EQUAL (BPF_JMP | BPF_JEQ | BPF_K)
#define IF_AT_LEAST (BPF_JMP | BPF_JGE | BPF_K)
#define IF_ANY_BIT (BPF_JMP | BPF_JSET | BPF_K)

#define SIGN_BIT 0x80000000u
#define ERRNO(code) (SECCOMP_RET_ERRNO | (code))

/* Farther than this a conditional jump goes over a helper. Its offset has 8 bits, and a
 * branch may have to put up to two helpers between itself and its targets. */
#define REACH 250

#define SOCKETCALL_SOCKET 1 /* SYS_SOCKET of linux/net.h */

/* Instructions are written last first: jumps only lead forward, so every target is known
 * when the jump is written. A place is counted from the program's end. */
struct emitter {
	struct sock_filter *instructions; /* BPF_MAXINSNS of them */
	unsigned int count;
	bool full;
	const struct seccomp_emit_families *families;
	unsigned int answers[SECCOMP_ACTIONS]; /* place of each action's code + 1; 0: not written */
};

struct range {
	uint32_t start; /* up to the next range's start */
	uint32_t action;
	uint32_t weight;
};

static struct sock_filter *at(struct emitter *e, unsigned int place)
{
	return e->instructions + BPF_MAXINSNS - 1 - place;
}

static unsigned int put(struct emitter *e, uint16_t code, uint32_t k)
{
	if (e->count == BPF_MAXINSNS) {
		e->full = true;
		return 0;
	}
	*at(e, e->count) = (struct sock_filter){ .code = code, .k = k };
	return e->count++;
}

static unsigned int answer(struct emitter *e, uint32_t value)
{
	for (unsigned int back = 1; back <= REACH && back <= e->count; back++) {
		const struct sock_filter *found = at(e, e->count - back);

		if (found->code == RETURN && found->k == value)
			return e->count - back;
	}
	return put(e, RETURN, value);
}

/* A place that does what TARGET does and that a conditional jump reaches. */
static unsigned int near(struct emitter *e, unsigned int target)
{
	if (e->count - target <= REACH)
		return target;
	if (at(e, target)->code == RETURN)
		return answer(e, at(e, target)->k);
	return put(e, JUMP, e->count - target - 1);
}

static unsigned int branch(struct emitter *e, uint16_t code, uint32_t k, unsigned int yes,
			   unsigned int no)
{
	unsigned int place;

	yes = near(e, yes);
	no = near(e, no);
	place = put(e, code, k);
	at(e, place)->jt = (uint8_t)(place - yes - 1);
	at(e, place)->jf = (uint8_t)(place - no - 1);
	return place;
}

/* An instruction that is no jump goes on with the one behind it, so NEXT has to be there. */
static unsigned int put_before(struct emitter *e, uint16_t code, uint32_t k, unsigned int next)
{
	if (next + 1 != e->count)
		put(e, JUMP, e->count - next - 1);
	return put(e, code, k);
}

static unsigned int load(struct emitter *e, size_t offset, unsigned int next)
{
	return put_before(e, LOAD, (uint32_t)offset, next);
}

/* The low word of an argument. The kernel takes all arguments that are looked at here as int or
 * unsigned int, so the high word must not decide: a caller could put anything there. */
static unsigned int load_argument(struct emitter *e, unsigned int index, unsigned int next)
{
	size_t low = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? 0 : sizeof(uint32_t);

	return load(e, offsetof(struct seccomp_data, args[index]) + low, next);
}

static unsigned int socket_answer(struct emitter *e)
{
	unsigned int refuse = answer(e, ERRNO(EAFNOSUPPORT)), allow = answer(e, SECCOMP_RET_ALLOW);
	unsigned int next;

	next = branch(e, IF_EQUAL, NETLINK_AUDIT, refuse, allow);
	next = load_argument(e, 2, next);
	next = branch(e, IF_EQUAL, AF_NETLINK, next, allow);
	if (e->families) {
		unsigned int listed = e->families->deny ? refuse : next;

		if (!e->families->deny)
			next = refuse;
		for (size_t i = 0; i < e->families->count; i++)
			next = branch(e, IF_EQUAL, e->families->numbers[i], listed, next);
	}
	return load_argument(e, 0, next);
}

static unsigned int test_answer(struct emitter *e, unsigned int argument, uint16_t code, uint32_t k,
				uint32_t yes, uint32_t no)
{
	unsigned int next, if_yes = answer(e, yes), if_no = answer(e, no);

	next = branch(e, code, k, if_yes, if_no);
	return load_argument(e, argument, next);
}

/* TIOCLINUX pastes what it selected itself on a console. Its other subcommands are refused with
 * it: the subcommand lies in memory, where a filter cannot look. */
static unsigned int ioctl_answer(struct emitter *e)
{
	unsigned int refuse = answer(e, ERRNO(EPERM)), next = answer(e, SECCOMP_RET_ALLOW);

	next = branch(e, IF_EQUAL, TIOCLINUX, refuse, next);
	next = branch(e, IF_EQUAL, TIOCSTI, refuse, next);
	return load_argument(e, 1, next);
}

static unsigned int write_action(struct emitter *e, uint32_t action)
{
	switch ((enum seccomp_action)action) {
	case SECCOMP_REFUSE:
	case SECCOMP_DENY: return answer(e, ERRNO(EPERM));
	case SECCOMP_ALLOW: return answer(e, SECCOMP_RET_ALLOW);
	case SECCOMP_SUCCEED: return answer(e, ERRNO(0));
	case SECCOMP_SUCCEED_FD:
		return test_answer(e, 0, IF_ANY_BIT, SIGN_BIT, SECCOMP_RET_ALLOW, ERRNO(0));
	case SECCOMP_OPEN:
		return test_answer(e, 1, IF_ANY_BIT, O_SYNC | O_DSYNC, ERRNO(EINVAL),
				   SECCOMP_RET_ALLOW);
	case SECCOMP_OPENAT:
		return test_answer(e, 2, IF_ANY_BIT, O_SYNC | O_DSYNC, ERRNO(EINVAL),
				   SECCOMP_RET_ALLOW);
	case SECCOMP_SOCKET: return socket_answer(e);
	case SECCOMP_SOCKETCALL:
		return test_answer(e, 0, IF_EQUAL, SOCKETCALL_SOCKET, ERRNO(EAFNOSUPPORT),
				   SECCOMP_RET_ALLOW);
	case SECCOMP_IOCTL: return ioctl_answer(e);
	case SECCOMP_UNKNOWN:
	case SECCOMP_ACTIONS: break;
	}
	return answer(e, ERRNO(ENOSYS));
}

static unsigned int action_answer(struct emitter *e, uint32_t action)
{
	/* Bare answers are found again by answer(), nearer. */
	if (e->answers[action] == 0 || at(e, e->answers[action] - 1)->code == RETURN)
		e->answers[action] = write_action(e, action) + 1;
	return e->answers[action] - 1;
}

/* Halve by weight, not by count: the kernel walks this tree once for each number when the
 * filter is installed. */
static size_t middle(const struct range *ranges, size_t count)
{
	uint32_t total = 0, left = 0;
	size_t i;

	for (i = 0; i < count; i++)
		total += ranges[i].weight;
	for (i = 1; i < count - 1; i++) {
		left += ranges[i - 1].weight;
		if (2 * left + ranges[i].weight > total)
			break;
	}
	return i;
}

static unsigned int write_tree(struct emitter *e, const struct range *ranges, size_t count)
{
	unsigned int right, left;
	size_t split;

	if (count == 1)
		return action_answer(e, ranges->action);
	split = middle(ranges, count);
	right = write_tree(e, ranges + split, count - split);
	left = write_tree(e, ranges, split);
	return branch(e, IF_AT_LEAST, ranges[split].start, right, left);
}

static int compare_rules(const void *a, const void *b)
{
	const struct seccomp_emit_rule *x = a, *y = b;

	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;
	return x->action < y->action ? 1 : x->action > y->action ? -1 : 0; /* higher first */
}

static void add_range(struct range *ranges, size_t *count, uint32_t start, uint32_t action)
{
	if (*count > 0 && ranges[*count - 1].action == action)
		return;
	if (*count > 0 && ranges[*count - 1].start == start)
		(*count)--; /* the first one, when its ABI has number 0 */
	ranges[(*count)++] = (struct range){ .start = start, .action = action };
}

/* The ranges of one of the table's ABIs. Gaps become ranges of their own; neighbours with one
 * action become one range. */
static size_t make_ranges(struct range *ret, const struct seccomp_emit_table *table, uint32_t bit)
{
	uint64_t next = bit + (bit == 0 ? 0 : table->shared_below);
	size_t count = 0;

	add_range(ret, &count, (uint32_t)next, SECCOMP_UNKNOWN);
	for (size_t i = 0; i < table->count; i++) {
		const struct seccomp_emit_rule *rule = table->rules + i;
		uint32_t action = rule->action == SECCOMP_DENY ? SECCOMP_REFUSE : rule->action;

		if (rule->number < next)
			continue; /* a second name of the same number, or shared */
		if ((rule->number & table->shared_bit) != bit)
			continue;
		if (rule->number > next)
			add_range(ret, &count, (uint32_t)next, SECCOMP_UNKNOWN);
		add_range(ret, &count, rule->number, action);
		next = (uint64_t)rule->number + 1;
	}
	if (next <= UINT32_MAX)
		add_range(ret, &count, (uint32_t)next, SECCOMP_UNKNOWN);
	return count;
}

static unsigned int write_abi(struct emitter *e, struct arena *arena,
			      const struct seccomp_emit_table *table, uint32_t bit)
{
	struct range *ranges = arena_take_array(arena, 2 * table->count + 2, sizeof(*ranges));
	size_t count = make_ranges(ranges, table, bit);

	for (size_t i = 0; i < count; i++) {
		uint32_t width = i + 1 < count ? ranges[i + 1].start - ranges[i].start : 1;

		ranges[i].weight = MIN(width, 64u);
	}
	return write_tree(e, ranges, count);
}

static unsigned int write_table(struct emitter *e, struct arena *arena,
				const struct seccomp_emit_table *table)
{
	uint32_t bit = table->shared_bit;
	unsigned int first, own, shared;

	if (table->count > 0)
		qsort(table->rules, table->count, sizeof(*table->rules), compare_rules);
	first = write_abi(e, arena, table, 0);
	if (bit != 0) {
		own = write_abi(e, arena, table, bit);
		shared = put_before(e, CLEAR_BITS, ~bit, first);
		shared = branch(e, IF_AT_LEAST, bit | table->shared_below, own, shared);
		first = branch(e, IF_ANY_BIT, bit, shared, first);
	}
	return load(e, offsetof(struct seccomp_data, nr), first);
}

int seccomp_emit(struct arena *arena, struct seccomp_program *ret,
		 const struct seccomp_emit_table *tables, size_t count,
		 const struct seccomp_emit_families *families)
{
	struct emitter e = {
		.instructions = arena_take_array(arena, BPF_MAXINSNS, sizeof(struct sock_filter)),
		.families = families,
	};
	unsigned int *starts = arena_take_array(arena, count, sizeof(*starts)), next;

	for (size_t i = count; i-- > 0;)
		starts[i] = write_table(&e, arena, tables + i);
	next = answer(&e, ERRNO(ENOSYS));
	for (size_t i = count; i-- > 0;)
		next = branch(&e, IF_EQUAL, tables[i].architecture, starts[i], next);
	load(&e, offsetof(struct seccomp_data, arch), next);
	if (e.full)
		return -E2BIG;
	*ret = (struct seccomp_program){
		.instructions = at(&e, e.count - 1),
		.count = (unsigned short)e.count,
	};
	return 0;
}
