#include "image/blob.h"

#include <sys/stat.h>

#include "base/arena.h"
#include "base/fail.h"
#include "image/find.h"
#include "io/scratch.h"

#define DIGEST "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static struct arena arena;

START_TEST(a_blob_is_found_by_its_digest)
{
	struct find_scope scope = { .uid = 1000, .home = scratch_path };
	struct store store = STORE_EMPTY;
	struct store_part blob = STORE_PART_EMPTY;
	autoclose int found = -EBADF;
	char text[8] = "";
	struct stat st;

	ck_assert_int_eq(store_open(&arena, &store, &scope, true), 0);
	ck_assert_int_eq(blob_find(&store, DIGEST), -ENOENT);
	ck_assert_int_eq(fail_recorded()->code, 0);
	ck_assert_int_eq(blob_begin(&store, &blob), 0);
	ck_assert_int_eq(fd_write_all(blob.fd, "{}", 2), 0);
	ck_assert_int_eq(blob_commit(&blob, DIGEST), 0);
	found = blob_find(&store, DIGEST);
	ck_assert_int_ge(found, 0);
	ck_assert_int_eq(read(found, text, sizeof(text) - 1), 2);
	ck_assert_str_eq(text, "{}");
	ck_assert_int_eq(fstat(found, &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0400);
	store_part_done(&blob);
	store_done(&store);
}
END_TEST

START_TEST(a_path_is_no_digest)
{
	struct find_scope scope = { .uid = 1000, .home = scratch_path };
	struct store store = STORE_EMPTY;
	struct store_part blob = STORE_PART_EMPTY;

	ck_assert_int_eq(store_open(&arena, &store, &scope, true), 0);
	ck_assert_int_eq(blob_find(&store, "sha256:../../etc/passwd"), -EINVAL);
	ck_assert_int_eq(blob_begin(&store, &blob), 0);
	ck_assert_int_eq(blob_commit(&blob, "sha256:../x"), -EINVAL);
	store_part_done(&blob);
	store_done(&store);
}
END_TEST

int main(void)
{
	return SCRATCH_RUN("blob", a_blob_is_found_by_its_digest, a_path_is_no_digest);
}
