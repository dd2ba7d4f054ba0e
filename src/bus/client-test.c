#include "bus/client.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "io/clock.h"
#include "io/scratch.h"

#define PATIENCE_MS 200

/* Where the library is missing, so is the bus. */
static bool can_load(void)
{
	struct bus *bus = NULL;

	return bus_open(&bus, BUS_SYSTEM, PATIENCE_MS) != -ENOPKG;
}

static void point_to(const char *name)
{
	char address[128];

	snprintf(address, sizeof(address), "unix:path=%s/%s", scratch_path, name);
	ck_assert_int_eq(setenv("DBUS_SYSTEM_BUS_ADDRESS", address, 1), 0);
	ck_assert_int_eq(setenv("DBUS_SESSION_BUS_ADDRESS", address, 1), 0);
}

/* Connections are accepted by the kernel, and nobody ever answers. */
static int listen_at(const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", scratch_path, name);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	point_to(name);
	return fd;
}

START_TEST(without_a_bus_there_is_none)
{
	struct bus *bus = NULL;

	point_to("nothing");
	if (!can_load())
		return;
	ck_assert_int_eq(bus_open(&bus, BUS_SYSTEM, PATIENCE_MS), -ENOENT);
	ck_assert_int_eq(bus_open(&bus, BUS_USER, 0), -ENOENT);
	ck_assert_ptr_null(bus);
	ck_assert_int_eq(bus_fd(bus), -EBADF);
	ck_assert_ptr_null(bus_close(bus));
}
END_TEST

START_TEST(a_bus_that_does_not_answer_is_not_waited_for)
{
	autoclose int fd = listen_at("silent");
	struct bus *bus = NULL;
	uint64_t began = clock_monotonic_us();

	ck_assert_int_ge(fd, 0);
	if (!can_load())
		return;
	ck_assert_int_eq(bus_open(&bus, BUS_SYSTEM, PATIENCE_MS), -ETIMEDOUT);
	ck_assert_ptr_null(bus);
	ck_assert_uint_lt(clock_monotonic_us() - began, 10 * PATIENCE_MS * 1000);
}
END_TEST

START_TEST(a_connection_may_be_begun_only)
{
	autoclose int fd = listen_at("begun");
	struct bus *bus = NULL;

	ck_assert_int_ge(fd, 0);
	if (!can_load())
		return;
	ck_assert_int_eq(bus_open(&bus, BUS_SYSTEM, 0), 0);
	ck_assert_int_ge(bus_fd(bus), 0);
	bus_close(bus);
}
END_TEST

START_TEST(there_is_always_something_to_say)
{
	ck_assert_str_eq(bus_error(NULL), "no answer");
}
END_TEST

int main(void)
{
	return SCRATCH_RUN("bus/client", without_a_bus_there_is_none,
			   a_bus_that_does_not_answer_is_not_waited_for,
			   a_connection_may_be_begun_only, there_is_always_something_to_say);
}
