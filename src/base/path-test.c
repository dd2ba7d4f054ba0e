#include <limits.h>
#include <string.h>

#include "base/arena.h"
#include "base/path.h"
#include "base/unit.h"

START_TEST(normal_paths_have_no_surprises)
{
	char endless[PATH_MAX + 1];

	ck_assert(path_is_normal("/"));
	ck_assert(path_is_normal("/a/b"));
	ck_assert(path_is_normal("a/b/"));
	ck_assert(path_is_normal("/..a/b../.c"));
	ck_assert(!path_is_normal(""));
	ck_assert(!path_is_normal("."));
	ck_assert(!path_is_normal("/a/../b"));
	ck_assert(!path_is_normal("../a"));
	ck_assert(!path_is_normal("/a/.."));
	ck_assert(!path_is_normal("/a/./b"));
	ck_assert(!path_is_normal("/a//b"));
	ck_assert(!path_is_normal("//"));
	for (size_t i = 0; i < sizeof(endless); i++)
		endless[i] = i % 2 == 0 ? '/' : 'a';
	endless[PATH_MAX] = '\0';
	ck_assert(!path_is_normal(endless));
	endless[PATH_MAX - 1] = '\0';
	ck_assert(path_is_normal(endless));
}
END_TEST

START_TEST(below_means_by_component)
{
	ck_assert(path_is_below("/a/b", "/a"));
	ck_assert(path_is_below("/a", "/a"));
	ck_assert(path_is_below("/a/", "/a"));
	ck_assert(path_is_below("/a", "/a/"));
	ck_assert(path_is_below("/anything", "/"));
	ck_assert(path_is_below("/", "/"));
	ck_assert(!path_is_below("/ab", "/a"));
	ck_assert(!path_is_below("/", "/a"));
	ck_assert(!path_is_below("/b/a", "/a"));
	ck_assert(!path_is_below("a/b", "/a"));
}
END_TEST

START_TEST(the_name_is_what_follows_the_last_slash)
{
	ck_assert_str_eq(path_name("/a/b"), "b");
	ck_assert_str_eq(path_name("b"), "b");
	ck_assert_str_eq(path_name("/"), "");
	ck_assert_str_eq(path_name(""), "");
}
END_TEST

START_TEST(joining_makes_one_slash)
{
	autoarena struct arena arena = {};

	ck_assert_str_eq(path_join(&arena, "/a", "b"), "/a/b");
	ck_assert_str_eq(path_join(&arena, "/a/", "/b"), "/a/b");
	ck_assert_str_eq(path_join(&arena, "/", "b"), "/b");
	ck_assert_str_eq(path_join(&arena, "//", "b"), "/b");
	ck_assert_str_eq(path_join(&arena, "", "b"), "b");
	ck_assert_str_eq(path_join(&arena, "/a/", ""), "/a");
	ck_assert_str_eq(path_join(&arena, "/", "/"), "/");
}
END_TEST

START_TEST(the_root_is_its_own_parent)
{
	autoarena struct arena arena = {};

	ck_assert_str_eq(path_parent(&arena, "/a/b"), "/a");
	ck_assert_str_eq(path_parent(&arena, "/a/b/"), "/a");
	ck_assert_str_eq(path_parent(&arena, "/a"), "/");
	ck_assert_str_eq(path_parent(&arena, "/"), "/");
	ck_assert_str_eq(path_parent(&arena, "a"), ".");
	ck_assert_str_eq(path_parent(&arena, "a/b"), "a");
}
END_TEST

START_TEST(simplifying_keeps_dot_dot)
{
	autoarena struct arena arena = {};

	ck_assert_str_eq(path_simplify(&arena, "//a///b/./c/"), "/a/b/c");
	ck_assert_str_eq(path_simplify(&arena, "/a/../b"), "/a/../b");
	ck_assert_str_eq(path_simplify(&arena, "./a"), "a");
	ck_assert_str_eq(path_simplify(&arena, "a/."), "a");
	ck_assert_str_eq(path_simplify(&arena, "/."), "/");
	ck_assert_str_eq(path_simplify(&arena, "///"), "/");
	ck_assert_str_eq(path_simplify(&arena, "."), ".");
	ck_assert_str_eq(path_simplify(&arena, ""), "");
}
END_TEST

START_TEST(file_names_are_one_component)
{
	char name[257];

	ck_assert(path_is_file_name("a"));
	ck_assert(path_is_file_name("..."));
	ck_assert(!path_is_file_name(""));
	ck_assert(!path_is_file_name("."));
	ck_assert(!path_is_file_name(".."));
	ck_assert(!path_is_file_name("a/b"));
	memset(name, 'a', 256);
	name[256] = '\0';
	ck_assert(!path_is_file_name(name));
	name[255] = '\0';
	ck_assert(path_is_file_name(name));
}
END_TEST

START_TEST(absolute_paths_begin_with_a_slash)
{
	ck_assert(path_is_absolute("/"));
	ck_assert(!path_is_absolute("a"));
	ck_assert(!path_is_absolute(""));
}
END_TEST

int main(void)
{
	return UNIT_RUN("base/path", normal_paths_have_no_surprises, below_means_by_component,
			the_name_is_what_follows_the_last_slash, joining_makes_one_slash,
			the_root_is_its_own_parent, simplifying_keeps_dot_dot,
			file_names_are_one_component, absolute_paths_begin_with_a_slash);
}
