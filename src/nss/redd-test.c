/* Loads the library as libc does, made for another directory. */
#include "nss/redd.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/macros.h"
#include "kernel/fixture.h"

#define TAG "tag 0123456789abcdef\n"

typedef enum nss_status by_name4_fn(const char *, struct gaih_addrtuple **, char *, size_t, int *,
				    int *, int32_t *);
typedef enum nss_status by_name3_fn(const char *, int, struct hostent *, char *, size_t, int *,
				    int *, int32_t *, char **);
typedef enum nss_status by_name2_fn(const char *, int, struct hostent *, char *, size_t, int *,
				    int *);
typedef enum nss_status by_name_fn(const char *, struct hostent *, char *, size_t, int *, int *);
typedef enum nss_status by_address2_fn(const void *, socklen_t, int, struct hostent *, char *,
				       size_t, int *, int *, int32_t *);
typedef enum nss_status by_address_fn(const void *, socklen_t, int, struct hostent *, char *,
				      size_t, int *, int *);

static struct {
	by_name4_fn *by_name4;
	by_name3_fn *by_name3;
	by_name2_fn *by_name2;
	by_name_fn *by_name;
	by_address2_fn *by_address2;
	by_address_fn *by_address;
} library;

static char buffer[4096];
static int error, h_error;

static void *find(void *handle, const char *name)
{
	void *found = dlsym(handle, name);

	ck_assert_msg(found != NULL, "%s", name);
	return found;
}

static void load(void)
{
	void *handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);

	ck_assert_msg(handle != NULL, "%s", dlerror());
	library.by_name4 = (by_name4_fn *)find(handle, "_nss_redd_gethostbyname4_r");
	library.by_name3 = (by_name3_fn *)find(handle, "_nss_redd_gethostbyname3_r");
	library.by_name2 = (by_name2_fn *)find(handle, "_nss_redd_gethostbyname2_r");
	library.by_name = (by_name_fn *)find(handle, "_nss_redd_gethostbyname_r");
	library.by_address2 = (by_address2_fn *)find(handle, "_nss_redd_gethostbyaddr2_r");
	library.by_address = (by_address_fn *)find(handle, "_nss_redd_gethostbyaddr_r");
	ck_assert_ptr_null(dlsym(handle, "name_is_machine"));
	ck_assert_ptr_null(dlsym(handle, "hosts_parse"));
}

static unsigned long long start_time(pid_t pid)
{
	unsigned long long start = 0;
	char path[32];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "r");
	ck_assert_ptr_nonnull(file);
	ck_assert_int_eq(fscanf(file,
				"%*d (%*[^)]) %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
				"%*s %*s %*s %*s %*s %*s %llu",
				&start),
			 1);
	fclose(file);
	return start;
}

static void put(const char *name, pid_t pid, unsigned long long start, const char *more)
{
	char path[128], text[4096];

	snprintf(path, sizeof(path), "/mnt/hosts/%s", name);
	snprintf(text, sizeof(text), "pid %d %llu\n" TAG "%s", (int)pid, start, more);
	fixture_write(path, text);
	ck_assert_int_eq(chmod(path, 0644), 0);
}

/* Root of a host whose machines are told in /mnt/hosts; "web" runs, its supervisor is this test. */
static void begin(void)
{
	fixture_enter(0);
	load();
	umask(022);
	ck_assert_int_eq(mkdir("/mnt/hosts", 0755), 0);
	put("web", getpid(), start_time(getpid()),
	    "address 10.213.0.2\naddress fd00::2\naddress 10.213.0.3\n");
	errno = 4242;
}

static enum nss_status look(const char *name, int family, struct hostent *ret)
{
	return library.by_name2(name, family, ret, buffer, sizeof(buffer), &error, &h_error);
}

static const char *first(const struct hostent *host)
{
	static char text[INET6_ADDRSTRLEN];

	return inet_ntop(host->h_addrtype, host->h_addr_list[0], text, sizeof(text));
}

