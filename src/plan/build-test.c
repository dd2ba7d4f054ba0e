#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>

#include "base/fail.h"
#include "base/path.h"
#include "base/text.h"
#include "base/unit.h"
#include "plan/sample.h"
#include "plan/words.h"

/* What the tests below are true of: bits of the number are independent choices. */
#define VARIANTS (5 * 2 * 2 * 2 * 2 * 5)

static void make_variant(struct sample *sample, int number)
{
	struct spec *spec = &sample->spec;
	struct taken *taken = &sample->taken;

	sample_init(sample);
	taken->userns = (enum userns_rung)(number % 5);
	number /= 5;
	spec->private_network = number & 1 ? TRISTATE_YES : TRISTATE_NO;
	taken->network_shared = !(number & 1);
	spec->nesting = number & 2;
	spec->read_only = number & 4 ? TRISTATE_YES : TRISTATE_NO;
	taken->cgroup = number & 8 ? CGROUP_NONE : CGROUP_OWN;
	spec->volatile_mode = (enum volatile_mode)((number >> 4) % 4);
	if ((number >> 4) == 4)
		memset(&sample->root.has_bin, 0, 4 * sizeof(bool));
	taken->ownership_map = taken->userns == RUNG_IDMAPPED;
	if (taken->userns == RUNG_NONE)
		taken->base = taken->range = 0;
}

static void for_each_variant(void (*check)(struct sample *sample))
{
	for (int i = 0; i < VARIANTS; i++) {
		struct sample sample;

		make_variant(&sample, i);
		ck_assert_int_eq(sample_build(&sample), 0);
		check(&sample);
		sample_done(&sample);
	}
}

static ssize_t find(const struct plan *plan, enum step_kind kind, const char *target)
{
	for (size_t i = 0; i < plan->count; i++)
		if (plan->steps[i].kind == kind &&
		    (!target || text_equal(plan->steps[i].target, target)))
			return (ssize_t)i;
	return -1;
}

static ssize_t require(const struct plan *plan, enum step_kind kind, const char *target)
{
	ssize_t at = find(plan, kind, target);

	ck_assert_msg(at >= 0, "no step of kind %d for %s", (int)kind, target ? target : "-");
	return at;
}

static void check_reasons(struct sample *sample)
{
	for (size_t i = 0; i < sample->plan.count; i++) {
		const struct step *step = &sample->plan.steps[i];

		ck_assert_ptr_nonnull(step->reason);
		ck_assert_str_ne(step->reason, "");
		ck_assert_ptr_nonnull(plan_describe(&sample->arena, step));
		if (i > 0)
			ck_assert_int_ge(step->side, sample->plan.steps[i - 1].side);
	}
	ck_assert_int_eq(sample->plan.steps[sample->plan.count - 1].kind, STEP_EXEC);
}

START_TEST(every_step_has_a_reason_and_sides_follow_each_other)
{
	for_each_variant(check_reasons);
}
END_TEST

static void check_locks(struct sample *sample)
{
	for (size_t i = 0; i < sample->plan.count; i++) {
		const struct step *step = &sample->plan.steps[i];
		bool locked = words_is_mount(step->kind) && step->side == SIDE_HOST &&
			      sample->taken.userns != RUNG_NONE;

		ck_assert_int_eq(!!(step->flags & STEP_LOCKED), locked);
	}
}

START_TEST(what_the_host_mounts_is_locked_in_a_user_namespace_only)
{
	for_each_variant(check_locks);
}
END_TEST

static void check_places(struct sample *sample)
{
	static const char *const places[] = { "/dev", "/run", "/sys", "/dev/pts", "/run/host" };

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		bool mounted = false;

		for (size_t k = 0; k < sample->plan.count; k++) {
			const struct step *step = &sample->plan.steps[k];
			bool mounts = step->kind == STEP_MOUNT || step->kind == STEP_BIND;

			if (step->side != SIDE_HOST || !step->target)
				continue;
			mounted = mounted || (mounts && text_equal(step->target, places[i]));
			if (path_is_below(step->target, places[i]) &&
			    !text_equal(step->target, places[i]))
				ck_assert_msg(mounted, "%s before %s", step->target, places[i]);
		}
	}
}

