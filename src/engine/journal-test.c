#include "engine/journal.h"

#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "engine/root.h"
#include "io/dir.h"
#include "io/fd.h"
#include "kernel/fixture.h"

#define ID "07070707070707070707070707070707"
#define JOURNAL "/var/log/journal/" ID

static struct arena arena;
static struct spec spec;
static struct root root = ROOT_EMPTY;

static void enter(enum link_journal_mode mode, bool try)
{
	ck_assert(fixture_enter_as_root());
	ck_assert_int_eq(mount("tmpfs", "/var/log", "tmpfs", 0, "mode=0755"), 0);
	ck_assert_int_ge(dir_make_all("/var/log/journal", 0755), 0);
	ck_assert_int_ge(dir_make_all("/mnt/web" JOURNAL, 0755), 0);
	root.fd = fixture_open("/mnt/web");
	root.facts.path = "/mnt/web";
	memset(root.facts.machine_id, 7, sizeof(root.facts.machine_id));
	spec.machine = "web";
	spec.link_journal = mode;
	spec.link_journal_try = try;
}

static int gather(struct host *host, bool *ret_skip)
{
	*host = (struct host){ 0 };
	*ret_skip = false;
	return journal_gather(&arena, host, ret_skip, &spec, &root);
}

static char *target(const char *path)
{
	static char text[256];
	ssize_t length = readlink(path, text, sizeof(text) - 1);

	ck_assert_int_gt(length, 0);
	text[length] = '\0';
	return text;
}

START_TEST(auto_looks_for_the_hosts_directory)
{
	struct host host;
	bool skip;

	enter(JOURNAL_AUTO, false);
	ck_assert_int_eq(gather(&host, &skip), 0);
	ck_assert(host.journal_exists && !host.journal_machine && !skip);
	ck_assert_int_eq(mkdir(JOURNAL, 0755), 0);
	ck_assert_int_eq(gather(&host, &skip), 0);
	ck_assert_str_eq(host.journal_machine, JOURNAL);
	spec.link_journal = JOURNAL_NO;
	ck_assert_int_eq(gather(&host, &skip), 0);
	ck_assert(!host.journal_exists);
}
END_TEST

START_TEST(guest_makes_a_link_on_the_host)
{
	const char *bind = "";

	enter(JOURNAL_GUEST, false);
	ck_assert_int_eq(journal_link(&arena, &bind, &spec, &root), 0);
	ck_assert_ptr_null(bind);
	ck_assert_str_eq(target(JOURNAL), "/mnt/web" JOURNAL);
	ck_assert_int_eq(journal_link(&arena, &bind, &spec, &root), 0);
	ck_assert_int_eq(unlink(JOURNAL), 0);
	ck_assert_int_eq(symlink("/elsewhere", JOURNAL), 0);
	ck_assert_int_eq(journal_link(&arena, &bind, &spec, &root), 0);
	ck_assert_str_eq(target(JOURNAL), "/mnt/web" JOURNAL);
}
END_TEST

START_TEST(journals_in_the_way_are_kept)
{
	const char *bind;

	enter(JOURNAL_GUEST, false);
	ck_assert_int_eq(mkdir(JOURNAL, 0755), 0);
	fixture_write(JOURNAL "/system.journal", "x");
	ck_assert_int_eq(journal_link(&arena, &bind, &spec, &root), -ENOTEMPTY);
	ck_assert_int_eq(access(JOURNAL "/system.journal", F_OK), 0);
	ck_assert_int_eq(unlink(JOURNAL "/system.journal"), 0);
	ck_assert_int_eq(journal_link(&arena, &bind, &spec, &root), 0);
	ck_assert_str_eq(target(JOURNAL), "/mnt/web" JOURNAL);
}
END_TEST

START_TEST(host_makes_a_directory_to_bind)
{
	const char *bind = NULL;
	struct stat st;

	enter(JOURNAL_HOST, false);
	ck_assert_int_eq(symlink("/mnt/web" JOURNAL, JOURNAL), 0);
	ck_assert_int_eq(journal_link(&arena, &bind, &spec, &root), 0);
	ck_assert_str_eq(bind, JOURNAL);
	ck_assert_int_eq(lstat(JOURNAL, &st), 0);
	ck_assert(S_ISDIR(st.st_mode));
	ck_assert_int_eq(journal_link(&arena, &bind, &spec, &root), 0);
}
END_TEST

START_TEST(a_mount_in_the_way_is_an_error_or_a_warning)
{
	struct host host;
	bool skip;

	enter(JOURNAL_HOST, false);
	ck_assert_int_eq(mkdir(JOURNAL, 0755), 0);
	ck_assert_int_eq(mount("tmpfs", JOURNAL, "tmpfs", 0, NULL), 0);
	ck_assert_int_eq(gather(&host, &skip), -EBUSY);
	spec.link_journal_try = true;
	ck_assert_int_eq(gather(&host, &skip), 0);
	ck_assert(skip && !host.journal_exists);
	ck_assert_int_eq(umount2(JOURNAL, MNT_DETACH), 0);
	ck_assert_int_eq(gather(&host, &skip), 0);
	ck_assert(!skip);
	ck_assert_int_eq(mount("tmpfs", "/mnt/web" JOURNAL, "tmpfs", 0, NULL), 0);
	ck_assert_int_eq(gather(&host, &skip), 0);
	ck_assert(skip);
}
END_TEST

START_TEST(the_hosts_own_journal_is_never_linked)
{
	struct host host;
	bool skip;

	enter(JOURNAL_GUEST, false);
	ck_assert_int_eq(mount("tmpfs", "/etc", "tmpfs", 0, "mode=0755"), 0);
	fixture_write("/etc/machine-id", ID "\n");
	ck_assert_int_eq(gather(&host, &skip), -EEXIST);
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "machine id"));
	spec.link_journal_try = true;
	ck_assert_int_eq(gather(&host, &skip), 0);
	ck_assert(skip);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("journal");

	if (geteuid() != 0)
		return 77;
	tcase_add_test(cases, auto_looks_for_the_hosts_directory);
	tcase_add_test(cases, guest_makes_a_link_on_the_host);
	tcase_add_test(cases, journals_in_the_way_are_kept);
	tcase_add_test(cases, host_makes_a_directory_to_bind);
	tcase_add_test(cases, a_mount_in_the_way_is_an_error_or_a_warning);
	tcase_add_test(cases, the_hosts_own_journal_is_never_linked);
	return fixture_run(cases, "engine/journal");
}