static void check_unknown(const char *name)
{
	struct gaih_addrtuple *tuples = NULL;
	struct hostent host = { .h_name = buffer };

	error = h_error = 0;
	ck_assert_msg(look(name, AF_INET, &host) == NSS_STATUS_NOTFOUND, "%s", name);
	ck_assert_int_eq(h_error, HOST_NOT_FOUND);
	ck_assert_int_eq(error, ENOENT);
	ck_assert_ptr_eq(host.h_name, buffer);
	ck_assert_int_eq(library.by_name4(name, &tuples, buffer, sizeof(buffer), &error, &h_error,
					  NULL),
			 NSS_STATUS_NOTFOUND);
	ck_assert_ptr_null(tuples);
}

START_TEST(a_machine_has_its_addresses)
{
	struct hostent host;

	begin();
	ck_assert_int_eq(look("web", AF_INET, &host), NSS_STATUS_SUCCESS);
	ck_assert_str_eq(host.h_name, "web");
	ck_assert_int_eq(host.h_addrtype, AF_INET);
	ck_assert_int_eq(host.h_length, 4);
	ck_assert_mem_eq(host.h_addr_list[0], "\x0a\xd5\0\2", 4);
	ck_assert_mem_eq(host.h_addr_list[1], "\x0a\xd5\0\3", 4);
	ck_assert_ptr_null(host.h_addr_list[2]);
	ck_assert_ptr_null(host.h_aliases[0]);
	ck_assert_int_eq(h_error, NETDB_SUCCESS);
	ck_assert_int_eq(error, 4242);
	ck_assert_int_eq(errno, 4242);
	ck_assert_int_eq(look("web", AF_INET6, &host), NSS_STATUS_SUCCESS);
	ck_assert_int_eq(host.h_length, 16);
	ck_assert_str_eq(first(&host), "fd00::2");
	ck_assert_ptr_null(host.h_addr_list[1]);
	ck_assert_int_eq(library.by_name("web", &host, buffer, sizeof(buffer), &error, &h_error),
			 NSS_STATUS_SUCCESS);
	ck_assert_str_eq(first(&host), "10.213.0.2");
}
END_TEST

START_TEST(all_come_at_once)
{
	struct gaih_addrtuple given = {}, *tuples = NULL, *at = &given;
	int32_t ttl = 77;

	begin();
	ck_assert_int_eq(library.by_name4("web", &tuples, buffer, sizeof(buffer), &error, &h_error,
					  &ttl),
			 NSS_STATUS_SUCCESS);
	ck_assert_int_eq(ttl, 0);
	ck_assert_str_eq(tuples->name, "web");
	ck_assert_int_eq(tuples->family, AF_INET);
	ck_assert_mem_eq(tuples->addr, "\x0a\xd5\0\2", 4);
	ck_assert_int_eq(tuples->next->family, AF_INET6);
	ck_assert_ptr_null(tuples->next->next->next);
	/* The caller's own is filled first. */
	ck_assert_int_eq(library.by_name4("web", &at, buffer, sizeof(buffer), &error, &h_error,
					  NULL),
			 NSS_STATUS_SUCCESS);
	ck_assert_ptr_eq(at, &given);
	ck_assert_int_eq(given.family, AF_INET);
	ck_assert_int_eq(given.next->family, AF_INET6);
}
END_TEST

static void claim(const char *name, const char *target)
{
	char path[128];

	snprintf(path, sizeof(path), "/mnt/hosts/=%s", name);
	ck_assert_int_eq(symlink(target, path), 0);
}

START_TEST(further_names_lead_to_their_machine)
{
	static const char *const forms[] = { "www", "WWW", "www.machine", "mail.example" };
	char name[NI_MAXHOST];
	struct hostent host;

	begin();
	claim("www", "0123456789abcdef/web");
	claim("mail.example", "0123456789abcdef/web");
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		ck_assert_msg(look(forms[i], AF_INET, &host) == NSS_STATUS_SUCCESS, "%s", forms[i]);
		ck_assert_str_eq(host.h_name, forms[i]);
		ck_assert_str_eq(first(&host), "10.213.0.2");
	}
	/* An address has one name. */
	ck_assert_int_eq(library.by_address("\x0a\xd5\0\2", 4, AF_INET, &host, buffer,
					    sizeof(buffer), &error, &h_error),
			 NSS_STATUS_SUCCESS);
	snprintf(name, sizeof(name), "%s", host.h_name);
	ck_assert_str_eq(name, "web");
	/* Whoever is called so goes first, in both forms. */
	put("www", getpid(), start_time(getpid()), "address 10.213.0.9\n");
	ck_assert_int_eq(look("www.machine", AF_INET, &host), NSS_STATUS_SUCCESS);
	ck_assert_str_eq(first(&host), "10.213.0.9");
	ck_assert_int_eq(look("www", AF_INET, &host), NSS_STATUS_SUCCESS);
	ck_assert_str_eq(first(&host), "10.213.0.9");
}
END_TEST

