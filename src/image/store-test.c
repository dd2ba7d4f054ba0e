#include "image/store.h"

#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/fail.h"
#include "image/find.h"
#include "io/scratch.h"

#define NAME_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static struct arena arena;
static struct store store = STORE_EMPTY;

static struct find_scope scope(void)
{
	return (struct find_scope){ .uid = 1000, .home = scratch_path };
}

static void open_store(void)
{
	struct find_scope mine = scope();

	ck_assert_int_eq(store_open(&arena, &store, &mine, true), 0);
}

START_TEST(root_and_users_have_stores_of_their_own)
{
	struct find_scope root = { .uid = 0, .home = "/root" }, user = { 1000, NULL, "/home/a" };
	struct find_scope homeless = { 1000, NULL, NULL };

	ck_assert_str_eq(store_path(&arena, &root), "/var/lib/redd");
	ck_assert_str_eq(store_path(&arena, &user), "/home/a/.local/state/redd");
	ck_assert_ptr_null(store_path(&arena, &homeless));
	ck_assert_int_eq(store_open(&arena, &store, &homeless, false), -ENOENT);
	ck_assert_int_eq(store_open(&arena, &store, &homeless, true), -EINVAL);
}
END_TEST

START_TEST(nobody_else_may_enter_the_store)
{
	struct find_scope mine = scope();
	struct stat st;
	mode_t old = umask(0);

	open_store();
	ck_assert_int_eq(fstat(store.fd, &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0700);
	ck_assert_int_eq(fstatat(store.fd, STORE_LAYERS, &st, 0), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0700);
	ck_assert_int_eq(fchmod(store.fd, 0755), 0);
	store_done(&store);
	ck_assert_int_eq(store_open(&arena, &store, &mine, false), 0);
	ck_assert_int_eq(fstat(store.fd, &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0700);
	umask(old);
}
END_TEST

START_TEST(only_whole_digests_are_names)
{
	ck_assert_str_eq(store_digest_name("sha256:" NAME_A), NAME_A);
	ck_assert_ptr_null(store_digest_name("sha256:../../x"));
	ck_assert_ptr_null(store_digest_name("sha512:" NAME_A));
	ck_assert_ptr_null(store_digest_name("sha256:" NAME_A "a"));
	ck_assert_ptr_null(store_digest_name(
		"sha256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"));
	ck_assert_ptr_null(store_digest_name(NAME_A));
	ck_assert(store_is_name(NAME_A));
	ck_assert(!store_is_name("sha256:" NAME_A));
	ck_assert(!store_is_name(&NAME_A[1]));
}
END_TEST

static bool is_leased(int fd)
{
	autoclose int other = -EBADF;
	char path[32];
	bool leased;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	other = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(other, 0);
	leased = flock(other, LOCK_EX | LOCK_NB) < 0;
	if (!leased)
		flock(other, LOCK_UN);
	return leased;
}

START_TEST(what_is_made_is_leased_and_appears_whole)
{
	struct store_part part = STORE_PART_EMPTY;
	autoclose int held = -EBADF;

	open_store();
	ck_assert_int_eq(store_begin(&store, &part, STORE_LAYERS, true), 0);
	ck_assert(is_leased(part.fd));
	ck_assert_int_eq(store_hold(&store, STORE_LAYERS, NAME_A), -ENOENT);
	ck_assert_int_eq(mkdirat(part.fd, "usr", 0755), 0);
	ck_assert_int_eq(store_publish(&part, NAME_A), 0);
	ck_assert(is_leased(part.fd));
	held = store_hold(&store, STORE_LAYERS, NAME_A);
	ck_assert_int_ge(held, 0);
	ck_assert_int_eq(faccessat(held, "usr", F_OK, 0), 0);
	store_part_done(&part);
	ck_assert(is_leased(held));
	fd_close(&held);
	held = openat(store.fd, STORE_LAYERS "/" NAME_A, O_RDONLY | O_CLOEXEC);
	ck_assert(!is_leased(held));
	ck_assert_int_eq(dir_remove_all(store.fd, STORE_LAYERS "/" NAME_A), 0);
}
END_TEST

START_TEST(who_comes_second_uses_what_is_there)
{
	struct store_part first = STORE_PART_EMPTY, second = STORE_PART_EMPTY;
	struct stat a, b;

	open_store();
	ck_assert_int_eq(store_begin(&store, &first, STORE_LAYERS, true), 0);
	ck_assert_int_eq(store_begin(&store, &second, STORE_LAYERS, true), 0);
	ck_assert_int_eq(store_publish(&first, NAME_A), 0);
	ck_assert_int_eq(store_publish(&second, NAME_A), 1);
	ck_assert_int_eq(fstat(first.fd, &a), 0);
	ck_assert_int_eq(fstat(second.fd, &b), 0);
	ck_assert_uint_eq(a.st_ino, b.st_ino);
	store_part_done(&first);
	ck_assert(is_leased(second.fd));
	store_part_done(&second);
	ck_assert_int_eq(dir_remove_all(store.fd, STORE_LAYERS "/" NAME_A), 0);
}
END_TEST

static int count(int dir_fd, const char *name, unsigned char type, void *context)
{
	(void)dir_fd;
	(void)name;
	(void)type;
	return ++*(int *)context, 0;
}

START_TEST(what_is_given_up_leaves_nothing)
{
	struct store_part part = STORE_PART_EMPTY;
	autoclose int room = -EBADF;
	int entries = 0;

	open_store();
	ck_assert_int_eq(store_begin(&store, &part, STORE_LAYERS, true), 0);
	ck_assert_int_eq(mkdirat(part.fd, "usr", 0755), 0);
	store_part_done(&part);
	store_part_done(&part);
	room = openat(store.fd, STORE_LAYERS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_eq(dir_walk(room, count, &entries), 0);
	ck_assert_int_eq(entries, 0);
}
END_TEST

START_TEST(what_killed_ones_left_goes_and_what_grows_stays)
{
	struct store_part dead = STORE_PART_EMPTY, alive = STORE_PART_EMPTY;
	struct store_part file = STORE_PART_EMPTY;
	autoclose int room = -EBADF;
	int entries = 0;

	open_store();
	ck_assert_int_eq(store_begin(&store, &dead, STORE_LAYERS, true), 0);
	ck_assert_int_eq(mkdirat(dead.fd, "usr", 0755), 0);
	ck_assert_int_eq(store_begin(&store, &alive, STORE_LAYERS, true), 0);
	ck_assert_int_eq(store_begin(&store, &file, STORE_BLOBS, false), 0);
	fd_close(&dead.fd);
	fd_close(&file.fd);
	room = openat(store.fd, STORE_LAYERS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_eq(mkdirat(room, ".#old." NAME_A, 0755), 0);
	ck_assert_int_eq(store_sweep(&store), 0);
	ck_assert_int_eq(dir_walk(room, count, &entries), 0);
	ck_assert_int_eq(entries, 2);
	ck_assert_int_eq(faccessat(room, alive.name, F_OK, 0), 0);
	ck_assert_int_lt(faccessat(file.room_fd, file.name, F_OK, 0), 0);
	ck_assert_int_eq(unlinkat(room, ".#old." NAME_A, AT_REMOVEDIR), 0);
	store_part_done(&dead);
	store_part_done(&alive);
	store_part_done(&file);
}
END_TEST

int main(void)
{
	return SCRATCH_RUN("store", root_and_users_have_stores_of_their_own,
			   nobody_else_may_enter_the_store, only_whole_digests_are_names,
			   what_is_made_is_leased_and_appears_whole,
			   who_comes_second_uses_what_is_there, what_is_given_up_leaves_nothing,
			   what_killed_ones_left_goes_and_what_grows_stays);
}
