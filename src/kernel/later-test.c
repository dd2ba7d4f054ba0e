#include "kernel/later.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sys/wait.h>

#include "base/unit.h"
#include "io/fd.h"
#include "kernel/fixture.h"
#include "kernel/link.h"
#include "kernel/netlink.h"

#define PATIENCE_MS 10000

START_TEST(nothing_is_nothing)
{
	struct later later = { 0 };
	int none = -EBADF;

	later_close(&later, &none);
	later_go(&later);
	ck_assert_uint_eq(later.fd_count, 0);
}
END_TEST

/* Its other end tells when the last one has it closed. */
START_TEST(what_is_taken_is_closed_in_the_end_and_nothing_else_is_kept)
{
	struct later later = { 0 };
	int taken[2], other[2];
	struct pollfd end;
	char byte;

	ck_assert_int_eq(pipe2(taken, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(other, O_CLOEXEC), 0);
	later_close(&later, &taken[1]);
	ck_assert_int_eq(taken[1], -EBADF);
	later_go(&later);
	ck_assert_uint_eq(later.fd_count, 0);
	end = (struct pollfd){ .fd = taken[0], .events = POLLIN };
	ck_assert_int_eq(poll(&end, 1, PATIENCE_MS), 1);
	ck_assert_int_eq(read(taken[0], &byte, 1), 0);
	/* Whoever did it may live still, but without this. */
	close(other[1]);
	ck_assert_int_eq(read(other[0], &byte, 1), 0);
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
	close(taken[0]);
	close(other[0]);
}
END_TEST

START_TEST(links_go_in_the_end)
{
	autonetlink struct netlink netlink = NETLINK_EMPTY;
	const struct link_want want = { .name = "br-gone" };
	struct later later = { 0 };
	struct link_facts facts;
	int indexes[2];

	fixture_enter(CLONE_NEWNET);
	ck_assert_int_eq(netlink_open(&netlink, NETLINK_ROUTE), 0);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(link_make_bridge(&netlink, &indexes[i],
						  i ? &(struct link_want){ .name = "br-too" }
						    : &want),
				 0);
		later_delete_link(&later, indexes[i]);
	}
	later_delete_link(&later, 4711);
	later_go(&later);
	for (int tries = 0; tries < PATIENCE_MS && link_find(&netlink, &facts, "br-too") >= 0;
	     tries++)
		poll(NULL, 0, 1);
	ck_assert_int_eq(link_find(&netlink, &facts, "br-gone"), -ENODEV);
	ck_assert_int_eq(link_find(&netlink, &facts, "br-too"), -ENODEV);
}
END_TEST

START_TEST(what_is_too_much_or_not_for_later_is_done_at_once)
{
	struct later later = { 0 };
	int ends[2];
	char byte;

	for (int i = 0; i <= LATER_MAX; i++) {
		int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

		later_close(&later, &fd);
	}
	ck_assert_uint_eq(later.fd_count, LATER_MAX);
	later_go(&later);
	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	later_close(NULL, &ends[1]);
	ck_assert_int_eq(read(ends[0], &byte, 1), 0);
	close(ends[0]);
}
END_TEST

int main(void)
{
	return UNIT_RUN("kernel/later", nothing_is_nothing,
			what_is_taken_is_closed_in_the_end_and_nothing_else_is_kept,
			links_go_in_the_end, what_is_too_much_or_not_for_later_is_done_at_once);
}
