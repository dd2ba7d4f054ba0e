#include "machine/networkd.h"

#include <sys/stat.h>

#include "base/arena.h"
#include "base/macros.h"
#include "io/scratch.h"

#define ETC "etc/systemd/network/"
#define LIB "usr/lib/systemd/network/"

static bool configures(const char *name, const char *kind)
{
	autoarena struct arena arena = { 0 };

	return networkd_configures(&arena, scratch_fd, name, kind);
}

/* As systemd brings it, and nothing else. */
static void begin(void)
{
	static const char *const directories[] = {
		"etc",	   "etc/systemd",     "etc/systemd/network",	"usr",
		"usr/lib", "usr/lib/systemd", "usr/lib/systemd/network"
	};

	ck_assert_int_eq(dir_remove_all(scratch_fd, "etc"), 0);
	ck_assert_int_eq(dir_remove_all(scratch_fd, "usr"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(directories); i++)
		mkdirat(scratch_fd, directories[i], 0755);
	scratch_put(LIB "80-container-ve.network",
		    "# of systemd\n[Match]\nName=ve-*\nDriver=veth\n\n[Network]\nDHCPServer=yes\n");
}

START_TEST(what_systemd_brings_is_for_links_of_that_name_and_kind)
{
	ck_assert(!configures("ve-web", "veth"));
	begin();
	ck_assert(configures("ve-web", "veth"));
	ck_assert(!configures("vz-web", "bridge"));
	ck_assert(!configures("ve-web", "bridge"));
	ck_assert(!configures("xve-web", "veth"));
}
END_TEST

START_TEST(a_file_of_the_same_name_takes_its_place)
{
	begin();
	ck_assert_int_eq(symlinkat("/dev/null", scratch_fd, ETC "80-container-ve.network"), 0);
	ck_assert(!configures("ve-web", "veth"));
	ck_assert_int_eq(unlinkat(scratch_fd, ETC "80-container-ve.network", 0), 0);
	scratch_put(ETC "80-container-ve.network", "");
	ck_assert(!configures("ve-web", "veth"));
	scratch_put(ETC "80-container-ve.network", "[Match]\nName=ve-db\n");
	ck_assert(!configures("ve-web", "veth"));
	ck_assert(configures("ve-db", "veth"));
}
END_TEST

START_TEST(the_first_file_that_fits_counts)
{
	begin();
	scratch_put(ETC "10-a.network", "[Match]\nName=ve-*\n[Link]\nUnmanaged=yes\n");
	ck_assert(!configures("ve-web", "veth"));
	scratch_put(ETC "05-b.network", "[Match]\nName=x ve-w?b\nHost=here\n[Network]\nDHCP=no\n");
	ck_assert(configures("ve-web", "veth"));
	scratch_put(ETC "01-c.network", "[Match]\nName=ve-web\nMACAddress=02:00:00:00:00:01\n"
					"[Link]\nUnmanaged=yes\n");
	ck_assert(configures("ve-web", "veth"));
}
END_TEST

START_TEST(patterns_may_exclude_and_a_file_without_any_is_none)
{
	begin();
	scratch_put(ETC "80-container-ve.network", "[Match]\nName=!ve-* eth*\nType=ether bridge\n");
	ck_assert(!configures("ve-web", "veth"));
	ck_assert(configures("vz-z", "bridge"));
	scratch_put(ETC "80-container-ve.network", "[Match]\n[Network]\nDHCP=yes\n");
	ck_assert(!configures("ve-web", "veth"));
	scratch_put(ETC "80-container-ve.network", "[Match]\nName=*-*b\nKind=veth\n");
	ck_assert(configures("ve-web", "veth"));
	ck_assert(!configures("ve-wed", "veth"));
	scratch_put(ETC "80-container-ve.network", "[Match]\nName=v[ez]-*\n");
	ck_assert(configures("vz-z", "bridge"));
}
END_TEST

int main(void)
{
	return SCRATCH_RUN("machine/networkd",
			   what_systemd_brings_is_for_links_of_that_name_and_kind,
			   a_file_of_the_same_name_takes_its_place, the_first_file_that_fits_counts,
			   patterns_may_exclude_and_a_file_without_any_is_none);
}
