#include "transfer/registry-login.h"

#include <string.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/macros.h"
#include "base/text.h"
#include "base/unit.h"
#include "io/fd.h"
#include "io/scratch.h"

static struct imageref ref_of(const char *text)
{
	struct imageref ref;
	const char *why;

	ck_assert_int_eq(imageref_parse(&ref, text, &why), 0);
	return ref;
}

/* YTph: "a:a", YTpi: "a:b", dTpw: "u:p" */
static const char file[] = "{\"auths\":{\"localhost:5000\":{\"auth\":\"dTpw\"},"
			   "\"ghcr.io\":{\"auth\":\"YTph\"},"
			   "\"https"
			   "://ghcr.io/owner/\":{\"auth\":\"YTpi\"},"
			   "\"https"
			   "://index.docker.io/v1/\":{\"identitytoken\":\"tok\"},"
			   "\"empty.example.com\":{},\"bad.example.com\":{\"auth\":\"!!\"}},"
			   "\"credHelpers\":{\"helped.example.com\":\"secret\","
			   "\"evil.example.com\":\"../x\"}}";

static int parse(struct arena *arena, struct registry_login *ret, const char **helper,
		 const char *image)
{
	struct imageref ref = ref_of(image);

	*ret = (struct registry_login){ 0 };
	*helper = NULL;
	fail_forget();
	return registry_login_parse(arena, ret, helper, &ref, file, strlen(file));
}

START_TEST(a_login_belongs_to_one_registry)
{
	autoarena struct arena arena = { 0 };
	struct registry_login login;
	const char *helper;

	ck_assert_int_eq(parse(&arena, &login, &helper, "localhost:5000/x"), 1);
	ck_assert_str_eq(login.user, "u");
	ck_assert_str_eq(login.secret, "p");
	ck_assert_int_eq(parse(&arena, &login, &helper, "localhost:5001/x"), 0);
	ck_assert_int_eq(parse(&arena, &login, &helper, "ghcr.io.example.com/x"), 0);
	ck_assert_int_eq(parse(&arena, &login, &helper, "empty.example.com/x"), 0);
	ck_assert_ptr_null(login.user);
}
END_TEST

START_TEST(the_longest_part_of_a_name_wins)
{
	autoarena struct arena arena = { 0 };
	struct registry_login login;
	const char *helper;

	ck_assert_int_eq(parse(&arena, &login, &helper, "ghcr.io/owner/x"), 1);
	ck_assert_str_eq(login.secret, "b");
	ck_assert_int_eq(parse(&arena, &login, &helper, "ghcr.io/owners/x"), 1);
	ck_assert_str_eq(login.secret, "a");
}
END_TEST

START_TEST(dockers_own_registry_has_several_names)
{
	autoarena struct arena arena = { 0 };
	struct registry_login login;
	const char *helper;

	ck_assert_int_eq(parse(&arena, &login, &helper, "alpine"), 1);
	ck_assert_str_eq(login.token, "tok");
}
END_TEST

START_TEST(a_helper_is_a_name_and_no_path)
{
	autoarena struct arena arena = { 0 };
	struct registry_login login;
	const char *helper;

	ck_assert_int_eq(parse(&arena, &login, &helper, "helped.example.com/x"), 1);
	ck_assert_str_eq(helper, "secret");
	ck_assert_int_lt(parse(&arena, &login, &helper, "evil.example.com/x"), 0);
	ck_assert_int_lt(parse(&arena, &login, &helper, "bad.example.com/x"), 0);
}
END_TEST

START_TEST(a_helper_is_run_and_believed)
{
	autoarena struct arena arena = { 0 };
	const char *environment[] = {
		arena_format(&arena, "PATH=%s:/usr/bin:/bin", scratch_path),
		arena_format(&arena, "REGISTRY_AUTH_FILE=%s/auth.json", scratch_path),
		NULL,
	};
	struct imageref ref = ref_of("r.example.com/x");
	struct registry_login login;

	scratch_put("auth.json", "{\"credsStore\":\"t\"}");
	ck_assert_int_lt(registry_login_find(&arena, &login, &ref, 0, environment), 0);
	scratch_put("docker-credential-t", "#!/bin/sh\nread -r server\n[ \"$1\" = get ] || exit 1\n"
					   "[ \"$server\" = r.example.com ] || exit 1\n"
					   "echo '{\"Username\":\"u\",\"Secret\":\"s\"}'\n");
	ck_assert_int_eq(fchmodat(scratch_fd, "docker-credential-t", 0755, 0), 0);
	ck_assert_msg(registry_login_find(&arena, &login, &ref, 0, environment) == 0, "%s",
		      fail_recorded()->text);
	ck_assert_str_eq(login.user, "u");
	ck_assert_str_eq(login.secret, "s");
	ref = ref_of("other.example.com/x");
	ck_assert_int_eq(registry_login_find(&arena, &login, &ref, 0, environment), 0);
	ck_assert_ptr_null(login.user);
}
END_TEST

START_TEST(without_a_file_one_is_nobody)
{
	autoarena struct arena arena = { 0 };
	const char *environment[] = { arena_format(&arena, "HOME=%s/none", scratch_path), NULL };
	struct imageref ref = ref_of("r.example.com/x");
	struct registry_login login = { .user = "x" };

	ck_assert_int_eq(registry_login_find(&arena, &login, &ref, 1000, environment), 0);
	ck_assert_ptr_null(login.user);
}
END_TEST

int main(void)
{
	return SCRATCH_RUN("transfer/registry-login", a_login_belongs_to_one_registry,
			   the_longest_part_of_a_name_wins, dockers_own_registry_has_several_names,
			   a_helper_is_a_name_and_no_path, a_helper_is_run_and_believed,
			   without_a_file_one_is_nobody);
}
