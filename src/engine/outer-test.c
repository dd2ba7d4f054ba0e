#include "engine/outer.h"

#include <signal.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/unit.h"
#include "engine/ids.h"
#include "io/fd.h"
#include "kernel/fixture.h"
#include "kernel/namespace.h"

#undef fail /* an old macro of Check */

static struct arena arena;

/* What whoever runs the test may map: the own id. */
static struct ids own(void)
{
	return (struct ids){ .rung = RUNG_SINGLE,
			     .uids = { { 0, geteuid(), 1 } },
			     .gids = { { 0, getegid(), 1 } },
			     .uid_count = 1,
			     .gid_count = 1,
			     .lock_fd = -EBADF };
}

/* With more, as root. */
static struct ids several(void)
{
	struct ids ids = own();

	ids.rung = RUNG_SUBORDINATE;
	ids.uids[1] = (struct own_ids_extent){ 1, 524288, 65536 };
	ids.gids[1] = (struct own_ids_extent){ 1, 600000, 1000 };
	ids.gids[2] = (struct own_ids_extent){ 1001, 700000, 7 };
	ids.uid_count = 2;
	ids.gid_count = 3;
	return ids;
}

/* Another supervisor, in its user namespace. Dies with the case, as Check sees to. */
static pid_t supervisor(const struct ids *ids)
{
	autoclose int process = -EBADF;
	int ends[2];
	char byte;
	pid_t pid;

	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		if (unshare(CLONE_NEWUSER) < 0 || prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0 ||
		    write(ends[1], "u", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ends[1]);
	ck_assert_int_eq(read(ends[0], &byte, 1), 1);
	close(ends[0]);
	process = namespace_open_process(pid);
	ck_assert_int_eq(
		namespace_write_maps(process, own_ids_map_text(&arena, ids->uids, ids->uid_count),
				     own_ids_map_text(&arena, ids->gids, ids->gid_count), true),
		0);
	return pid;
}

static int check(const struct ids *ids, pid_t pid)
{
	autoclose int process = namespace_open_process(pid);

	return outer_check(&arena, ids, process);
}

static void refused(const struct ids *ids, pid_t pid)
{
	fail_forget();
	ck_assert_int_eq(check(ids, pid), -EPERM);
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "their ids are others (stop them"));
}

START_TEST(who_has_the_same_ids_may_be_joined)
{
	struct ids ids = own(), other = own();
	pid_t pid = supervisor(&ids);

	ck_assert_int_eq(check(&ids, pid), 0);
	other.uids[0].outside++;
	refused(&other, pid);
	other = own();
	other.gids[0].outside++;
	refused(&other, pid);
	other = own();
	other.gid_count = 0;
	refused(&other, pid);
	ck_assert_int_eq(check(&ids, pid), 0);
	/* Not in one of its own. */
	refused(&ids, getpid());
}
END_TEST

START_TEST(all_ranges_count)
{
	struct ids ids = several(), other = several();
	pid_t pid;

	if (geteuid() != 0)
		return;
	pid = supervisor(&ids);
	ck_assert_int_eq(check(&ids, pid), 0);
	other.gids[2].count++;
	refused(&other, pid);
	other = several();
	other.gid_count--;
	refused(&other, pid);
	other = own();
	refused(&other, pid);
	pid = supervisor(&other);
	refused(&ids, pid);
	ck_assert_int_eq(check(&other, pid), 0);
}
END_TEST

START_TEST(who_has_ended_cannot_be_joined)
{
	struct ids ids = own();

	ck_assert_int_lt(check(&ids, INT32_MAX), 0);
}
END_TEST

static void check_root(uint32_t user)
{
	uint32_t here;

	ck_assert_int_eq(namespace_own_number(&here, "user"), 0);
	ck_assert_uint_eq(here, user);
	ck_assert_uint_eq(getuid(), 0);
	ck_assert_uint_eq(geteuid(), 0);
	ck_assert_uint_eq(getgid(), 0);
	ck_assert_uint_eq(getegid(), 0);
	/* By its user, who may join as well. */
	ck_assert_int_eq(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), 1);
}

START_TEST(who_joins_is_root_there)
{
	autoclose int process = -EBADF, user = -EBADF;
	struct ids ids = own();
	pid_t pid = supervisor(&ids);
	uint32_t number;

	process = namespace_open_process(pid);
	user = namespace_open(process, "user");
	ck_assert_int_eq(namespace_number_of(&number, user), 0);
	ck_assert_int_eq(outer_join(user), 0);
	check_root(number);
	/* It can be told from inside, too. */
	ck_assert_int_eq(check(&ids, pid), 0);
	/* Once is enough: the kernel takes nobody who is there already. */
	ck_assert_int_eq(outer_join(user), -EINVAL);
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "cannot enter the user namespace of"));
}
END_TEST

START_TEST(who_enters_its_own_has_the_ids_that_others_look_for)
{
	struct ids ids = own();
	uint32_t before, after;

	ck_assert_int_eq(namespace_own_number(&before, "user"), 0);
	ck_assert_int_eq(outer_enter(&arena, &ids), 0);
	ck_assert_int_eq(namespace_own_number(&after, "user"), 0);
	ck_assert_uint_ne(before, after);
	check_root(after);
	ck_assert_int_eq(check(&ids, getpid()), 0);
}
END_TEST

START_TEST(what_is_no_user_namespace_cannot_be_joined)
{
	autoclose int net = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	fail_forget();
	ck_assert_int_eq(outer_join(net), -EINVAL);
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "cannot enter the user namespace of"));
}
END_TEST

int main(void)
{
	return UNIT_RUN("engine/outer", who_has_the_same_ids_may_be_joined, all_ranges_count,
			who_has_ended_cannot_be_joined, who_joins_is_root_there,
			who_enters_its_own_has_the_ids_that_others_look_for,
			what_is_no_user_namespace_cannot_be_joined);
}
