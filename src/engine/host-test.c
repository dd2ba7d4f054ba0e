#include "engine/host.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>

#include "base/arena.h"
#include "io/dir.h"
#include "io/fd.h"
#include "kernel/fixture.h"
#include "machine/find.h"

static struct arena arena;
static const char *const environment[] = { "HOMER=x", "HOME=/home/ada", "EMPTY=", NULL };

static struct host gather(const struct spec *spec)
{
	struct host host;

	ck_assert_int_eq(host_gather(&arena, &host, spec, environment), 0);
	return host;
}

START_TEST(a_user_has_a_runtime_directory_of_its_own)
{
	static const char *const with[] = { "XDG_RUNTIME_DIR=/run/user/5", NULL };
	static const char *const relative[] = { "XDG_RUNTIME_DIR=run", NULL };

	ck_assert_str_eq(machine_runtime_directory(&arena, 0, with), "/run/redd");
	ck_assert_str_eq(machine_runtime_directory(&arena, 5, with), "/run/user/5/redd");
	ck_assert_str_eq(machine_runtime_directory(&arena, 5, relative), "/tmp/redd-5");
	ck_assert_str_eq(machine_runtime_directory(&arena, 5, environment), "/tmp/redd-5");
}
END_TEST

START_TEST(devices_are_the_kernels_numbers)
{
	struct spec spec;
	struct host host;
	struct stat st;

	spec_init(&spec);
	host = gather(&spec);
	for (size_t i = 0; i < sizeof(host.devices) / sizeof(host.devices[0]); i++)
		if (stat(host.devices[i].path, &st) == 0)
			ck_assert_uint_eq(host.devices[i].device, st.st_rdev);
	ck_assert(host.nproc.set && host.sigpending.set);
}
END_TEST

static void enter(void)
{
	ck_assert(fixture_enter_as_root());
	ck_assert_int_eq(mount("tmpfs", "/etc", "tmpfs", 0, "mode=0755"), 0);
	ck_assert_int_eq(mount("tmpfs", "/run", "tmpfs", 0, "mode=0755"), 0);
}

START_TEST(the_payload_is_told_four_fields)
{
	struct spec spec;
	struct host host;

	enter();
	spec_init(&spec);
	fixture_write("/etc/os-release", "NAME=\"Test OS\"\nID=test\nVERSION_ID=\"12 'x'\"\n"
					 "BUILD_ID=\nVARIANT_ID=server\n");
	host = gather(&spec);
	ck_assert_str_eq(host.os_release, "/etc/os-release");
	ck_assert_uint_eq(host.os_release_fields.count, 3);
	ck_assert_str_eq(host.os_release_fields.items[0], "container_host_id=test");
	ck_assert_str_eq(host.os_release_fields.items[1], "container_host_version_id=12 'x'");
	ck_assert_str_eq(host.os_release_fields.items[2], "container_host_variant_id=server");
}
END_TEST

START_TEST(the_time_zone_is_read_if_asked_for)
{
	struct spec spec;

	enter();
	spec_init(&spec);
	ck_assert_ptr_null(gather(&spec).localtime_target);
	ck_assert_int_eq(symlink("../usr/share/zoneinfo/UTC", "/etc/localtime"), 0);
	ck_assert_str_eq(gather(&spec).localtime_target, "../usr/share/zoneinfo/UTC");
	ck_assert_int_eq(unlink("/etc/localtime"), 0);
	fixture_write("/etc/localtime", "TZif");
	ck_assert_str_eq(gather(&spec).localtime_target, "");
	spec.timezone = TIMEZONE_OFF;
	ck_assert_ptr_null(gather(&spec).localtime_target);
}
END_TEST

static int listen_stub(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(53) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq loopback = { .ifr_name = "lo", .ifr_flags = IFF_UP };

	ck_assert_int_eq(ioctl(fd, SIOCSIFFLAGS, &loopback), 0);
	address.sin_addr.s_addr = inet_addr("127.0.0.53");
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

START_TEST(a_stub_resolver_counts_if_it_listens)
{
	autoclose int fd = -EBADF;
	struct spec spec;
	struct host host;

	enter();
	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	spec_init(&spec);
	host = gather(&spec);
	ck_assert(!host.resolved_stub && !host.has_resolv_conf);
	fixture_write("/etc/resolv.conf", "");
	ck_assert_int_ge(dir_make_all("/run/systemd/resolve", 0755), 0);
	fixture_write("/run/systemd/resolve/stub-resolv.conf", "");
	host = gather(&spec);
	ck_assert(!host.resolved_stub && host.has_resolv_conf);
	fd = listen_stub();
	ck_assert(gather(&spec).resolved_stub);
	spec.private_network = TRISTATE_YES;
	host = gather(&spec);
	ck_assert(!host.resolved_stub && !host.has_resolv_conf);
	spec.addressing.dns = DNS_HOST;
	ck_assert(gather(&spec).resolved_stub);
	spec.private_network = TRISTATE_NO;
	spec.resolv_conf = RESOLV_OFF;
	ck_assert(!gather(&spec).resolved_stub);
}
END_TEST

START_TEST(bound_devices_are_known_by_number)
{
	struct custom_mount mounts[] = {
		{ .kind = MOUNT_BIND, .source = "/dev/zero" },
		{ .kind = MOUNT_BIND, .source = "/etc" },
		{ .kind = MOUNT_BIND, .source = "/nowhere" },
		{ .kind = MOUNT_TMPFS, .destination = "/x" },
	};
	struct spec spec;
	struct host host;

	spec_init(&spec);
	spec.mounts.items = mounts;
	spec.mounts.count = 4;
	spec.userns = USERNS_PICK;
	ck_assert_uint_eq(gather(&spec).bound_devices_count, 0);
	spec.userns = USERNS_NO;
	host = gather(&spec);
	ck_assert_uint_eq(host.bound_devices_count, 1);
	ck_assert_uint_eq(host.bound_devices[0].device, makedev(1, 5));
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("host");

	tcase_add_test(cases, a_user_has_a_runtime_directory_of_its_own);
	tcase_add_test(cases, devices_are_the_kernels_numbers);
	tcase_add_test(cases, bound_devices_are_known_by_number);
	if (geteuid() == 0) {
		tcase_add_test(cases, the_payload_is_told_four_fields);
		tcase_add_test(cases, the_time_zone_is_read_if_asked_for);
		tcase_add_test(cases, a_stub_resolver_counts_if_it_listens);
	}
	return fixture_run(cases, "engine/host");
}
