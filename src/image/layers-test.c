#include "image/layers.h"

#include <sys/stat.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "image/find.h"
#include "image/mstack.h"
#include "io/scratch.h"

#define DIGEST_A "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define DIGEST_B "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static struct arena arena;
static struct store store = STORE_EMPTY;
static char *pool;

static void start(void)
{
	struct find_scope scope = { .uid = 1000, .home = scratch_path };

	ck_assert_int_eq(store_open(&arena, &store, &scope, true), 0);
	pool = arena_format(&arena, "%s/pool", scratch_path);
}

static void make_layer(const char *digest, const char *directory, mode_t mode)
{
	struct store_part layer = STORE_PART_EMPTY;

	ck_assert_int_eq(layer_begin(&store, &layer), 0);
	ck_assert_int_eq(mkdirat(layer.fd, directory, 0755), 0);
	ck_assert_int_eq(fchmod(layer.fd, mode), 0);
	ck_assert_int_eq(layer_commit(&layer, digest, false), 0);
	store_part_done(&layer);
}

static void digests(struct text_list *list)
{
	text_list_add(&arena, list, arena_text(&arena, DIGEST_A));
	text_list_add(&arena, list, arena_text(&arena, DIGEST_B));
}

START_TEST(a_machine_is_made_of_its_layers_from_the_bottom_to_the_top)
{
	struct text_list list = { 0 };
	struct layers_machine machine = { .name = "web", .digests = &list };
	struct mstack stack;
	struct stat st;

	start();
	make_layer(DIGEST_A, "a", 0755);
	make_layer(DIGEST_B, "b", 0711);
	digests(&list);
	machine.pool = pool;
	ck_assert_int_eq(layers_machine(&arena, &store, &machine), 0);
	ck_assert_int_eq(mstack_read(&arena, &stack, arena_format(&arena, "%s/web.mstack", pool)),
			 0);
	ck_assert_uint_eq(stack.layers.count, 2);
	ck_assert_int_eq(access(arena_format(&arena, "%s/a", stack.layers.items[0]), F_OK), 0);
	ck_assert_int_eq(access(arena_format(&arena, "%s/b", stack.layers.items[1]), F_OK), 0);
	ck_assert_int_eq(stat(stack.upper, &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0711);
	ck_assert_int_eq(stat(pool, &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0700);

	ck_assert_int_eq(layers_machine(&arena, &store, &machine), -EEXIST);
	machine.force = machine.read_only = true;
	ck_assert_int_eq(layers_machine(&arena, &store, &machine), 0);
	ck_assert_int_eq(mstack_read(&arena, &stack, arena_format(&arena, "%s/web.mstack", pool)),
			 0);
	ck_assert_ptr_null(stack.upper);
	store_done(&store);
}
END_TEST

START_TEST(a_machine_of_missing_layers_is_not_made)
{
	struct text_list list = { 0 };
	struct layers_machine machine = { .name = "bad", .digests = &list };

	start();
	machine.pool = pool;
	ck_assert_int_eq(layers_machine(&arena, &store, &machine), -EINVAL);
	text_list_add(&arena, &list, arena_text(&arena, "sha256:../.."));
	ck_assert_int_eq(layers_machine(&arena, &store, &machine), -EINVAL);
	list.items[0] = arena_format(&arena, "sha256:%064d", 0);
	ck_assert_int_eq(layers_machine(&arena, &store, &machine), -ENOENT);
	machine.name = "../bad";
	ck_assert_int_eq(layers_machine(&arena, &store, &machine), -EINVAL);
	store_done(&store);
}
END_TEST

START_TEST(a_layer_that_is_not_there_is_no_failure_to_talk_about)
{
	start();
	fail_forget();
	ck_assert_int_eq(layer_find(&store, "sha256:cccccccccccccccccccccccccccccccccccccccccccc"
					    "cccccccccccccccccccc"),
			 -ENOENT);
	ck_assert_int_eq(fail_recorded()->code, 0);
	ck_assert_int_eq(layer_find(&store, "latest"), -EINVAL);
	store_done(&store);
}
END_TEST

int main(void)
{
	return SCRATCH_RUN("layers", a_machine_is_made_of_its_layers_from_the_bottom_to_the_top,
			   a_machine_of_missing_layers_is_not_made,
			   a_layer_that_is_not_there_is_no_failure_to_talk_about);
}
