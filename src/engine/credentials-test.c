#include "engine/credentials.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/unit.h"
#include "spec/spec.h"

static struct arena arena;

static int load(struct credential *credentials, size_t count, const char *directory)
{
	struct spec spec;

	spec_init(&spec);
	spec.credentials.items = credentials;
	spec.credentials.count = count;
	return credentials_load(&arena, &spec, directory);
}

static void put(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");

	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
}

START_TEST(a_file_replaces_its_path)
{
	struct credential credentials[] = {
		{ .id = "given", .data = "a\0b", .size = 3 },
		{ .id = "loaded", .path = "source" },
	};
	char directory[] = "/tmp/credentials-XXXXXX";
	char path[64];

	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/source", directory);
	put(path, "of the service manager");
	ck_assert_int_eq(load(credentials, 2, directory), 0);
	ck_assert_ptr_null(credentials[1].path);
	ck_assert_uint_eq(credentials[1].size, strlen("of the service manager"));
	ck_assert_str_eq(credentials[1].data, "of the service manager");
	ck_assert_uint_eq(credentials[0].size, 3);
	unlink(path);
	rmdir(directory);
}
END_TEST

START_TEST(what_cannot_be_loaded_is_told)
{
	struct credential missing = { .id = "x", .path = "/nonexistent/x" };
	struct credential named = { .id = "y", .path = "y" };
	struct credential endless = { .id = "z", .path = "/dev/zero" };

	ck_assert_int_lt(load(&missing, 1, NULL), 0);
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "'/nonexistent/x'"));
	ck_assert_int_lt(load(&named, 1, NULL), 0);
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "CREDENTIALS_DIRECTORY"));
	ck_assert_int_lt(load(&endless, 1, NULL), 0);
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "too large"));
}
END_TEST

int main(void)
{
	return UNIT_RUN("engine/credentials", a_file_replaces_its_path,
			what_cannot_be_loaded_is_told);
}
