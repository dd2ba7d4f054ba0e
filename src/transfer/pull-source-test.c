/* What a worker left in memory is verified as it is used. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/unit.h"
#include "transfer/pull-state.h"

#define ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define NOTHING "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static struct pull pull_with(struct arena *arena, const char *settings, uint64_t limit)
{
	struct pull pull = {
		.arena = arena,
		.shown = "https://example.org/web.tar",
		.fetch = { .sums_fd = -EBADF, .signature_fd = -EBADF },
		.worker = WORKER_EMPTY,
		.pipe = { -EBADF, -EBADF },
	};

	for (size_t i = 0; i < FETCH_SIDES_MAX; i++)
		pull.fetch.side_fds[i] = -EBADF;
	pull.fetch.sides[0] = "web.nspawn";
	pull.fetch.side_limits[0] = limit;
	pull.fetch.side_fds[0] = memfd_create("side", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	pull.sides[0].came = true;
	ck_assert_int_eq(write(pull.fetch.side_fds[0], settings, strlen(settings)),
			 (ssize_t)strlen(settings));
	return pull;
}

START_TEST(the_sum_is_that_of_the_bytes_that_are_used)
{
	autoarena struct arena arena = { 0 };
	struct pull pull = pull_with(&arena, "abc", 3), empty = pull_with(&arena, "", 3);

	ck_assert_int_eq(pull_read_sides(&pull), 0);
	ck_assert_str_eq(pull.sides[0].sum, ABC);
	ck_assert_mem_eq(pull.sides[0].data, "abc", 3);
	ck_assert_int_eq(pull_read_sides(&empty), 0);
	ck_assert_str_eq(empty.sides[0].sum, NOTHING);
	pull_source_done(&pull);
	pull_source_done(&empty);
}
END_TEST

START_TEST(nobody_can_change_them_afterwards)
{
	autoarena struct arena arena = { 0 };
	struct pull pull = pull_with(&arena, "abc", 3);
	int other = dup(pull.fetch.side_fds[0]);

	ck_assert_int_eq(pull_read_sides(&pull), 0);
	ck_assert_int_lt(pwrite(other, "x", 1, 0), 0);
	ck_assert_int_eq(errno, EPERM);
	ck_assert_int_lt(ftruncate(other, 0), 0);
	close(other);
	pull_source_done(&pull);
}
END_TEST

START_TEST(what_somebody_could_still_change_is_refused)
{
	autoarena struct arena arena = { 0 };
	struct pull pull = pull_with(&arena, "abc", 3);
	void *map = mmap(NULL, 3, PROT_READ | PROT_WRITE, MAP_SHARED, pull.fetch.side_fds[0], 0);

	ck_assert_ptr_ne(map, MAP_FAILED);
	ck_assert_int_lt(pull_read_sides(&pull), 0);
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "'web.nspawn'"));
	munmap(map, 3);
	pull_source_done(&pull);
}
END_TEST

START_TEST(what_is_larger_than_its_limit_is_refused)
{
	autoarena struct arena arena = { 0 };
	struct pull pull = pull_with(&arena, "abc", 2);

	ck_assert_int_eq(pull_read_sides(&pull), -EFBIG);
	pull_source_done(&pull);
}
END_TEST

int main(void)
{
	return UNIT_RUN("transfer/pull-source", the_sum_is_that_of_the_bytes_that_are_used,
			nobody_can_change_them_afterwards,
			what_somebody_could_still_change_is_refused,
			what_is_larger_than_its_limit_is_refused);
}
