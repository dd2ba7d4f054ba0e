#include "kernel/seccomp-simulate.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <string.h>

#include "kernel/seccomp.h"

static bool holds(const struct sock_filter *i, uint32_t accumulator)
{
	switch (BPF_OP(i->code)) {
	case BPF_JEQ: return accumulator == i->k;
	case BPF_JGT: return accumulator > i->k;
	case BPF_JGE: return accumulator >= i->k;
	default: return accumulator & i->k;
	}
}

int seccomp_simulate(uint32_t *ret, const struct seccomp_program *program,
		     const struct seccomp_data *data)
{
	uint32_t accumulator = 0;

	/* Jumps lead forward only, so this ends. */
	for (uint64_t place = 0; place < program->count; place++) {
		const struct sock_filter *i = program->instructions + place;

		switch (i->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			if (i->k % sizeof(accumulator) != 0 || i->k >= sizeof(*data))
				return -EINVAL;
			memcpy(&accumulator, (const char *)data + i->k, sizeof(accumulator));
			break;
		case BPF_ALU | BPF_AND | BPF_K: accumulator &= i->k; break;
		case BPF_JMP | BPF_JA: place += i->k; break;
		case BPF_JMP | BPF_JEQ | BPF_K:
		case BPF_JMP | BPF_JGT | BPF_K:
		case BPF_JMP | BPF_JGE | BPF_K:
		case BPF_JMP | BPF_JSET | BPF_K:
			place += holds(i, accumulator) ? i->jt : i->jf;
			break;
		case BPF_RET | BPF_K: *ret = i->k; return 0;
		default: return -EINVAL;
		}
	}
	return -EINVAL;
}
