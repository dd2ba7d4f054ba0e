#include "cli/remote.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "io/file.h"
#include "io/scratch.h"

static struct arena arena;

static struct remote_place place_of(const char *text)
{
	struct remote_place place;

	ck_assert_int_eq(remote_place(&arena, &place, text), 0);
	return place;
}

START_TEST(a_host_may_have_a_user_a_port_and_a_machine)
{
	struct remote_place place = place_of("me@far:2222/web");

	ck_assert_str_eq(place.host, "me@far");
	ck_assert_str_eq(place.port, "2222");
	ck_assert_str_eq(place.machine, "web");
	place = place_of("far/");
	ck_assert_str_eq(place.host, "far");
	ck_assert_ptr_null(place.port);
	ck_assert_ptr_null(place.machine);
}
END_TEST

START_TEST(an_ipv6_address_has_a_port_in_brackets_only)
{
	struct remote_place place = place_of("fe80::1");

	ck_assert_str_eq(place.host, "fe80::1");
	ck_assert_ptr_null(place.port);
	place = place_of("[fe80::1]:22");
	ck_assert_str_eq(place.host, "[fe80::1]");
	ck_assert_str_eq(place.port, "22");
}
END_TEST

START_TEST(what_ssh_would_take_for_an_option_is_no_host)
{
	static const char *const bad[] = { "", "-oProxyCommand=x", "a b", "far:none", "/web" };
	struct remote_place place;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_int_eq(remote_place(&arena, &place, bad[i]), -EINVAL);
}
END_TEST

START_TEST(each_word_arrives_as_it_is)
{
	struct remote_place place = { .host = "far", .port = "22" };
	const char *environment[] = { arena_format(&arena, "PATH=%s", scratch_path), NULL };
	struct text_list words = { 0 };
	size_t size;
	char *text;
	pid_t child;

	scratch_put("ssh", "#!/bin/sh\nprintf '%s\\n' \"$@\" >\"${0%/*}/said\"\n");
	ck_assert_int_eq(fchmodat(scratch_fd, "ssh", 0755, 0), 0);
	text_list_add(&arena, &words, arena_text(&arena, "show"));
	text_list_add(&arena, &words, arena_text(&arena, "a'b $c"));
	child = fork();
	if (child == 0)
		_exit(-remote_by_ssh(&arena, &place, &words, true, environment));
	ck_assert_int_eq(waitpid(child, NULL, 0), child);
	ck_assert_int_eq(file_read(&arena, &text, &size, scratch_fd, "said", 1024), 0);
	ck_assert_str_eq(text, "-t\n-p\n22\nfar\n--\n'show'\n'a'\\''b $c'\n");
}
END_TEST

START_TEST(a_host_without_ssh_says_so)
{
	struct remote_place place = { .host = "far" };
	const char *environment[] = { "PATH=/nowhere", NULL };
	struct text_list words = { 0 };

	ck_assert_int_eq(remote_by_ssh(&arena, &place, &words, false, environment), -ENOENT);
	ck_assert_str_eq(fail_recorded()->text,
			 "cannot reach host 'far': there is no ssh (install it)");
}
END_TEST

int main(void)
{
	return SCRATCH_RUN("cli/remote", a_host_may_have_a_user_a_port_and_a_machine,
			   an_ipv6_address_has_a_port_in_brackets_only,
			   what_ssh_would_take_for_an_option_is_no_host, each_word_arrives_as_it_is,
			   a_host_without_ssh_says_so);
}
