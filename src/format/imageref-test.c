#include "format/imageref.h"

#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/macros.h"
#include "base/unit.h"

#define HASH "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

START_TEST(names_of_images_are_made_whole)
{
	static const struct {
		const char *text, *whole;
	} cases[] = {
		{ "alpine", "docker.io/library/alpine:latest" },
		{ "docker://alpine", "docker.io/library/alpine:latest" },
		{ "alpine:3.18", "docker.io/library/alpine:3.18" },
		{ "owner/app", "docker.io/owner/app:latest" },
		{ "docker.io/alpine", "docker.io/library/alpine:latest" },
		{ "index.docker.io/owner/app:1", "docker.io/owner/app:1" },
		{ "localhost/app", "localhost/app:latest" },
		{ "localhost:5000/app:x", "localhost:5000/app:x" },
		{ "127.0.0.1:5000/a/b/c", "127.0.0.1:5000/a/b/c:latest" },
		{ "[::1]:5000/app", "[::1]:5000/app:latest" },
		{ "ghcr.io/o/a@" HASH, "ghcr.io/o/a@" HASH },
		{ "ghcr.io/o/a:1@" HASH, "ghcr.io/o/a:1@" HASH },
		{ "a.b/c__d-e--f.g_h", "a.b/c__d-e--f.g_h:latest" },
		{ "registry:80/x", "registry:80/x:latest" },
		{ "quay.io/a:_v1.A-b", "quay.io/a:_v1.A-b" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autoarena struct arena arena = { 0 };
		struct imageref ref, again;
		const char *why = NULL;

		ck_assert_msg(imageref_parse(&ref, cases[i].text, &why) == 0, "'%s': %s",
			      cases[i].text, why);
		ck_assert_str_eq(imageref_text(&arena, &ref), cases[i].whole);
		ck_assert_int_eq(imageref_parse(&again, cases[i].whole, &why), 0);
		ck_assert_str_eq(imageref_text(&arena, &again), cases[i].whole);
	}
}
END_TEST

START_TEST(anything_else_is_refused_and_why)
{
	static const char *const bad[] = {
		"",
		"/",
		":tag",
		"@" HASH,
		"Alpine",
		"a/../b",
		"../a",
		"a//b",
		"a/",
		"/a",
		"a:",
		"a:b:c",
		"a:.x",
		"a:-x",
		"a b",
		"a\nb",
		"a@sha256:../../x",
		"a@" HASH "@" HASH,
		"a:b@",
		"-a.b/c",
		"a..b/c",
		"a.b:0/c",
		"a.b:99999/c",
		"a.b:x/c",
		"user:password@host.example.com/c",
		"http://localhost/c",
		"https://example.com/c",
		"[::1/c",
		"[zz]:5/c",
		"[::1]5/c",
		"a._b",
		"a-",
		"_a",
		"a___b",
		"a.b/c?x=1",
		"a.b/c#x",
		"a.b/%2e%2e",
	};
	struct imageref ref = { .tag = "kept" };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		const char *why = NULL;

		ck_assert_msg(imageref_parse(&ref, bad[i], &why) == -EINVAL, "'%s'", bad[i]);
		ck_assert_ptr_nonnull(why);
		ck_assert_str_eq(ref.tag, "kept");
	}
}
END_TEST

START_TEST(every_part_has_an_end)
{
	static const char *const before[] = { "", "a.b/c:", "a.b/", "a/" };
	struct imageref ref;
	const char *why;
	char text[700];

	for (size_t i = 0; i < ARRAY_SIZE(before); i++) {
		memset(text, 'a', sizeof(text));
		text[sizeof(text) - 1] = '\0';
		memcpy(text, before[i], strlen(before[i]));
		ck_assert_int_eq(imageref_parse(&ref, text, &why), -EINVAL);
	}
	text[400] = '/';
	text[3] = '.';
	ck_assert_int_eq(imageref_parse(&ref, text, &why), -EINVAL);
}
END_TEST

START_TEST(only_this_host_is_asked_without_tls)
{
	static const struct {
		const char *text, *scheme, *host;
	} cases[] = {
		{ "alpine", "https", "registry-1.docker.io" },
		{ "localhost/a", "http", "localhost" },
		{ "localhost:5000/a", "http", "localhost:5000" },
		{ "127.1.2.3:80/a", "http", "127.1.2.3:80" },
		{ "[::1]:5000/a", "http", "[::1]:5000" },
		{ "128.0.0.1:80/a", "https", "128.0.0.1:80" },
		{ "localhost.example.com/a", "https", "localhost.example.com" },
		{ "127.0.0.1.example.com/a", "https", "127.0.0.1.example.com" },
		{ "[::2]:5000/a", "https", "[::2]:5000" },
		{ "169.254.169.254:80/a", "https", "169.254.169.254:80" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct imageref ref;
		const char *why;

		ck_assert_int_eq(imageref_parse(&ref, cases[i].text, &why), 0);
		ck_assert_str_eq(imageref_scheme(&ref), cases[i].scheme);
		ck_assert_str_eq(imageref_host(&ref), cases[i].host);
	}
}
END_TEST

START_TEST(a_machine_is_called_by_the_last_component)
{
	autoarena struct arena arena = { 0 };
	struct imageref ref;
	const char *why;

	ck_assert_int_eq(imageref_parse(&ref, "a.b/c/my_app:7", &why), 0);
	ck_assert_str_eq(imageref_machine(&arena, &ref), "myapp");
	ck_assert_int_eq(imageref_parse(&ref, "alpine@" HASH, &why), 0);
	ck_assert_str_eq(imageref_machine(&arena, &ref), "alpine");
}
END_TEST

int main(void)
{
	return UNIT_RUN("format/imageref", names_of_images_are_made_whole,
			anything_else_is_refused_and_why, every_part_has_an_end,
			only_this_host_is_asked_without_tls,
			a_machine_is_called_by_the_last_component);
}