START_TEST(nothing_is_made_below_a_mount_that_is_not_there_yet)
{
	for_each_variant(check_places);
}
END_TEST

static void check_seal(struct sample *sample)
{
	ssize_t sealed;

	sealed = require(&sample->plan, STEP_RESTRICT, "/run/host");
	ck_assert_int_eq(sample->plan.steps[sealed].side, SIDE_HOST);
	ck_assert_uint_ne(sample->plan.steps[sealed].attributes & MOUNT_ATTR_RDONLY, 0);
	for (size_t i = (size_t)sealed + 1; i < sample->plan.count; i++)
		if (sample->plan.steps[i].target)
			ck_assert(!path_is_below(sample->plan.steps[i].target, "/run/host"));
}

START_TEST(run_host_is_sealed_after_the_last_thing_below_it)
{
	for_each_variant(check_seal);
}
END_TEST

static void check_order(struct sample *sample)
{
	static const enum step_kind order[] = {
		STEP_ENTER,  STEP_MOUNT,   STEP_LEAVE, STEP_SESSION,	  STEP_KEYRING,
		STEP_RLIMIT, STEP_SECCOMP, STEP_USER,  STEP_CAPABILITIES, STEP_EXEC,
	};
	size_t next = 0;

	for (size_t i = 0; i < sample->plan.count; i++)
		if (sample->plan.steps[i].side == SIDE_PAYLOAD && next < ARRAY_SIZE(order) &&
		    sample->plan.steps[i].kind == order[next])
			next++;
	ck_assert_uint_eq(next, ARRAY_SIZE(order));
}

START_TEST(privileges_go_in_the_order_that_works)
{
	for_each_variant(check_order);
}
END_TEST

static void check_leave(struct sample *sample)
{
	ssize_t leave;

	leave = require(&sample->plan, STEP_LEAVE, NULL);
	for (size_t i = 0; i < sample->plan.count; i++) {
		const struct step *step = &sample->plan.steps[i];

		if (step->side == SIDE_PAYLOAD && step->kind == STEP_MOUNT &&
		    (text_equal(step->source, "proc") || text_equal(step->source, "sysfs")))
			ck_assert_int_lt((ssize_t)i, leave);
	}
}

START_TEST(what_needs_the_hosts_proc_in_sight_comes_before_leaving)
{
	for_each_variant(check_leave);
}
END_TEST

/* A user namespace inside may mount a fresh proc only where no mount covers a part of ours. */
static void check_nesting(struct sample *sample)
{
	if (sample->spec.nesting && sample->taken.userns != RUNG_NONE) {
		for (size_t i = 0; i < sample->plan.count; i++) {
			const struct step *step = &sample->plan.steps[i];

			if (words_is_mount(step->kind) && !text_equal(step->target, "/proc"))
				ck_assert(!path_is_below(step->target, "/proc"));
		}
	} else {
		require(&sample->plan, STEP_BIND, "/proc/sysrq-trigger");
		require(&sample->plan, STEP_BIND, "/proc/sys");
	}
}

START_TEST(with_nesting_nothing_covers_proc)
{
	for_each_variant(check_nesting);
}
END_TEST

START_TEST(without_a_device_filter_nodes_are_made_by_who_asked_only)
{
	const uint64_t mknod = UINT64_C(1) << 27;
	struct sample sample;

	for (int variant = 0; variant < 4; variant++) {
		bool unfiltered = variant & 1, asked = variant & 2;
		int at;

		sample_init(&sample);
		sample.spec.userns = USERNS_NO;
		sample.taken.userns = RUNG_NONE;
		if (unfiltered)
			sample.taken.cgroup = CGROUP_NONE;
		if (asked)
			sample.spec.capability_plus = mknod;
		ck_assert_int_eq(sample_build(&sample), 0);
		at = find(&sample.plan, STEP_CAPABILITIES, NULL);
		ck_assert_int_ge(at, 0);
		ck_assert_int_eq(!!(sample.plan.steps[at].number & mknod), !unfiltered || asked);
		sample_done(&sample);
	}
}
END_TEST