START_TEST(further_names_of_nobody_are_unknown)
{
	begin();
	put("old", getpid(), start_time(getpid()) + 1, "address 10.213.0.7\n");
	claim("dead", "0123456789abcdef/old");
	claim("earlier", "fedcba9876543210/web");
	claim("none", "0123456789abcdef/none");
	claim("path", "0123456789abcdef/../hosts/web");
	claim("link", "web");
	claim("localhost", "0123456789abcdef/web");
	check_unknown("dead");
	check_unknown("earlier");
	check_unknown("none");
	check_unknown("path");
	check_unknown("link");
	check_unknown("localhost");
	check_unknown("=dead");
}
END_TEST

START_TEST(names_have_a_long_form)
{
	struct hostent host;

	begin();
	ck_assert_int_eq(look("web.machine", AF_INET, &host), NSS_STATUS_SUCCESS);
	ck_assert_str_eq(host.h_name, "web.machine");
	ck_assert_str_eq(first(&host), "10.213.0.2");
	ck_assert_int_eq(look("web.MACHINE", AF_INET, &host), NSS_STATUS_SUCCESS);
	/* Who is called so goes first. */
	put("web.machine", getpid(), start_time(getpid()), "address 10.213.0.9\n");
	ck_assert_int_eq(look("web.machine", AF_INET, &host), NSS_STATUS_SUCCESS);
	ck_assert_str_eq(first(&host), "10.213.0.9");
	check_unknown("web.machine.machine.machine");
	check_unknown(".machine");
	check_unknown("machine");
}
END_TEST

START_TEST(an_address_has_its_machine)
{
	static const unsigned char v4[] = { 10, 213, 0, 3 }, other[] = { 10, 213, 0, 4 };
	unsigned char v6[16] = { 0xfd };
	struct hostent host;
	int32_t ttl = 77;

	begin();
	v6[15] = 2;
	ck_assert_int_eq(library.by_address(v4, 4, AF_INET, &host, buffer, sizeof(buffer), &error,
					    &h_error),
			 NSS_STATUS_SUCCESS);
	ck_assert_str_eq(host.h_name, "web");
	ck_assert_str_eq(first(&host), "10.213.0.3");
	ck_assert_ptr_null(host.h_addr_list[1]);
	ck_assert_int_eq(library.by_address2(v6, 16, AF_INET6, &host, buffer, sizeof(buffer),
					     &error, &h_error, &ttl),
			 NSS_STATUS_SUCCESS);
	ck_assert_str_eq(host.h_name, "web");
	ck_assert_int_eq(ttl, 0);
	ck_assert_int_eq(library.by_address(other, 4, AF_INET, &host, buffer, sizeof(buffer),
					    &error, &h_error),
			 NSS_STATUS_NOTFOUND);
	ck_assert_int_eq(h_error, HOST_NOT_FOUND);
	ck_assert_int_eq(library.by_address(v4, 4, AF_INET6, &host, buffer, sizeof(buffer), &error,
					    &h_error),
			 NSS_STATUS_UNAVAIL);
	ck_assert_int_eq(error, EAFNOSUPPORT);
}
END_TEST

