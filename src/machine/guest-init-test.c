#include "machine/guest-init.h"

#include <signal.h>
#include <stdint.h>
#include <string.h>

#include "base/arena.h"
#include "io/dir.h"
#include "io/fd.h"
#include "kernel/fixture.h"

static struct arena arena;

static void program(const char *path)
{
	char directory[256];

	snprintf(directory, sizeof(directory), "%s", path);
	*strrchr(directory, '/') = '\0';
	ck_assert_int_ge(dir_make_all(directory, 0755), 0);
	fixture_write(path, "#!");
	ck_assert_int_eq(chmod(path, 0755), 0);
}

static struct guest_init found(void)
{
	struct guest_init init = { 0 };
	autoclose int root = fixture_open("/mnt");

	ck_assert_int_eq(guest_init_find(&arena, &init, root), 0);
	return init;
}

START_TEST(a_tree_without_an_init_has_none)
{
	struct guest_init init;
	autoclose int root = -EBADF;

	fixture_enter(0);
	root = fixture_open("/mnt");
	ck_assert_int_eq(guest_init_find(&arena, &init, root), -ENOENT);
	/* a link that leads out of the tree leads nowhere */
	ck_assert_int_eq(mkdir("/mnt/sbin", 0755), 0);
	ck_assert_int_eq(symlink("../../../../bin/sh", "/mnt/sbin/init"), 0);
	ck_assert_int_eq(guest_init_find(&arena, &init, root), -ENOENT);
	ck_assert_int_eq(unlink("/mnt/sbin/init"), 0);
	ck_assert_int_eq(mkdir("/mnt/sbin/init", 0755), 0);
	ck_assert_int_eq(guest_init_find(&arena, &init, root), -ENOENT);
}
END_TEST

START_TEST(systemd_is_asked_as_systemd)
{
	struct guest_init init;

	fixture_enter(0);
	program("/mnt/usr/lib/systemd/systemd");
	init = found();
	ck_assert_int_eq(init.kind, GUEST_INIT_SYSTEMD);
	ck_assert_str_eq(init.program, "/usr/lib/systemd/systemd");
	ck_assert_int_eq(init.stop_signal, SIGRTMIN + 3);
	ck_assert_int_eq(init.poweroff_signal, SIGRTMIN + 4);
	ck_assert_int_eq(init.reboot_signal, SIGRTMIN + 5);
}
END_TEST

START_TEST(links_tell_which_init_it_is)
{
	static const struct {
		const char *target;
		enum guest_init_kind kind;
		int stop, reboot;
	} known[] = {
		{ "/bin/busybox", GUEST_INIT_BUSYBOX, SIGUSR2, SIGTERM },
		{ "/sbin/openrc-init", GUEST_INIT_OPENRC, SIGTERM, SIGINT },
		{ "/usr/bin/runit-init", GUEST_INIT_RUNIT, SIGCONT, SIGCONT },
		{ "/usr/bin/dinit", GUEST_INIT_DINIT, SIGTERM, SIGINT },
		{ "/usr/bin/s6-svscan", GUEST_INIT_S6, SIGUSR1, SIGINT },
	};

	fixture_enter(0);
	ck_assert_int_eq(mkdir("/mnt/sbin", 0755), 0);
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		struct guest_init init;
		char path[128];

		snprintf(path, sizeof(path), "/mnt%s", known[i].target);
		program(path);
		ck_assert_int_eq(symlink(known[i].target, "/mnt/sbin/init"), 0);
		init = found();
		ck_assert_msg(init.kind == known[i].kind, "%s", known[i].target);
		ck_assert_str_eq(init.program, "/sbin/init");
		ck_assert_int_eq(init.stop_signal, known[i].stop);
		ck_assert_int_eq(init.reboot_signal, known[i].reboot);
		ck_assert_int_eq(unlink("/mnt/sbin/init"), 0);
		ck_assert_int_eq(unlink(path), 0);
	}
}
END_TEST

START_TEST(an_init_called_init_is_known_by_its_company)
{
	fixture_enter(0);
	program("/mnt/sbin/init");
	ck_assert_int_eq(found().kind, GUEST_INIT_UNKNOWN);
	ck_assert_int_eq(found().stop_signal, SIGRTMIN + 3);
	ck_assert_int_eq(found().reboot_signal, SIGINT);
	program("/mnt/sbin/telinit");
	ck_assert_int_eq(found().kind, GUEST_INIT_SYSVINIT);
}
END_TEST

