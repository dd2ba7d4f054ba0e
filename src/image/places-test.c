#include "image/places.h"

#include <linux/magic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "image/find.h"
#include "image/layers.h"
#include "image/store.h"
#include "io/dir.h"
#include "io/file.h"
#include "io/scratch.h"

static struct arena arena;
static struct store store = STORE_EMPTY;
static char *pool;

static void start(void)
{
	struct find_scope scope = { .uid = 1000, .home = scratch_path };

	ck_assert_int_eq(store_open(&arena, &store, &scope, true), 0);
	pool = arena_format(&arena, "%s/pool", scratch_path);
	ck_assert_int_eq(mkdir(pool, 0700), 0);
}

static void clear(void)
{
	(void)dir_remove_all(scratch_fd, ".local");
	(void)dir_remove_all(scratch_fd, "pool");
	(void)dir_remove_all(scratch_fd, "away");
	store_done(&store);
}

static char *name_of(char letter)
{
	char *name = arena_take(&arena, 65);

	memset(name, letter, 64);
	return name;
}

/* One word for each: 'a' for the layer "aaaa…". */
static struct text_list names_of(const char *letters)
{
	struct text_list names = { 0 };

	for (; *letters != '\0'; letters++)
		text_list_add(&arena, &names, name_of(*letters));
	return names;
}

static int add(const char *path, const char *letters)
{
	struct text_list paths = { 0 };

	for (; *letters != '\0'; letters++)
		text_list_add(&arena, &paths,
			      layer_path(&arena, &store,
					 arena_format(&arena, "sha256:%s", name_of(*letters))));
	text_list_add(&arena, &paths, arena_text(&arena, "/var/lib/machines/tree"));
	return place_add(&arena, &store, path, &paths);
}

static struct place only(void)
{
	struct place *places;
	size_t count;

	ck_assert_int_eq(places_list(&arena, &places, &count, &store), 0);
	ck_assert_uint_eq(count, 1);
	return places[0];
}

static size_t count_all(void)
{
	struct place *places;
	size_t count;

	ck_assert_int_eq(places_list(&arena, &places, &count, &store), 0);
	return count;
}

START_TEST(layers_are_added_and_then_what_is_there_counts)
{
	struct text_list names = names_of("c"), none = { 0 };
	struct place place;

	start();
	ck_assert_uint_eq(count_all(), 0);
	ck_assert_int_eq(add(pool, "a"), 0);
	ck_assert_int_eq(add(pool, "ab"), 0);
	place = only();
	ck_assert_str_eq(place.path, pool);
	ck_assert(place.there);
	ck_assert_uint_eq(place.layers.count, 2);
	ck_assert(text_list_has(&place.layers, name_of('a')));
	ck_assert(text_list_has(&place.layers, name_of('b')));
	ck_assert_int_eq(place_set(&arena, &store, pool, &names), 0);
	place = only();
	ck_assert_uint_eq(place.layers.count, 1);
	ck_assert_str_eq(place.layers.items[0], name_of('c'));
	ck_assert_int_eq(place_set(&arena, &store, pool, &none), 0);
	ck_assert_uint_eq(count_all(), 0);
	clear();
}
END_TEST

START_TEST(another_directory_of_that_path_is_another_place)
{
	struct statfs fs;

	start();
	ck_assert_int_eq(statfs(pool, &fs), 0);
	ck_assert_int_eq(add(pool, "a"), 0);
	ck_assert_int_eq(renameat(scratch_fd, "pool", scratch_fd, "away"), 0);
	if (fs.f_type == TMPFS_MAGIC) { /* what was there is gone */
		ck_assert_uint_eq(count_all(), 0);
	} else {
		ck_assert(!only().there);
		ck_assert_int_eq(mkdir(pool, 0700), 0);
		ck_assert(!only().there);
		ck_assert_int_eq(add(pool, "b"), 0);
		ck_assert_uint_eq(count_all(), 2);
	}
	clear();
}
END_TEST

/* As with two disks that have been mounted there in turn: all are inode 2, say. */
START_TEST(a_directory_without_the_mark_is_another_place)
{
	static const char mark[] = "user.redd.place";
	struct text_list names = names_of("b");
	struct statfs fs;
	uint64_t had, now;

	start();
	ck_assert_int_eq(statfs(pool, &fs), 0);
	ck_assert_int_eq(add(pool, "a"), 0);
	if (fs.f_type != TMPFS_MAGIC && setxattr(scratch_path, "user.any", "", 0, 0) == 0) {
		ck_assert_int_eq(getxattr(pool, mark, &had, sizeof(had)), sizeof(had));
		ck_assert(only().there);
		ck_assert_int_eq(removexattr(pool, mark), 0);
		ck_assert(!only().there);
		ck_assert_int_eq(place_set(&arena, &store, pool, &(struct text_list){ 0 }), 0);
		ck_assert_str_eq(only().layers.items[0], name_of('a'));
		ck_assert_int_eq(place_set(&arena, &store, pool, &names), 0);
		ck_assert_uint_eq(count_all(), 2);
		ck_assert_int_eq(getxattr(pool, mark, &now, sizeof(now)), sizeof(now));
		ck_assert_uint_ne(now, had);
	}
	clear();
}
END_TEST

START_TEST(what_lies_in_the_store_is_not_noted)
{
	start();
	ck_assert_int_eq(add(arena_format(&arena, "%s/trees", store.path), "a"), 0);
	ck_assert_uint_eq(count_all(), 0);
	clear();
}
END_TEST

START_TEST(what_cannot_be_noted_is_told)
{
	char *broken = arena_format(&arena, "%s/away\n", scratch_path);

	start();
	ck_assert_int_eq(add("/nowhere/at/all", "a"), -ENOENT);
	ck_assert_int_eq(mkdir(broken, 0700), 0);
	ck_assert_int_eq(add(broken, "a"), -EINVAL);
	ck_assert_int_eq(rmdir(broken), 0);
	ck_assert_uint_eq(count_all(), 0);
	clear();
}
END_TEST

START_TEST(a_damaged_note_ends_a_search)
{
	static const char *const bad[] = { "", "/srv", "srv\n", "/srv\nabc\n" };
	struct place *places;
	size_t count;

	start();
	ck_assert_int_eq(mkdirat(store.fd, "places", 0700), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		scratch_put(".local/state/redd/places/0-1", bad[i]);
		ck_assert_int_eq(places_list(&arena, &places, &count, &store), -EBADMSG);
	}
	clear();
}
END_TEST

int main(void)
{
	return SCRATCH_RUN("image/places", layers_are_added_and_then_what_is_there_counts,
			   another_directory_of_that_path_is_another_place,
			   a_directory_without_the_mark_is_another_place,
			   what_lies_in_the_store_is_not_noted, what_cannot_be_noted_is_told,
			   a_damaged_note_ends_a_search);
}