/* A caller with too little memory is told so, and nothing behind it is touched. */
START_TEST(little_memory_is_no_harm)
{
	static const unsigned char address[] = { 10, 213, 0, 2 };
	struct gaih_addrtuple *tuples = NULL;
	enum nss_status by_name = 0, by_tuple = 0, by_address = 0;
	struct hostent host;

	begin();
	for (size_t size = 0; size < 300; size++) {
		char *room = malloc(size + 1); /* of that size, for the sanitizers */

		memset(room, 0x55, size + 1);
		by_name = library.by_name2("web", AF_INET, &host, room, size, &error, &h_error);
		ck_assert(by_name == NSS_STATUS_SUCCESS ||
			  (by_name == NSS_STATUS_TRYAGAIN && error == ERANGE &&
			   h_error == NETDB_INTERNAL));
		tuples = NULL;
		by_tuple = library.by_name4("web", &tuples, room, size, &error, &h_error, NULL);
		ck_assert(by_tuple == NSS_STATUS_SUCCESS ||
			  (by_tuple == NSS_STATUS_TRYAGAIN && error == ERANGE &&
			   h_error == NETDB_INTERNAL && tuples == NULL));
		by_address = library.by_address(address, 4, AF_INET, &host, room, size, &error,
						&h_error);
		ck_assert(by_address == NSS_STATUS_SUCCESS ||
			  (by_address == NSS_STATUS_TRYAGAIN && error == ERANGE &&
			   h_error == NETDB_INTERNAL));
		ck_assert_int_eq(room[size], 0x55);
		free(room);
	}
	ck_assert_int_eq(by_name, NSS_STATUS_SUCCESS);
	ck_assert_int_eq(by_tuple, NSS_STATUS_SUCCESS);
	ck_assert_int_eq(by_address, NSS_STATUS_SUCCESS);
	/* Wherever it begins. */
	for (size_t shift = 0; shift < 16; shift++) {
		ck_assert_int_eq(library.by_name2("web", AF_INET, &host, buffer + shift, 512,
						  &error, &h_error),
				 NSS_STATUS_SUCCESS);
		ck_assert_int_eq((uintptr_t)host.h_addr_list % sizeof(void *), 0);
	}
}
END_TEST

START_TEST(a_family_without_an_address_has_no_data)
{
	struct gaih_addrtuple *tuples = NULL;
	struct hostent host;

	begin();
	put("four", getpid(), start_time(getpid()), "address 10.213.0.7\n");
	ck_assert_int_eq(look("four", AF_INET6, &host), NSS_STATUS_NOTFOUND);
	ck_assert_int_eq(h_error, NO_DATA);
	put("none", getpid(), start_time(getpid()), "");
	ck_assert_int_eq(library.by_name4("none", &tuples, buffer, sizeof(buffer), &error, &h_error,
					  NULL),
			 NSS_STATUS_NOTFOUND);
	ck_assert_int_eq(h_error, NO_DATA);
	ck_assert_int_eq(look("web", AF_UNIX, &host), NSS_STATUS_UNAVAIL);
	ck_assert_int_eq(error, EAFNOSUPPORT);
}
END_TEST

START_TEST(a_dead_supervisor_has_no_machine)
{
	static const unsigned char address[] = { 10, 213, 0, 7 };
	struct hostent host;
	pid_t child;

	begin();
	put("other", getpid(), start_time(getpid()) + 1, "address 10.213.0.7\n");
	check_unknown("other");
	child = fork();
	if (child == 0)
		_exit(0);
	ck_assert_int_eq(waitpid(child, NULL, 0), child);
	put("gone", child, 1, "address 10.213.0.7\n");
	check_unknown("gone");
	ck_assert_int_eq(library.by_address(address, 4, AF_INET, &host, buffer, sizeof(buffer),
					    &error, &h_error),
			 NSS_STATUS_NOTFOUND);
	/* What /proc does not tell is asked otherwise. */
	ck_assert_int_eq(mount("tmpfs", "/proc", "tmpfs", 0, NULL), 0);
	check_unknown("gone");
	ck_assert_int_eq(look("web", AF_INET, &host), NSS_STATUS_SUCCESS);
	ck_assert_int_eq(umount2("/proc", MNT_DETACH), 0);
}
END_TEST

START_TEST(names_are_no_paths)
{
	static const char *const bad[] = {
		"",
		".",
		"..",
		"/",
		"../hosts/web",
		"./web",
		"web/",
		"web/../web",
		"a/web",
		"web ",
		"web\n",
		"w%62",
		".web",
		"-web",
		"a..b",
		"\xff",
		"*",
		"01234567890123456789012345678901234567890123456789012345678901234567890123456789",
	};
	char *endless = malloc(1 << 20);

	begin();
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		check_unknown(bad[i]);
	memset(endless, 'a', (1 << 20) - 1);
	endless[(1 << 20) - 1] = '\0';
	check_unknown(endless);
	free(endless);
}
END_TEST

