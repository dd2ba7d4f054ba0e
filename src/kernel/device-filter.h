/* kernel/device-filter - which device nodes the processes of a cgroup may open or make.
 *
 * An allow-list becomes a BPF program that the kernel asks at open and mknod, attached to a
 * cgroup v2 directory; it lives as long as the cgroup. For containers without a user namespace:
 * in one, the file systems allow no device anyway. Supervisor, needs CAP_BPF and CAP_NET_ADMIN
 * (or CAP_SYS_ADMIN). Quiet.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct bpf_insn;

#define DEVICE_FILTER_RULES_MAX 1024

/* RULES: "c 1:3 rwm, c 136-143:* rw, b 8:1 r", "" for none. Kinds: c, b, a (both). Numbers: one,
 * FIRST-LAST or *. Letters: read, write, mknod. What no single rule allows as a whole is denied.
 * A filter that is attached there already stays: both must allow.
 * -EINVAL: not of this form. -E2BIG: too many rules. */
int device_filter_attach(int cgroup_fd, const char *rules);

/* Somebody's filter, or a lack of rights, keeps this process from the device nodes that it makes,
 * and so all that it starts. Asked with numbers that no driver has. */
bool device_filter_is_there(void);

/* Pure: the program. */
int device_filter_build(struct arena *arena, struct bpf_insn **ret, size_t *ret_count,
			const char *rules);
