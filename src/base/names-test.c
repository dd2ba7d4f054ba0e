#include <string.h>

#include "base/macros.h"
#include "base/names.h"
#include "base/unit.h"

START_TEST(good_machine_names_are_taken)
{
	static const char *const good[] = {
		"a",	 "web", "Web1",
		"a.b.c", "a-b", "a--b",
		"1",	 "9.9", "0123456789012345678901234567890123456789012345678901234567890123",
	};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		ck_assert_msg(name_is_machine(good[i]), "'%s'", good[i]);
}
END_TEST

START_TEST(names_that_are_paths_or_options_are_refused)
{
	static const char *const bad[] = {
		"",
		".",
		"..",
		"../../etc/x",
		"a/b",
		"/",
		"-x",
		"x-",
		"a.-b",
		"a-.b",
		".a",
		"a.",
		"a..b",
		"a_b",
		"a b",
		"a\n",
		"a\tb",
		"%n",
		"%i",
		"a:b",
		"a\\b",
		"a@b",
		"caf\xc3\xa9",
		"\xe2\x80\xae"
		"a",
		"\xff",
		"a\x7f",
		"a\x1b[2J",
		"*",
		"~",
		"$HOME",
		"01234567890123456789012345678901234567890123456789012345678901234",
	};
	char *endless;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_msg(!name_is_machine(bad[i]), "'%s'", bad[i]);
	endless = malloc(301);
	memset(endless, 'a', 300);
	endless[300] = '\0';
	ck_assert(!name_is_machine(endless));
	free(endless);
}
END_TEST

START_TEST(interface_names_are_what_the_kernel_takes)
{
	static const char *const good[] = { "host0", "ve-web", "eth0.1", "a",
					    "123456789012345a" + 1 };
	static const char *const bad[] = { "",	  ".",	 "..",	  "all",   "default",
					   "0",	  "123", "a/b",	  "a:b",   "a b",
					   "a%d", "a\n", "a\xc3", "a\x7f", "1234567890123456" };

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		ck_assert_msg(name_is_interface(good[i]), "'%s'", good[i]);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_msg(!name_is_interface(bad[i]), "'%s'", bad[i]);
}
END_TEST

START_TEST(alternative_names_may_be_longer)
{
	char name[129] = "";

	ck_assert(name_is_alternative("host0") && name_is_alternative("1234567890123456a"));
	ck_assert(!name_is_alternative("1234567890123456") && !name_is_alternative("a-name/b"));
	memset(name, 'a', 127);
	ck_assert(name_is_alternative(name));
	name[127] = 'a';
	ck_assert(!name_is_alternative(name));
}
END_TEST

START_TEST(user_names_are_strict)
{
	static const char *const good[] = { "root", "_apt", "systemd-network", "A1" };
	static const char *const bad[] = { "",
					   "0",
					   "1a",
					   "-a",
					   "a.b",
					   "a b",
					   "a:b",
					   "a\n",
					   "\xc3\xa9",
					   "01234567890123456789012345678901",
					   "a2345678901234567890123456789012" };

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		ck_assert_msg(name_is_user(good[i]), "'%s'", good[i]);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_msg(!name_is_user(bad[i]), "'%s'", bad[i]);
}
END_TEST

START_TEST(credential_names_are_file_names)
{
	char name[300];

	ck_assert(name_is_credential("passwd.hashed-password.root"));
	ck_assert(!name_is_credential(""));
	ck_assert(!name_is_credential("."));
	ck_assert(!name_is_credential(".."));
	ck_assert(!name_is_credential("a/b"));
	ck_assert(!name_is_credential("a:b"));
	ck_assert(!name_is_credential("a\nb"));
	ck_assert(!name_is_credential("\xc3\xa9"));
	memset(name, 'a', 255);
	name[255] = '\0';
	ck_assert(name_is_credential(name));
	name[255] = 'a';
	name[256] = '\0';
	ck_assert(!name_is_credential(name));
}
END_TEST

START_TEST(environment_assignments_need_a_name)
{
	ck_assert(name_is_environment("A="));
	ck_assert(name_is_environment("_a1=x=y\tz\nw"));
	ck_assert(name_is_environment("A=\xc3\xa9"));
	ck_assert(!name_is_environment("A"));
	ck_assert(!name_is_environment("=x"));
	ck_assert(!name_is_environment("1A=x"));
	ck_assert(!name_is_environment("A B=x"));
	ck_assert(!name_is_environment("A-B=x"));
	ck_assert(!name_is_environment("A=\x1b[2J"));
	ck_assert(!name_is_environment("A=\r"));
	ck_assert(!name_is_environment("A=\x7f"));
	ck_assert(!name_is_environment(""));
}
END_TEST

START_TEST(further_names_mean_nothing_by_themselves)
{
	static const char *const bad[] = { "",
					   "a_b",
					   "localhost",
					   "LocalHost",
					   "a.localhost",
					   "machine",
					   "web.machine",
					   "a.Machine",
					   "x.invalid",
					   "x.onion",
					   "10.0.0.1",
					   "7",
					   "a.7",
					   "-a",
					   "..",
					   "resolver.arpa" };
	char name[NAME_MAX_LENGTH + 1];

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_msg(!name_further(name, bad[i]), "%s", bad[i]);
	ck_assert(name_further(name, "WWW.Example.7b"));
	ck_assert_str_eq(name, "www.example.7b");
	ck_assert(name_further(name, "amachine") && name_further(name, "machine.a"));
}
END_TEST

START_TEST(a_host_is_meant_by_its_short_name_and_its_long_one)
{
	ck_assert(name_is_node("vm", "vm") && name_is_node("vm", "VM"));
	ck_assert(name_is_node("vm.example.org", "vm.example.org"));
	ck_assert(name_is_node("vm", "vm.example.org") && name_is_node("vm.example.org", "Vm"));
	ck_assert(name_is_node("vm", "vm.my_net"));
	ck_assert(!name_is_node("vm.example.net", "vm.example.org"));
	ck_assert(!name_is_node("v", "vm") && !name_is_node("vm", "v"));
	ck_assert(!name_is_node("vm2", "vm.example.org") && !name_is_node("example", "vm.example"));
	ck_assert(!name_is_node("vm", ""));
}
END_TEST

int main(void)
{
	return UNIT_RUN("base/names", good_machine_names_are_taken,
			names_that_are_paths_or_options_are_refused,
			interface_names_are_what_the_kernel_takes, alternative_names_may_be_longer,
			user_names_are_strict, credential_names_are_file_names,
			environment_assignments_need_a_name,
			further_names_mean_nothing_by_themselves,
			a_host_is_meant_by_its_short_name_and_its_long_one);
}
