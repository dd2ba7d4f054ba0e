#include <errno.h>
#include <string.h>
#include <sys/mount.h>

#include "base/fail.h"
#include "base/text.h"
#include "base/unit.h"
#include "plan/sample.h"

#define DEFAULTS (MOUNT_ATTR_NODEV | MOUNT_ATTR_STRICTATIME)

static const struct step *build_one(struct sample *sample, struct custom_mount *mount,
				    const char *target)
{
	mount->reason = "--test=";
	mount->words = "words";
	sample->spec.mounts.items = mount;
	sample->spec.mounts.count = 1;
	ck_assert_int_eq(sample_build(sample), 0);
	for (size_t i = 0; i < sample->plan.count; i++)
		if (text_equal(sample->plan.steps[i].target, target) &&
		    text_equal(sample->plan.steps[i].reason, "--test="))
			return &sample->plan.steps[i];
	ck_abort_msg("no step for %s", target);
	return NULL;
}

START_TEST(words_of_a_tmpfs_that_belong_to_the_mount_become_attributes)
{
	static const struct {
		const char *options, *data;
		uint64_t attributes;
	} rows[] = {
		{ NULL, "mode=0755", DEFAULTS },
		{ "size=1,ro,nosuid", "size=1", DEFAULTS | MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID },
		{ "dev,relatime", "", 0 },
		{ "ro=1", "ro=1", DEFAULTS },
		{ "noatime,noexec", "", MOUNT_ATTR_NODEV | MOUNT_ATTR_NOATIME | MOUNT_ATTR_NOEXEC },
		{ "", "", DEFAULTS },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct custom_mount mount = { .kind = MOUNT_TMPFS,
					      .destination = "/t",
					      .options = rows[i].options };
		const struct step *step;
		struct sample sample;

		sample_init(&sample);
		sample.taken.userns = RUNG_NONE;
		step = build_one(&sample, &mount, "/t");
		ck_assert_str_eq(step->data, rows[i].data);
		ck_assert_uint_eq(step->attributes, rows[i].attributes);
		sample_done(&sample);
	}
}
END_TEST

START_TEST(broken_tmpfs_options_are_refused)
{
	struct custom_mount mount = { .kind = MOUNT_TMPFS,
				      .destination = "/t",
				      .options = "context=\"open",
				      .words = "/t:context" };
	struct sample sample;

	sample_init(&sample);
	sample.spec.mounts.items = &mount;
	sample.spec.mounts.count = 1;
	ck_assert_int_lt(sample_build(&sample), 0);
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "'/t:context'"));
	sample_done(&sample);
}
END_TEST

START_TEST(a_bind_keeps_what_was_asked)
{
	struct custom_mount mount = { .kind = MOUNT_BIND,
				      .source = "/srv/x",
				      .destination = "/x",
				      .read_only = true,
				      .recursive = true,
				      .idmap = IDMAP_OWNER };
	const struct step *step;
	struct sample sample;

	sample_init(&sample);
	step = build_one(&sample, &mount, "/x");
	ck_assert_int_eq(step->kind, STEP_BIND);
	ck_assert_int_eq(step->side, SIDE_HOST);
	ck_assert_str_eq(step->source, "/srv/x");
	ck_assert_int_eq(step->idmap, IDMAP_OWNER);
	ck_assert_uint_eq(step->attributes, MOUNT_ATTR_RDONLY);
	ck_assert_uint_eq(step->flags, STEP_RECURSIVE | STEP_LOCKED);
	ck_assert_ptr_eq(step->mount, &mount);
	sample_done(&sample);
}
END_TEST

START_TEST(an_empty_source_is_a_fresh_directory)
{
	struct custom_mount mount = { .kind = MOUNT_BIND, .destination = "/x", .recursive = true };
	const struct step *step;
	struct sample sample;

	sample_init(&sample);
	step = build_one(&sample, &mount, "/x");
	ck_assert_ptr_null(step->source);
	ck_assert_uint_ne(step->flags & STEP_TEMPORARY_SOURCE, 0);
	sample_done(&sample);
}
END_TEST

/* The payload mounts /proc, and cannot reach the host's paths any more then. */
START_TEST(a_bind_below_proc_is_staged)
{
	struct custom_mount mount = { .kind = MOUNT_BIND,
				      .source = "/srv/x",
				      .destination = "/proc/x" };
	const struct step *step, *staged = NULL;
	struct sample sample;

	sample_init(&sample);
	step = build_one(&sample, &mount, "/proc/x");
	ck_assert_int_eq(step->side, SIDE_PAYLOAD);
	ck_assert_uint_ne(step->flags & STEP_SOURCE_IN_CONTAINER, 0);
	for (size_t i = 0; i < sample.plan.count; i++)
		if (text_equal(sample.plan.steps[i].target, step->source))
			staged = &sample.plan.steps[i];
	ck_assert_ptr_nonnull(staged);
	ck_assert_int_eq(staged->side, SIDE_HOST);
	ck_assert_str_eq(staged->source, "/srv/x");
	sample_done(&sample);
}
END_TEST

START_TEST(owners_cannot_be_mapped_without_root)
{
	struct custom_mount mount = { .kind = MOUNT_BIND,
				      .source = "/srv/x",
				      .destination = "/x",
				      .idmap = IDMAP_ROOT,
				      .reason = "--bind=",
				      .words = "/srv/x:/x:rootidmap" };
	struct sample sample;

	sample_init(&sample);
	sample.taken.userns = RUNG_SUBORDINATE;
	sample.spec.mounts.items = &mount;
	sample.spec.mounts.count = 1;
	ck_assert_int_eq(sample_build(&sample), -EINVAL);
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "'/srv/x:/x:rootidmap'"));
	sample_done(&sample);
}
END_TEST

int main(void)
{
	return UNIT_RUN("plan/mounts", words_of_a_tmpfs_that_belong_to_the_mount_become_attributes,
			broken_tmpfs_options_are_refused, a_bind_keeps_what_was_asked,
			an_empty_source_is_a_fresh_directory, a_bind_below_proc_is_staged,
			owners_cannot_be_mapped_without_root);
}
