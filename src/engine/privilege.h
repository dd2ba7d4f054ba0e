/* engine/privilege - the attributes of the payload process, one step each.
 *
 * Runs in: payload, after the tree is "/". Everything here is inherited by
 * exec; the order is the plan's. Speaking.
 */
#pragma once
#include <stdbool.h>

struct guest_user;
struct seccomp_filter;
struct spec;
struct step;

/* What the steps need besides their own fields. */
struct privilege {
	const struct spec *spec;
	const struct guest_user *user;
	const struct seccomp_filter *filter;
	int proc_fd; /* a clone of the fresh /proc that nothing covers (class S10) */
};

/* -ENOTSUP: not a kind of this module. */
int privilege_step(const struct privilege *privilege, const struct step *step);

/* Right after the id maps are written: become the container's root, without the caller's groups.
 * GROUPS_DENIED: the kernel forbids setgroups here (one id without root). */
int privilege_become_root(bool groups_denied);
