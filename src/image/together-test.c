#include "image/together.h"

#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/arena.h"
#include "io/dir.h"
#include "io/file.h"
#include "io/scratch.h"

static struct arena arena;
static struct together together;
static int pool = -EBADF;
static const char *path;

/* An empty directory a case. */
static void enter(const char *name)
{
	ck_assert_int_eq(mkdirat(scratch_fd, name, 0755), 0);
	pool = openat(scratch_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	path = arena_format(&arena, "%s/%s", scratch_path, name);
	together_begin(&together, &arena, path, pool);
}

static void put(const char *name, const char *text)
{
	ck_assert_int_eq(file_replace(pool, name, text, strlen(text), 0644), 0);
}

static bool is_there(const char *name)
{
	return faccessat(pool, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool says(const char *name, const char *text)
{
	char *found;
	size_t size;

	return file_read(&arena, &found, &size, pool, name, 100) == 0 && strcmp(found, text) == 0;
}

static int count_one(int dir_fd, const char *name, unsigned char type, void *context)
{
	(void)dir_fd;
	(void)name;
	(void)type;
	++*(int *)context;
	return 0;
}

static int entries(void)
{
	int count = 0;

	ck_assert_int_eq(dir_walk(pool, count_one, &count), 0);
	return count;
}

/* Settings, which replace others, and then the image. */
static void add_image(unsigned int flags)
{
	put(".#settings", "new");
	put(".#image", "new");
	ck_assert_int_eq(together_add(&together, path, ".#settings", "web.nspawn", flags), 0);
	ck_assert_int_eq(together_add(&together, path, ".#image", "web", flags | TOGETHER_DECIDES),
			 0);
}

START_TEST(all_get_their_names_and_nothing_hidden_is_left)
{
	enter("all");
	put("web", "old");
	put("web.nspawn", "old");
	add_image(TOGETHER_REPLACES);
	ck_assert_int_eq(together_note(&together, true), 0);
	ck_assert_int_eq(entries(), 5);
	ck_assert_int_eq(together_run(&together), 0);
	ck_assert_int_eq(together_done(&together), 0);
	ck_assert(says("web", "new") && says("web.nspawn", "new"));
	ck_assert_int_eq(entries(), 2);
}
END_TEST

START_TEST(where_one_is_refused_all_is_as_before)
{
	enter("refused");
	put("web", "old");
	add_image(0);
	ck_assert_int_eq(together_note(&together, false), 0);
	ck_assert_int_eq(together_run(&together), -EEXIST);
	ck_assert_uint_eq(together.failed, 1);
	ck_assert_int_eq(together_done(&together), 0);
	ck_assert(says("web", "old") && !is_there("web.nspawn"));
	ck_assert_int_eq(entries(), 1);
}
END_TEST

START_TEST(what_yields_stays_as_it_is)
{
	enter("yields");
	put("web.nspawn", "old");
	put(".#settings", "new");
	put(".#image", "new");
	ck_assert_int_eq(together_add(&together, path, ".#settings", "web.nspawn", TOGETHER_YIELDS),
			 0);
	ck_assert_int_eq(together_add(&together, path, ".#image", "web", TOGETHER_DECIDES), 0);
	ck_assert_int_eq(together_run(&together), 0);
	ck_assert_int_eq(together_done(&together), 0);
	ck_assert(says("web", "new") && says("web.nspawn", "old"));
	ck_assert_int_eq(entries(), 2);
}
END_TEST

START_TEST(one_name_alone_is_not_noted)
{
	enter("alone");
	put("a", "a");
	ck_assert_int_eq(together_add(&together, path, "none", "b", 0), -ENOENT);
	ck_assert_int_eq(together_add(&together, path, "a", "b", TOGETHER_DECIDES), 0);
	ck_assert_int_eq(together_note(&together, false), 0);
	ck_assert_int_eq(entries(), 1);
	ck_assert_int_eq(together_run(&together), 0);
	ck_assert_int_eq(together_done(&together), 0);
	ck_assert(says("b", "a"));
}
END_TEST

/* As if somebody were killed after so many of the renames. */
static void die_after(int renames)
{
	pid_t child = fork();

	if (child == 0) {
		int r = together_note(&together, false);

		for (int i = 0; i < renames && r >= 0; i++) {
			const struct together_step *step = &together.steps[i];
			unsigned int flags = step->flags & TOGETHER_REPLACES ? RENAME_EXCHANGE : 0;

			if (renameat2(pool, step->from, pool, step->to, flags) < 0)
				_exit(1);
		}
		_exit(r < 0);
	}
	ck_assert_int_eq(waitpid(child, &renames, 0), child);
	ck_assert_int_eq(renames, 0);
}

START_TEST(what_was_not_decided_is_taken_back)
{
	enter("back");
	put("web", "old");
	put("web.nspawn", "old");
	add_image(TOGETHER_REPLACES);
	die_after(1);
	ck_assert(says("web.nspawn", "new") && says("web", "old"));
	ck_assert_int_eq(together_sweep(pool, path), 1);
	ck_assert(says("web.nspawn", "old") && says("web", "old"));
	ck_assert_int_eq(entries(), 2);
}
END_TEST

START_TEST(what_was_decided_is_finished)
{
	enter("finished");
	put("old", "image");
	put("old.nspawn", "settings");
	put("old.roothash", "hash");
	ck_assert_int_eq(together_add(&together, path, "old", "new", TOGETHER_DECIDES), 0);
	ck_assert_int_eq(together_add(&together, path, "old.nspawn", "new.nspawn", 0), 0);
	ck_assert_int_eq(together_add(&together, path, "old.roothash", ".#roothash", 0), 0);
	die_after(1);
	ck_assert(is_there("new") && is_there("old.nspawn"));
	ck_assert_int_eq(together_sweep(pool, path), 1);
	ck_assert(says("new", "image") && says("new.nspawn", "settings"));
	ck_assert_int_eq(entries(), 2);
}
END_TEST

START_TEST(who_took_a_name_since_then_keeps_it)
{
	enter("since");
	add_image(0);
	die_after(1);
	ck_assert_int_eq(unlinkat(pool, "web.nspawn", 0), 0);
	put("web.nspawn", "another");
	ck_assert_int_eq(together_sweep(pool, path), 1);
	ck_assert(says("web.nspawn", "another") && !is_there("web"));
	ck_assert_int_eq(entries(), 1);
}
END_TEST

START_TEST(who_still_works_on_it_is_left_alone)
{
	enter("works");
	add_image(0);
	ck_assert_int_eq(together_note(&together, false), 0);
	ck_assert_int_eq(together_sweep(pool, path), 0);
	ck_assert_int_eq(entries(), 3);
	ck_assert_int_eq(together_run(&together), 0);
	ck_assert_int_eq(together_done(&together), 0);
	ck_assert_int_eq(entries(), 2);
}
END_TEST

START_TEST(a_note_that_is_none_only_goes)
{
	static const char *const texts[] = { "", "names that change together",
					     "names that change together\n" };

	/* Nobody decides, and names that lead elsewhere. */
	static const char stray[] = "names that change together\0001 1 1 1\0/tmp\0../a\0b\0end";

	enter("none");
	put("web", "old");
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		put(".#transfer." GROWING_NOTE ".1", texts[i]);
		ck_assert_int_eq(together_sweep(pool, path), 1);
	}
	ck_assert_int_eq(
		file_replace(pool, ".#transfer." GROWING_NOTE ".2", stray, sizeof(stray), 0600), 0);
	ck_assert_int_eq(together_sweep(pool, path), 1);
	ck_assert_int_eq(entries(), 1);
}
END_TEST

int main(void)
{
	return SCRATCH_RUN("image/together", all_get_their_names_and_nothing_hidden_is_left,
			   where_one_is_refused_all_is_as_before, what_yields_stays_as_it_is,
			   one_name_alone_is_not_noted, what_was_not_decided_is_taken_back,
			   what_was_decided_is_finished, who_took_a_name_since_then_keeps_it,
			   who_still_works_on_it_is_left_alone, a_note_that_is_none_only_goes);
}
