#include "image/mstack.h"

#include <sys/stat.h>

#include "base/arena.h"
#include "base/fail.h"
#include "io/dir.h"
#include "io/scratch.h"

#undef fail /* an old macro of Check */

static struct arena arena;

static const char *at(const char *name)
{
	return arena_format(&arena, "%s/%s", scratch_path, name);
}

static void make(const char *name)
{
	ck_assert_int_ge(dir_make_all(at(name), 0755), 0);
}

static void refused(int expected, const char *name, const char *sentence)
{
	struct mstack stack;

	fail_forget();
	ck_assert_int_eq(mstack_read(&arena, &stack, at(name)), expected);
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, sentence));
}

START_TEST(layers_ascend_as_versions_do)
{
	struct mstack stack;

	make("a.mstack/layer@10");
	make("a.mstack/layer@9");
	make("a.mstack/rw");
	make("base");
	ck_assert_int_eq(symlink("../base", at("a.mstack/layer@0")), 0);
	scratch_put("a.mstack/.hidden", "");
	ck_assert_int_eq(mstack_read(&arena, &stack, at("a.mstack")), 0);
	ck_assert_uint_eq(stack.layers.count, 3);
	ck_assert_str_eq(stack.layers.items[0], at("a.mstack/layer@0"));
	ck_assert_str_eq(stack.layers.items[1], at("a.mstack/layer@9"));
	ck_assert_str_eq(stack.layers.items[2], at("a.mstack/layer@10"));
	ck_assert_str_eq(stack.upper, at("a.mstack/rw/data"));
	ck_assert_str_eq(stack.work, at("a.mstack/rw/work"));
}
END_TEST

START_TEST(without_rw_it_is_read_only)
{
	struct mstack stack;

	make("ro.mstack/layer@x");
	ck_assert_int_eq(mstack_read(&arena, &stack, at("ro.mstack")), 0);
	ck_assert_ptr_null(stack.upper);
	ck_assert_ptr_null(stack.work);
}
END_TEST

START_TEST(the_newest_version_of_a_layer_counts)
{
	struct mstack stack;

	make("v.mstack/layer@1.v/layer@1_1");
	make("v.mstack/layer@1.v/layer@1_2");
	make("v.mstack/layer@2");
	ck_assert_int_eq(mstack_read(&arena, &stack, at("v.mstack")), 0);
	ck_assert_str_eq(stack.layers.items[0], at("v.mstack/layer@1.v/layer@1_2"));
	ck_assert_str_eq(stack.layers.items[1], at("v.mstack/layer@2"));
}
END_TEST

START_TEST(what_is_not_built_is_refused_with_its_name)
{
	make("b.mstack/bind@var");
	refused(-EOPNOTSUPP, "b.mstack", "its entry 'bind@var' is not built yet");
	make("r.mstack");
	scratch_put("r.mstack/layer@0.raw", "");
	refused(-EOPNOTSUPP, "r.mstack", "disk images as layers are not built");
	make("f.mstack");
	scratch_put("f.mstack/layer@0", "");
	refused(-EBADMSG, "f.mstack", "it is no directory");
	make("e.mstack");
	refused(-EBADMSG, "e.mstack", "it has no layer");
	refused(-ENOENT, "nowhere.mstack", "cannot open the layered image");
}
END_TEST

START_TEST(too_many_layers_are_refused)
{
	for (int i = 0; i <= MSTACK_LAYERS_MAX; i++)
		make(arena_format(&arena, "many.mstack/layer@%d", i));
	refused(-E2BIG, "many.mstack", "more than 500 layers");
}
END_TEST

START_TEST(what_is_made_can_be_read)
{
	struct text_list layers = { 0 };
	struct mstack stack;
	struct stat st;
	int tree;

	make("tree");
	ck_assert_int_eq(chmod(at("tree"), 0751), 0);
	tree = open(at("tree"), O_PATH | O_CLOEXEC);
	for (int i = 0; i < 12; i++)
		text_list_add(&arena, &layers, arena_format(&arena, "../lower%d", i));
	text_list_add(&arena, &layers, arena_text(&arena, "../tree"));
	ck_assert_int_eq(mstack_make(scratch_fd, "new.mstack", &layers, tree, false), 0);
	ck_assert_int_eq(mstack_read(&arena, &stack, at("new.mstack")), 0);
	ck_assert_uint_eq(stack.layers.count, 13);
	ck_assert_str_eq(stack.layers.items[12], at("new.mstack/layer@12"));
	ck_assert_int_eq(stat(stack.upper, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0751);
	ck_assert_int_eq(stat(stack.work, &st), 0);
	ck_assert(mstack_has_layer(&arena, at("new.mstack"), tree));
	ck_assert(!mstack_has_layer(&arena, at("new.mstack"), scratch_fd));
	ck_assert(!mstack_has_layer(&arena, at("nowhere.mstack"), tree));
	/* also where something is in it that we cannot use yet */
	make("new.mstack/bind@srv");
	ck_assert(mstack_has_layer(&arena, at("new.mstack"), tree));
	ck_assert_int_eq(mstack_make(scratch_fd, "new.mstack", &layers, tree, true), -EEXIST);
	close(tree);
}
END_TEST

START_TEST(a_base_is_marked_beside_it)
{
	make("web");
	ck_assert(!mstack_is_marked(&arena, at("web")));
	ck_assert_int_eq(mstack_mark(&arena, at("web")), 0);
	ck_assert_int_eq(mstack_mark(&arena, at("web")), 0);
	ck_assert(mstack_is_marked(&arena, at("web")));
	ck_assert_str_eq(mstack_mark_path(&arena, at("web")), at(".#web.base"));
}
END_TEST

int main(void)
{
	return SCRATCH_RUN("image/mstack", layers_ascend_as_versions_do, without_rw_it_is_read_only,
			   the_newest_version_of_a_layer_counts,
			   what_is_not_built_is_refused_with_its_name, too_many_layers_are_refused,
			   what_is_made_can_be_read, a_base_is_marked_beside_it);
}