START_TEST(only_files_of_roots_are_read)
{
	char large[4096];
	struct stat st;

	begin();
	ck_assert_int_eq(symlink("web", "/mnt/hosts/link"), 0);
	check_unknown("link");
	ck_assert_int_eq(mkfifo("/mnt/hosts/fifo", 0644), 0);
	check_unknown("fifo");
	ck_assert_int_eq(mkdir("/mnt/hosts/dir", 0755), 0);
	check_unknown("dir");
	memset(large, '\n', sizeof(large));
	large[sizeof(large) - 1] = '\0';
	put("large", getpid(), start_time(getpid()), large);
	ck_assert_int_eq(stat("/mnt/hosts/large", &st), 0);
	ck_assert_int_ge(st.st_size, 4095);
	ck_assert_int_eq(truncate("/mnt/hosts/large", 4097), 0);
	check_unknown("large");
	fixture_write("/mnt/hosts/bad", "pid x\n");
	check_unknown("bad");
	ck_assert_int_eq(chmod("/mnt/hosts/web", 0664), 0);
	check_unknown("web");
	ck_assert_int_eq(chmod("/mnt/hosts/web", 0644), 0);
	ck_assert_int_eq(chmod("/mnt/hosts", 0757), 0);
	check_unknown("web");
	ck_assert_int_eq(rename("/mnt/hosts", "/mnt/elsewhere"), 0);
	check_unknown("web");
	ck_assert_int_eq(chmod("/mnt/elsewhere", 0755), 0);
	ck_assert_int_eq(symlink("elsewhere", "/mnt/hosts"), 0);
	check_unknown("web");
}
END_TEST

START_TEST(a_program_without_descriptors_may_try_again)
{
	struct rlimit usual, none;
	struct hostent host;

	begin();
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &usual), 0);
	none = usual;
	none.rlim_cur = 0;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	ck_assert_int_eq(look("web", AF_INET, &host), NSS_STATUS_TRYAGAIN);
	ck_assert_int_eq(h_error, TRY_AGAIN);
	ck_assert_int_ne(error, ERANGE);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &usual), 0);
}
END_TEST

START_TEST(nothing_is_left_open)
{
	static const unsigned char address[] = { 10, 213, 0, 99 };
	struct hostent host;
	int before, after;

	begin();
	before = dup(0);
	for (int i = 0; i < 100; i++) {
		look("web", AF_INET, &host);
		look("none", AF_INET, &host);
		library.by_address(address, 4, AF_INET, &host, buffer, sizeof(buffer), &error,
				   &h_error);
	}
	after = dup(0);
	ck_assert_int_eq(after, before + 1);
}
END_TEST

/* Of very many machines some have no name for their address: nobody waits longer for it. */
START_TEST(the_walk_is_bounded)
{
	static const unsigned char address[] = { 10, 213, 0, 99 };
	struct hostent host;
	char name[32];

	begin();
	for (int i = 0; i < 1500; i++) {
		snprintf(name, sizeof(name), "m%d", i);
		put(name, getpid(), start_time(getpid()), "address 10.213.0.7\n");
	}
	ck_assert_int_eq(library.by_address(address, 4, AF_INET, &host, buffer, sizeof(buffer),
					    &error, &h_error),
			 NSS_STATUS_NOTFOUND);
	ck_assert_int_eq(look("m1499", AF_INET, &host), NSS_STATUS_SUCCESS);
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {
		a_machine_has_its_addresses,
		all_come_at_once,
		names_have_a_long_form,
		further_names_lead_to_their_machine,
		further_names_of_nobody_are_unknown,
		an_address_has_its_machine,
		little_memory_is_no_harm,
		a_family_without_an_address_has_no_data,
		a_dead_supervisor_has_no_machine,
		names_are_no_paths,
		only_files_of_roots_are_read,
		a_program_without_descriptors_may_try_again,
		nothing_is_left_open,
		the_walk_is_bounded,
	};
	TCase *group = tcase_create("nss/redd");

	tcase_set_timeout(group, 60);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		tcase_add_test(group, cases[i]);
	return fixture_run(group, "nss/redd");
}
