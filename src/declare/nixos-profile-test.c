#include "declare/nixos-profile.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/fail.h"
#include "io/scratch.h"

static struct arena arena;
static const char *profile;

static void start(void)
{
	const char *directory = arena_format(&arena, "%s/%s", scratch_path, "web");

	ck_assert_int_eq(dir_remove_all(scratch_fd, "web"), 0);
	ck_assert_int_eq(mkdirat(scratch_fd, "web", 0755), 0);
	profile = arena_format(&arena, "%s/system", directory);
}

/* "1:/a 2:/b*": the current one has a star. */
static const char *listed(void)
{
	struct nixos_generation *items;
	const char *text = "";
	size_t count;

	ck_assert_int_eq(nixos_profile_list(&arena, &items, &count, profile), 0);
	for (size_t i = 0; i < count; i++)
		text = arena_format(&arena, "%s%s%u:%s%s", text, i > 0 ? " " : "", items[i].number,
				    items[i].path, items[i].current ? "*" : "");
	return text;
}

START_TEST(a_profile_that_is_not_there_has_no_generations)
{
	profile = arena_format(&arena, "%s/none/system", scratch_path);
	ck_assert_str_eq(listed(), "");
	ck_assert_ptr_null(nixos_profile_path(&arena, profile));
	ck_assert_int_eq(nixos_profile_set(&arena, profile, "/a"), -ENOENT);
}
END_TEST

START_TEST(each_system_is_a_generation)
{
	start();
	ck_assert_int_eq(nixos_profile_set(&arena, profile, "/a"), 0);
	ck_assert_str_eq(listed(), "1:/a*");
	ck_assert_int_eq(nixos_profile_set(&arena, profile, "/b"), 0);
	ck_assert_int_eq(nixos_profile_set(&arena, profile, "/b"), 0);
	ck_assert_str_eq(listed(), "1:/a 2:/b*");
	ck_assert_str_eq(nixos_profile_path(&arena, profile), "/b");
	for (int i = 3; i <= 11; i++)
		ck_assert_int_eq(nixos_profile_set(&arena, profile, arena_format(&arena, "/%d", i)),
				 0);
	ck_assert_str_eq(listed(), "1:/a 2:/b 3:/3 4:/4 5:/5 6:/6 7:/7 8:/8 9:/9 10:/10 11:/11*");
}
END_TEST

START_TEST(one_can_go_back_and_on)
{
	const char *path = NULL;

	start();
	ck_assert_int_eq(nixos_profile_set(&arena, profile, "/a"), 0);
	ck_assert_int_eq(nixos_profile_roll_back(&arena, &path, profile, 0), -ENOENT);
	ck_assert_int_eq(nixos_profile_set(&arena, profile, "/b"), 0);
	ck_assert_int_eq(nixos_profile_set(&arena, profile, "/c"), 0);
	ck_assert_int_eq(nixos_profile_roll_back(&arena, &path, profile, 0), 0);
	ck_assert_str_eq(path, "/b");
	ck_assert_str_eq(listed(), "1:/a 2:/b* 3:/c");
	ck_assert_int_eq(nixos_profile_roll_back(&arena, &path, profile, 1), 0);
	ck_assert_str_eq(nixos_profile_path(&arena, profile), "/a");
	ck_assert_int_eq(nixos_profile_roll_back(&arena, &path, profile, 7), -ENOENT);
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "generation 7"));
	ck_assert_str_eq(listed(), "1:/a* 2:/b 3:/c");
	/* As nix-env: numbers are not used again. */
	ck_assert_int_eq(nixos_profile_set(&arena, profile, "/a"), 0);
	ck_assert_str_eq(listed(), "1:/a 2:/b 3:/c 4:/a*");
}
END_TEST

START_TEST(nothing_else_is_left_beside_it)
{
	start();
	ck_assert_int_eq(nixos_profile_set(&arena, profile, "/a"), 0);
	ck_assert_int_eq(unlinkat(scratch_fd, "web/system", 0), 0);
	ck_assert_int_eq(unlinkat(scratch_fd, "web/system-1-link", 0), 0);
	ck_assert_int_eq(unlinkat(scratch_fd, "web", AT_REMOVEDIR), 0);
}
END_TEST

START_TEST(other_names_are_no_generations)
{
	start();
	scratch_put("web/system-2-link", "a file");
	ck_assert_int_eq(symlinkat("/x", scratch_fd, "web/system-x-link"), 0);
	ck_assert_int_eq(symlinkat("/x", scratch_fd, "web/other-1-link"), 0);
	ck_assert_int_eq(symlinkat("/x", scratch_fd, "web/system-4-link"), 0);
	ck_assert_str_eq(listed(), "4:/x");
	ck_assert_int_eq(nixos_profile_set(&arena, profile, "/y"), 0);
	ck_assert_str_eq(listed(), "4:/x 5:/y*");
}
END_TEST

/* What a guest may do in the directory, which is its own, too. */
START_TEST(a_lock_that_was_forged_stops_nobody)
{
	start();
	scratch_put("web/system.lock", "1");
	ck_assert_int_eq(nixos_profile_set(&arena, profile, "/a"), 0);
	scratch_put("web/more", "");
	ck_assert_int_eq(linkat(scratch_fd, "web/more", scratch_fd, "web/system.lock", 0), 0);
	ck_assert_int_eq(nixos_profile_set(&arena, profile, "/b"), 0);
	ck_assert_str_eq(listed(), "1:/a 2:/b*");
	ck_assert_int_eq(faccessat(scratch_fd, "web/system.lock", F_OK, 0), -1);
}
END_TEST

START_TEST(what_is_no_lock_is_not_even_opened)
{
	start();
	ck_assert_int_eq(mkfifoat(scratch_fd, "web/system.lock", 0600), 0);
	ck_assert_int_eq(nixos_profile_set(&arena, profile, "/a"), -EBADFD);
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "system.lock"));
	ck_assert_int_eq(unlinkat(scratch_fd, "web/system.lock", 0), 0);
	ck_assert_int_eq(symlinkat("more", scratch_fd, "web/system.lock"), 0);
	ck_assert_int_eq(nixos_profile_set(&arena, profile, "/a"), -EBADFD);
	ck_assert_int_eq(faccessat(scratch_fd, "web/more", F_OK, 0), -1);
}
END_TEST

START_TEST(links_are_not_followed_out_of_the_directory)
{
	start();
	ck_assert_int_eq(symlinkat("/a", scratch_fd, "away"), 0);
	ck_assert_int_eq(symlinkat("../away", scratch_fd, "web/system"), 0);
	ck_assert_ptr_null(nixos_profile_path(&arena, profile));
}
END_TEST

int main(void)
{
	return SCRATCH_RUN("declare/nixos-profile", a_profile_that_is_not_there_has_no_generations,
			   each_system_is_a_generation, one_can_go_back_and_on,
			   nothing_else_is_left_beside_it, other_names_are_no_generations,
			   a_lock_that_was_forged_stops_nobody, what_is_no_lock_is_not_even_opened,
			   links_are_not_followed_out_of_the_directory);
}
