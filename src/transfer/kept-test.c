#include "transfer/kept.h"

#include <string.h>

#include "base/arena.h"
#include "base/list.h"
#include "io/scratch.h"

static const struct kept tar = {
	.pool = "/var/lib/machines",
	.prefix = ".tar-",
	.suffix = "",
	.url = "https://example.org/a.tar",
};

START_TEST(a_name_holds_url_and_etag)
{
	autoarena struct arena arena = { 0 };

	ck_assert_str_eq(kept_name(&arena, &tar, ""),
			 ".tar-https:\\x2f\\x2fexample\\x2eorg\\x2fa\\x2etar");
	ck_assert_str_eq(kept_name(&arena, &tar, "\"x.y\""),
			 ".tar-https:\\x2f\\x2fexample\\x2eorg\\x2fa\\x2etar.\\x22x\\x2ey\\x22");
}
END_TEST

START_TEST(long_urls_are_hashed)
{
	autoarena struct arena arena = { 0 };
	char url[400] = "https://example.org/";
	struct kept kept = tar;

	memset(url + strlen(url), 'a', 300);
	kept.url = url;
	ck_assert_uint_le(strlen(kept_name(&arena, &kept, "\"e\"")), 5 + 16 + 10);
	ck_assert_str_eq(strrchr(kept_name(&arena, &kept, "\"e\""), '.'), ".\\x22e\\x22");
}
END_TEST

START_TEST(endless_etags_are_left_out)
{
	autoarena struct arena arena = { 0 };
	char etag[300] = "";

	memset(etag, '.', sizeof(etag) - 1);
	ck_assert_str_eq(kept_name(&arena, &tar, etag), kept_name(&arena, &tar, ""));
}
END_TEST

START_TEST(etags_of_the_url_are_found)
{
	autoarena struct arena arena = { 0 };
	struct kept kept = tar, other = tar, raw = tar;
	struct text_list found = { 0 };

	kept.pool = other.pool = raw.pool = scratch_path;
	other.url = "https://example.org/b.tar";
	raw.prefix = ".raw-";
	raw.suffix = ".raw";
	scratch_put(kept_name(&arena, &kept, "\"one\""), "");
	scratch_put(kept_name(&arena, &kept, "W/\"two\""), "");
	scratch_put(kept_name(&arena, &kept, ""), "");
	scratch_put(kept_name(&arena, &kept, kept_tag(&arena, "0123")), "");
	scratch_put(kept_name(&arena, &other, "\"three\""), "");
	scratch_put(arena_format(&arena, "%s.raw", kept_name(&arena, &raw, "\"four\"")), "");
	ck_assert_int_eq(kept_etags(&arena, &found, &kept), 0);
	ck_assert_uint_eq(found.count, 2);
	ck_assert(text_list_has(&found, "\"one\"") && text_list_has(&found, "W/\"two\""));
	text_list_clear(&found);
	ck_assert_int_eq(kept_etags(&arena, &found, &raw), 0);
	ck_assert_uint_eq(found.count, 1);
	kept.pool = "/nowhere";
	ck_assert_int_eq(kept_etags(&arena, &found, &kept), 0);
}
END_TEST

int main(void)
{
	return SCRATCH_RUN("transfer/kept", a_name_holds_url_and_etag, long_urls_are_hashed,
			   endless_etags_are_left_out, etags_of_the_url_are_found);
}