static void check_devices(struct sample *sample)
{
	for (size_t i = 0; i < sample->plan.count; i++) {
		const struct step *step = &sample->plan.steps[i];

		if (step->kind == STEP_ROOT || step->kind == STEP_VOLATILE_ROOT ||
		    step->kind == STEP_ROOT_OVERLAY)
			ck_assert_int_eq(!!(step->attributes & MOUNT_ATTR_NODEV),
					 sample->taken.userns != RUNG_NONE);
	}
	ck_assert_int_eq(find(&sample->plan, STEP_DEVICE_FILTER, NULL) >= 0,
			 sample->taken.userns == RUNG_NONE && sample->taken.cgroup != CGROUP_NONE);
}

START_TEST(a_user_namespace_gets_no_device_of_the_image)
{
	for_each_variant(check_devices);
}
END_TEST

/* Every step is system calls on the way to the payload. */
START_TEST(a_plain_start_stays_small)
{
	struct sample sample;
	size_t mounts = 0;

	sample_init(&sample);
	ck_assert_int_eq(sample_build(&sample), 0);
	for (size_t i = 0; i < sample.plan.count; i++)
		mounts += words_is_mount(sample.plan.steps[i].kind);
	ck_assert_uint_le(sample.plan.count, 90);
	ck_assert_uint_le(mounts, 28);
	sample_done(&sample);
}
END_TEST

START_TEST(namespaces_follow_the_spec)
{
	const uint64_t flags = CLONE_NEWUSER | CLONE_NEWPID;
	struct sample sample;
	ssize_t at;

	sample_init(&sample);
	sample.spec.share_ipc = sample.spec.no_cgroup_namespace = true;
	ck_assert_int_eq(sample_build(&sample), 0);
	at = require(&sample.plan, STEP_SPAWN, NULL);
	ck_assert_uint_eq(sample.plan.steps[at].number, flags);
	ck_assert_str_eq(sample.plan.steps[at].data, "user pid");
	at = require(&sample.plan, STEP_UNSHARE, NULL);
	ck_assert_uint_eq(sample.plan.steps[at].number, CLONE_NEWUTS);
	at = require(&sample.plan, STEP_ENTER, NULL);
	ck_assert_uint_eq(sample.plan.steps[at].number, CLONE_NEWNS);
	sample_done(&sample);
}
END_TEST

START_TEST(masked_proc_is_refused_with_the_way_out)
{
	struct sample sample;

	sample_init(&sample);
	sample.taken.nested_proc_masked = true;
	ck_assert_int_eq(sample_build(&sample), -EPERM);
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "--nesting"));
	ck_assert_ptr_null(sample.plan.steps);
	sample_done(&sample);
}
END_TEST

static void check_again(struct sample *sample)
{
	char *first;

	first = plan_print(&sample->arena, &sample->plan, false);
	ck_assert_int_eq(sample_build(sample), 0);
	ck_assert_str_eq(plan_print(&sample->arena, &sample->plan, false), first);
}

START_TEST(building_twice_gives_the_same)
{
	for_each_variant(check_again);
}
END_TEST

int main(void)
{
	return UNIT_RUN("plan/build", every_step_has_a_reason_and_sides_follow_each_other,
			what_the_host_mounts_is_locked_in_a_user_namespace_only,
			nothing_is_made_below_a_mount_that_is_not_there_yet,
			run_host_is_sealed_after_the_last_thing_below_it,
			privileges_go_in_the_order_that_works,
			what_needs_the_hosts_proc_in_sight_comes_before_leaving,
			with_nesting_nothing_covers_proc,
			a_user_namespace_gets_no_device_of_the_image, a_plain_start_stays_small,
			without_a_device_filter_nodes_are_made_by_who_asked_only,
			namespaces_follow_the_spec, masked_proc_is_refused_with_the_way_out,
			building_twice_gives_the_same);
}
