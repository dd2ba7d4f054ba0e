/* The fields of a mount, which tests/spec/options.case shows only as words. */
#include <string.h>

#include "base/arena.h"
#include "base/unit.h"
#include "spec/field.h"

static struct arena arena;
static struct spec spec;

static void setup(void)
{
	spec_init(&spec);
}

static const struct custom_mount *apply(const char *option, const char *value)
{
	struct setting_reader reader = {
		.arena = &arena,
		.spec = &spec,
		.origin = BY_OPTION,
		.line = SPEC_LINE_OPTION,
		.working_directory = "/here",
	};
	const struct setting *row;
	bool ambiguous;

	row = setting_by_option(option, strlen(option), &ambiguous);
	if (setting_apply(&reader, row, value) < 0)
		return NULL;
	return &spec.mounts.items[spec.mounts.count - 1];
}

START_TEST(a_bind_shows_its_source_at_the_same_place_or_another)
{
	const struct custom_mount *mount;

	setup();
	mount = apply("bind", "/srv//data/");
	ck_assert_int_eq(mount->kind, MOUNT_BIND);
	ck_assert_str_eq(mount->source, "/srv/data");
	ck_assert_str_eq(mount->destination, "/srv/data");
	ck_assert_str_eq(mount->words, "/srv//data/");
	ck_assert_str_eq(mount->reason, "--bind=");
	ck_assert(mount->recursive && !mount->read_only && !mount->source_in_tree);
	ck_assert_int_eq(mount->idmap, IDMAP_NONE);

	mount = apply("bind-ro", "data:/x/y");
	ck_assert_str_eq(mount->source, "/here/data");
	ck_assert_str_eq(mount->destination, "/x/y");
	ck_assert_str_eq(mount->reason, "--bind-ro=");
	ck_assert(mount->read_only);
}
END_TEST

START_TEST(the_last_word_of_a_kind_counts)
{
	const struct custom_mount *mount;

	setup();
	mount = apply("bind", "/a:/b:norbind,idmap,rbind,owneridmap");
	ck_assert(mount->recursive);
	ck_assert_int_eq(mount->idmap, IDMAP_OWNER);
	mount = apply("bind", "/a:/b:idmap,norbind,noidmap");
	ck_assert(!mount->recursive);
	ck_assert_int_eq(mount->idmap, IDMAP_NONE);
	ck_assert_int_eq(apply("bind", "/a:/b:rootidmap")->idmap, IDMAP_ROOT);
	ck_assert_int_eq(apply("bind", "/a:/b:idmap")->idmap, IDMAP_FULL);
	ck_assert_int_eq(apply("bind", "/a:/b:")->idmap, IDMAP_NONE);
}
END_TEST

START_TEST(a_source_may_be_in_the_tree_or_made_for_the_occasion)
{
	const struct custom_mount *mount;

	setup();
	mount = apply("bind", "+/opt:/x");
	ck_assert(mount->source_in_tree);
	ck_assert_str_eq(mount->source, "/opt");
	ck_assert_str_eq(apply("bind", "+/opt")->destination, "/opt");
	mount = apply("bind", ":/scratch");
	ck_assert_ptr_null(mount->source);
	ck_assert_str_eq(mount->destination, "/scratch");
}
END_TEST

START_TEST(a_backslash_hides_a_colon)
{
	const struct custom_mount *mount;

	setup();
	mount = apply("bind", "/a\\:b\\\\c:/d");
	ck_assert_str_eq(mount->source, "/a:b\\c");
	ck_assert_str_eq(mount->destination, "/d");
	ck_assert_ptr_null(apply("bind", "/a\\"));
}
END_TEST

START_TEST(options_of_a_tmpfs_are_not_looked_at)
{
	const struct custom_mount *mount;

	setup();
	mount = apply("tmpfs", "/a\\:b:mode=700,context=\"a:b\\c\"");
	ck_assert_str_eq(mount->destination, "/a:b");
	ck_assert_str_eq(mount->options, "mode=700,context=\"a:b\\c\"");
	ck_assert_ptr_null(apply("tmpfs", "/a")->options);
	ck_assert_ptr_null(apply("tmpfs", "/a:")->options);
	ck_assert_ptr_null(apply("tmpfs", ""));
	ck_assert_ptr_null(apply("tmpfs", "/a\\"));
}
END_TEST

START_TEST(an_overlay_has_lowers_an_upper_and_a_place)
{
	const struct custom_mount *mount;

	setup();
	mount = apply("overlay", "/bottom:+/middle:top:/up:/place");
	ck_assert_uint_eq(mount->lowers.count, 3);
	ck_assert_str_eq(mount->lowers.items[0], "/bottom");
	ck_assert_str_eq(mount->lowers.items[1], "/middle");
	ck_assert_str_eq(mount->lowers.items[2], "/here/top");
	ck_assert(!mount->lower_in_tree[0] && mount->lower_in_tree[1] && !mount->lower_in_tree[2]);
	ck_assert_str_eq(mount->source, "/up");
	ck_assert_str_eq(mount->destination, "/place");

	mount = apply("overlay-ro", "/low:+/up");
	ck_assert_str_eq(mount->source, "/up");
	ck_assert(mount->source_in_tree && mount->read_only);
	ck_assert_str_eq(mount->destination, "/up");

	ck_assert_ptr_null(apply("overlay", "/low::/place")->source);
	ck_assert_ptr_null(apply("overlay", "/low:"));
	ck_assert_ptr_null(apply("overlay", "/low"));
	ck_assert_ptr_null(apply("overlay", "::/place"));
}
END_TEST

START_TEST(a_value_that_is_refused_leaves_nothing_behind)
{
	setup();
	ck_assert_ptr_null(apply("bind", "/a:/b:nonsense"));
	ck_assert_ptr_null(apply("inaccessible", "relative"));
	ck_assert_uint_eq(spec.mounts.count, 0);
	ck_assert_int_eq(spec.group_origin[GROUP_CUSTOM_MOUNTS], BY_DEFAULT);
}
END_TEST

int main(void)
{
	return UNIT_RUN("spec/field-mount", a_bind_shows_its_source_at_the_same_place_or_another,
			the_last_word_of_a_kind_counts,
			a_source_may_be_in_the_tree_or_made_for_the_occasion,
			a_backslash_hides_a_colon, options_of_a_tmpfs_are_not_looked_at,
			an_overlay_has_lowers_an_upper_and_a_place,
			a_value_that_is_refused_leaves_nothing_behind);
}
