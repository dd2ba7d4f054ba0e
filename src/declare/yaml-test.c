/* YAML as a tree, and what of it is refused. */
#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/unit.h"
#include "declare/yaml.h"

static struct arena arena;
static struct yaml yaml;

static int parse(const char *text)
{
	fail_forget();
	return yaml_parse(&arena, &yaml, text, strlen(text), "a.yaml");
}

static const struct yaml_node *top(const char *text)
{
	ck_assert_msg(parse(text) == 0, "%s", fail_recorded()->text);
	ck_assert_uint_eq(yaml.count, 1);
	return yaml.documents[0];
}

static void expect_refusal(const char *text, const char *sentence)
{
	ck_assert_int_lt(parse(text), 0);
	ck_assert_str_eq(fail_recorded()->text, sentence);
}

START_TEST(a_tree_has_lines_and_texts)
{
	const struct yaml_node *node = top(
		"a: 1\nb:\n  - x\n  - \"~\"\n  - ~\nc: |\n  two\n  lines\n");

	ck_assert_int_eq(node->kind, YAML_MAPPING);
	ck_assert_str_eq(yaml_text(yaml_find(node, "a")), "1");
	ck_assert_uint_eq(yaml_find(node, "b")->count, 3);
	ck_assert_uint_eq(yaml_find(node, "b")->items[1]->line, 4);
	ck_assert(!yaml_is_null(yaml_find(node, "b")->items[1]));
	ck_assert(yaml_is_null(yaml_find(node, "b")->items[2]));
	ck_assert_str_eq(yaml_text(yaml_find(node, "c")), "two\nlines\n");
	ck_assert_ptr_null(yaml_find(node, "d"));
	ck_assert_ptr_null(yaml_find(yaml_find(node, "a"), "b"));
	ck_assert_ptr_null(yaml_text(yaml_find(node, "b")));
}
END_TEST

START_TEST(there_may_be_several_documents_or_none)
{
	ck_assert_int_eq(parse("a: 1\n---\nb: 2\n"), 0);
	ck_assert_uint_eq(yaml.count, 2);
	ck_assert_int_eq(parse("# nothing\n"), 0);
	ck_assert_uint_eq(yaml.count, 0);
}
END_TEST

START_TEST(an_alias_is_what_it_names)
{
	const struct yaml_node *node = top("a: &x [1, 2]\nb: *x\n");

	ck_assert_ptr_eq(yaml_find(node, "a"), yaml_find(node, "b"));
	expect_refusal("a: *x\n", "cannot read 'a.yaml': line 1: an alias names nothing before it");
	expect_refusal("a: &x [*x]\n",
		       "cannot read 'a.yaml': line 1: an alias names nothing before it");
}
END_TEST

START_TEST(a_merge_adds_what_is_not_said)
{
	const struct yaml_node *node = top(
		"x: &x {a: 1, b: 1}\ny: &y {b: 2, c: 2}\nz: {b: 3, <<: [*x, *y]}\n");
	const struct yaml_node *merged = yaml_find(node, "z");

	ck_assert_uint_eq(merged->count, 3);
	ck_assert_str_eq(yaml_text(yaml_find(merged, "a")), "1");
	ck_assert_str_eq(yaml_text(yaml_find(merged, "b")), "3");
	ck_assert_str_eq(yaml_text(yaml_find(merged, "c")), "2");
	expect_refusal("a: {<<: 1}\n", "cannot read 'a.yaml': line 1: '<<' merges mappings only");
}
END_TEST

START_TEST(what_is_ambiguous_is_refused)
{
	expect_refusal("a: 1\na: 2\n", "cannot read 'a.yaml': line 2: the key 'a' is there twice");
	expect_refusal("[1]: 2\n", "cannot read 'a.yaml': line 1: a key is not a word");
	expect_refusal("a: \"x\\0y\"\n", "cannot read 'a.yaml': line 1: there is a NUL character");
	ck_assert_int_lt(parse("a: [1\n"), 0);
	ck_assert_int_lt(parse("a: \xff\n"), 0);
}
END_TEST

START_TEST(aliases_cannot_make_it_grow)
{
	char *text = arena_text(&arena, "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");

	for (int i = 1; i < 6; i++)
		text = arena_format(&arena,
				    "%sa%d: &a%d [*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d]\n", text,
				    i, i, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
	ck_assert_int_lt(parse(text), 0);
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "what aliases repeat grows too large"));
}
END_TEST

START_TEST(depth_and_size_have_limits)
{
	char deep[2 * YAML_DEPTH_MAX + 8] = "";
	char *large = arena_take(&arena, YAML_SIZE_MAX + 2);

	memset(deep, '[', YAML_DEPTH_MAX + 2);
	memset(deep + YAML_DEPTH_MAX + 2, ']', YAML_DEPTH_MAX + 2);
	expect_refusal(deep, "cannot read 'a.yaml': line 1: it is nested too deeply");
	memset(large, ' ', YAML_SIZE_MAX + 1);
	expect_refusal(large, "cannot read 'a.yaml': it is larger than 1024 KiB");
}
END_TEST

int main(void)
{
	return UNIT_RUN("declare/yaml", a_tree_has_lines_and_texts,
			there_may_be_several_documents_or_none, an_alias_is_what_it_names,
			a_merge_adds_what_is_not_said, what_is_ambiguous_is_refused,
			aliases_cannot_make_it_grow, depth_and_size_have_limits);
}
