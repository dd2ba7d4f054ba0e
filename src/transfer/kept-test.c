#include "transfer/kept.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>

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

static bool says(const char *name, const char *value)
{
	char said[32] = "";
	char *path = (char[128]){ 0 };

	snprintf(path, 128, "%s/source", scratch_path);
	return getxattr(path, name, said, sizeof(said) - 1) >= 0 && strcmp(said, value) == 0;
}

START_TEST(only_what_was_noted_counts)
{
	char path[128], endless[70000];
	int fd;

	scratch_put("source", "");
	snprintf(path, sizeof(path), "%s/source", scratch_path);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fsetxattr(fd, "user.source_verified", "signature", 9, 0) < 0 && errno == EOPNOTSUPP)
		return;
	ck_assert_int_eq(fsetxattr(fd, "user.source_etag", "\"one\"", 5, 0), 0);
	ck_assert_int_eq(fsetxattr(fd, "user.other", "x", 1, 0), 0);
	ck_assert(kept_is_verified(path, "signature"));
	ck_assert_int_eq(kept_forget(fd), 0);
	ck_assert(!kept_is_verified(path, "signature"));
	ck_assert(!says("user.source_etag", "\"one\"") && says("user.other", "x"));
	memset(endless, 'x', sizeof(endless));
	endless[sizeof(endless) - 1] = '\0';
	ck_assert_int_lt(kept_note(fd, "https://example.org/a", endless, "00", "signature"), 0);
	ck_assert(!kept_is(path, "00") && !kept_is_verified(path, "signature"));
	ck_assert_int_eq(kept_note(fd, "https://example.org/a", "", "00", "checksum"), 0);
	ck_assert(kept_is(path, "00") && kept_is_verified(path, "checksum"));
	close(fd);
}
END_TEST

int main(void)
{
	return SCRATCH_RUN("transfer/kept", a_name_holds_url_and_etag, long_urls_are_hashed,
			   endless_etags_are_left_out, etags_of_the_url_are_found,
			   only_what_was_noted_counts);
}