START_TEST(sysvinit_gets_a_request_in_its_fifo)
{
	const struct guest_init init = { .kind = GUEST_INIT_SYSVINIT };
	autoclose int root = -EBADF, reader = -EBADF;
	uint32_t request[96];

	fixture_enter(0);
	root = fixture_open("/mnt");
	ck_assert_int_eq(guest_init_request(&init, root, false), -ENOENT);
	ck_assert_int_eq(mkdir("/mnt/run", 0755), 0);
	ck_assert_int_eq(mkfifo("/mnt/run/initctl", 0600), 0);
	ck_assert_int_eq(guest_init_request(&init, root, false), -ENOENT); /* nobody reads */
	reader = open("/mnt/run/initctl", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	ck_assert_int_eq(guest_init_request(&init, root, true), 1);
	ck_assert_int_eq(read(reader, request, sizeof(request)), 384);
	ck_assert_uint_eq(request[0], 0x03091969);
	ck_assert_uint_eq(request[2], '6');
}
END_TEST

START_TEST(a_fifo_that_is_none_is_not_written)
{
	const struct guest_init init = { .kind = GUEST_INIT_SYSVINIT };
	autoclose int root = -EBADF;
	struct stat st;

	fixture_enter(0);
	root = fixture_open("/mnt");
	fixture_write("/mnt/victim", "");
	ck_assert_int_eq(mkdir("/mnt/run", 0755), 0);
	ck_assert_int_eq(symlink("/victim", "/mnt/run/initctl"), 0);
	ck_assert_int_lt(guest_init_request(&init, root, false), 0);
	ck_assert_int_eq(unlink("/mnt/run/initctl"), 0);
	ck_assert_int_eq(link("/mnt/victim", "/mnt/run/initctl"), 0);
	ck_assert_int_lt(guest_init_request(&init, root, false), 0);
	ck_assert_int_eq(stat("/mnt/victim", &st), 0);
	ck_assert_int_eq(st.st_size, 0);
}
END_TEST

START_TEST(runit_is_told_by_a_files_mode)
{
	const struct guest_init init = { .kind = GUEST_INIT_RUNIT };
	autoclose int root = -EBADF;
	struct stat st;

	fixture_enter(0);
	root = fixture_open("/mnt");
	ck_assert_int_ge(dir_make_all("/mnt/etc/runit", 0755), 0);
	ck_assert_int_eq(guest_init_request(&init, root, true), 0);
	ck_assert_int_eq(stat("/mnt/etc/runit/reboot", &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0100);
	ck_assert_int_eq(guest_init_request(&init, root, false), 0);
	ck_assert_int_eq(stat("/mnt/etc/runit/reboot", &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0);
	ck_assert_int_eq(stat("/mnt/etc/runit/stopit", &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0100);

	/* a link there could lead the mode change elsewhere */
	ck_assert_int_eq(unlink("/mnt/etc/runit/stopit"), 0);
	fixture_write("/mnt/victim", "");
	ck_assert_int_eq(symlink("/victim", "/mnt/etc/runit/stopit"), 0);
	ck_assert_int_lt(guest_init_request(&init, root, false), 0);
	ck_assert_int_eq(stat("/mnt/victim", &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0644);
}
END_TEST

START_TEST(files_of_the_host_are_no_message)
{
	const struct guest_init init = { .kind = GUEST_INIT_RUNIT };
	autoclose int root = -EBADF;
	struct stat st;

	fixture_enter(0);
	root = fixture_open("/mnt");
	ck_assert_int_ge(dir_make_all("/mnt/etc/runit", 0755), 0);
	fixture_write("/mnt/etc/runit/reboot", "");
	fixture_write("/mnt/bound", "");
	ck_assert_int_eq(mount("/mnt/bound", "/mnt/etc/runit/reboot", NULL, MS_BIND, NULL), 0);
	ck_assert_int_lt(guest_init_request(&init, root, false), 0);
	ck_assert_int_eq(stat("/mnt/bound", &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0644);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("guest-init");

	tcase_add_test(cases, a_tree_without_an_init_has_none);
	tcase_add_test(cases, systemd_is_asked_as_systemd);
	tcase_add_test(cases, links_tell_which_init_it_is);
	tcase_add_test(cases, an_init_called_init_is_known_by_its_company);
	tcase_add_test(cases, sysvinit_gets_a_request_in_its_fifo);
	tcase_add_test(cases, a_fifo_that_is_none_is_not_written);
	tcase_add_test(cases, runit_is_told_by_a_files_mode);
	tcase_add_test(cases, files_of_the_host_are_no_message);
	return fixture_run(cases, "machine/guest-init");
}
