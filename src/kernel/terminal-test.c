#include "kernel/terminal.h"

#include <sys/ioctl.h>

#include "io/fd.h"
#include "kernel/fixture.h"
#include "kernel/mount.h"

/* The instance is never attached anywhere, so no path leads to its ptys. */
START_TEST(a_pair_comes_from_a_detached_instance)
{
	autoclose int devpts = -EBADF, master = -EBADF, slave = -EBADF;
	unsigned int number = 99;
	char text[8] = "";

	fixture_enter(0);
	devpts = mount_create("devpts", "devpts", "newinstance,ptmxmode=0666,mode=0620", 0);
	ck_assert_msg(devpts >= 0, "%s", strerror(-devpts));
	ck_assert_int_eq(terminal_open_pair(devpts, &master, &slave, &number), 0);
	ck_assert_uint_eq(number, 0);
	ck_assert(terminal_is(slave));
	ck_assert_int_ne(fcntl(master, F_GETFD) & FD_CLOEXEC, 0);
	ck_assert_int_ne(fcntl(slave, F_GETFD) & FD_CLOEXEC, 0);
	ck_assert_int_eq(write(slave, "hello", 5), 5);
	ck_assert_int_eq(read(master, text, 5), 5);
	ck_assert_str_eq(text, "hello");
}
END_TEST

START_TEST(raw_mode_is_undone)
{
	autoclose int devpts = -EBADF, master = -EBADF, slave = -EBADF;
	struct terminal_state state = { .fd = -1 };
	struct termios before, raw, after;
	unsigned int number;

	fixture_enter(0);
	devpts = mount_create("devpts", "devpts", "newinstance,ptmxmode=0666", 0);
	ck_assert_int_eq(terminal_open_pair(devpts, &master, &slave, &number), 0);
	ck_assert_int_eq(tcgetattr(slave, &before), 0);
	ck_assert_int_eq(terminal_make_raw(&state, slave), 0);
	ck_assert_int_eq(tcgetattr(slave, &raw), 0);
	ck_assert_uint_eq(raw.c_lflag & (ECHO | ICANON | ISIG), 0);
	terminal_restore(&state);
	terminal_restore(&state);
	ck_assert_int_eq(tcgetattr(slave, &after), 0);
	ck_assert_uint_eq(after.c_lflag, before.c_lflag);
}
END_TEST

START_TEST(sizes_are_copied)
{
	autoclose int devpts = -EBADF, master = -EBADF, slave = -EBADF, plain = -EBADF;
	autoclose int other_master = -EBADF, other_slave = -EBADF;
	struct winsize size = { .ws_row = 33, .ws_col = 101 };
	unsigned int number;

	fixture_enter(0);
	devpts = mount_create("devpts", "devpts", "newinstance,ptmxmode=0666", 0);
	ck_assert_int_eq(terminal_open_pair(devpts, &master, &slave, &number), 0);
	ck_assert_int_eq(terminal_open_pair(devpts, &other_master, &other_slave, &number), 0);
	ck_assert_uint_eq(number, 1);
	ck_assert_int_eq(ioctl(master, TIOCSWINSZ, &size), 0);
	ck_assert_int_eq(terminal_copy_size(other_master, slave), 0);
	size = (struct winsize){ 0 };
	ck_assert_int_eq(ioctl(other_slave, TIOCGWINSZ, &size), 0);
	ck_assert_uint_eq(size.ws_row, 33);
	ck_assert_uint_eq(size.ws_col, 101);
	plain = fixture_open("/mnt");
	ck_assert(!terminal_is(plain));
	ck_assert_int_lt(terminal_copy_size(plain, slave), 0);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("terminal");

	tcase_add_test(cases, a_pair_comes_from_a_detached_instance);
	tcase_add_test(cases, raw_mode_is_undone);
	tcase_add_test(cases, sizes_are_copied);
	return fixture_run(cases, "kernel/terminal");
}
