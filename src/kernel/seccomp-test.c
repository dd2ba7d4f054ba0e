/* Filters as the payload gets them: selected, installed, and tried in this process. */
#include "kernel/seccomp.h"

#include <dlfcn.h>
#include <errno.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/macros.h"
#include "kernel/capability.h"
#include "kernel/fixture.h"
#include "kernel/seccomp-builtin.h"
#include "kernel/seccomp-compile.h"
#include "kernel/seccomp-list.h"
#include "kernel/seccomp-names.h"

#define NO_SUCH_CALL 1023

static struct arena arena;

static void tear_down(void)
{
	arena_done(&arena);
}

static struct seccomp_filter select_for(const struct seccomp_request *request)
{
	struct seccomp_filter filter;
	const char *unknown = "x";

	ck_assert_int_eq(seccomp_select(&arena, &filter, request, &unknown), 0);
	ck_assert_ptr_null(unknown);
	return filter;
}

static void install(const struct seccomp_request *request)
{
	struct seccomp_filter filter = select_for(request);

	ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	ck_assert_int_eq(seccomp_install(&filter), 0);
}

static const struct text_list *word(const char *text)
{
	struct text_list *list = arena_new(&arena, struct text_list);

	text_list_add(&arena, list, arena_text(&arena, text));
	return list;
}

/* A call by number in a few bytes of machine code, so that the 32-bit entry can be tried too. */
typedef long (*call_fn)(int number, int a, int b, int c);

static const unsigned char enter_64[] = {
	0x89, 0xf8, /* mov %edi, %eax */
	0x89, 0xf7, /* mov %esi, %edi */
	0x89, 0xd6, /* mov %edx, %esi */
	0x89, 0xca, /* mov %ecx, %edx */
	0x0f, 0x05, /* syscall */
	0xc3,	    /* ret */
};

static const unsigned char enter_32[] = {
	0x53,	    /* push %rbx */
	0x89, 0xf8, /* mov %edi, %eax */
	0x89, 0xf3, /* mov %esi, %ebx */
	0x87, 0xca, /* xchg %ecx, %edx */
	0xcd, 0x80, /* int $0x80 */
	0x48, 0x98, /* cltq */
	0x5b,	    /* pop %rbx */
	0xc3,	    /* ret */
};

/* NULL: another architecture. */
static call_fn make_call(const unsigned char *code, size_t size)
{
	struct utsname host;
	call_fn call;
	void *page;

	if (uname(&host) < 0 || strcmp(host.machine, "x86_64") != 0)
		return NULL;
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(page, MAP_FAILED);
	memcpy(page, code, size);
	ck_assert_int_eq(mprotect(page, 4096, PROT_READ | PROT_EXEC), 0);
	*(void **)&call = page;
	return call;
}

/* The kernel may have been built or booted without the 32-bit entry. */
static bool works(call_fn call, int number)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		signal(SIGSEGV, SIG_DFL);
		_exit(call(number, 0, 0, 0) == getpid() ? 0 : 1);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return status == 0;
}

START_TEST(this_kernel_has_filters)
{
	ck_assert(seccomp_available());
	fixture_deny(SYS_seccomp, ENOSYS);
	ck_assert(!seccomp_available());
}
END_TEST

START_TEST(the_defaults_need_no_library)
{
	struct seccomp_request request = { .capabilities = capability_default };

	ck_assert_str_eq(select_for(&request).description, "default list, built in");
	request.capabilities |= CAPABILITY_BIT(CAP_NET_ADMIN);
	request.capabilities &= ~CAPABILITY_BIT(CAP_NET_BIND_SERVICE);
	ck_assert_str_eq(select_for(&request).description, "default list, built in");
	request.suppress_sync = true;
	request.families = arena_new(&arena, struct text_list);
	ck_assert_str_eq(select_for(&request).description, "default list, no sync, built in");
	request.capabilities = UINT64_MAX;
	request.suppress_sync = false;
	ck_assert_str_eq(select_for(&request).description,
			 "default list for all capabilities, built in");
	ck_assert_ptr_null(dlopen("libseccomp.so.2", RTLD_NOW | RTLD_NOLOAD));
}
END_TEST

START_TEST(built_in_and_compiled_filters_are_the_same_bytes)
{
	struct seccomp_names names;

	ck_assert_int_eq(seccomp_names_open(&names), 0);
	ck_assert_uint_eq(seccomp_builtin_count, 4);
	for (size_t i = 0; i < seccomp_builtin_count; i++) {
		const struct seccomp_builtin *builtin = seccomp_builtins + i;
		const struct seccomp_request request = { .capabilities = builtin->gates,
							 .suppress_sync = builtin->suppress_sync };
		struct seccomp_program program;
		const char *unknown;

		ck_assert_int_eq(seccomp_compile(&arena, &program, &request, names.native(), &names,
						 &unknown),
				 0);
		ck_assert_uint_eq(program.count, builtin->program.count);
		ck_assert_mem_eq(program.instructions, builtin->program.instructions,
				 program.count * sizeof(struct sock_filter));
	}
	seccomp_names_close(&names);
}
END_TEST

START_TEST(the_rest_is_compiled_when_it_is_asked_for)
{
	struct seccomp_request request = { .capabilities = 0 };
	struct seccomp_filter filter;
	const char *unknown;

	ck_assert_str_eq(select_for(&request).description, "compiled with libseccomp");
	request.allow = word("frobnicate");
	ck_assert_int_eq(seccomp_select(&arena, &filter, &request, &unknown), 0);
	ck_assert_str_eq(unknown, "frobnicate");
	request.deny = word("frobnicate");
	ck_assert_int_eq(seccomp_select(&arena, &filter, &request, &unknown), -ENOENT);
}
END_TEST

START_TEST(an_installed_default_filter_answers_as_promised)
{
	const struct seccomp_request request = { .capabilities = capability_default };
	call_fn call = make_call(enter_64, sizeof(enter_64));
	int fd;

	install(&request);
	ck_assert_int_gt(getppid(), 0);
	/* Without a filter this is ENOSPC, ENOSYS, EINVAL or a key, never EPERM. */
	ck_assert_int_eq(pkey_alloc(0, 0), -1);
	ck_assert_int_eq(errno, EPERM);
	if (call)
		ck_assert_int_eq(call(NO_SUCH_CALL, 0, 0, 0), -ENOSYS);
	ck_assert_int_eq(socket(AF_NETLINK, SOCK_RAW, NETLINK_AUDIT), -1);
	ck_assert_int_eq(errno, EAFNOSUPPORT);
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	ck_assert_int_ge(fd, 0);
	close(fd);
	/* A guest may install filters of its own. */
	ck_assert(seccomp_available());
	install(&request);
}
END_TEST

START_TEST(the_32_bit_entry_is_filtered_too)
{
	/* arch/x86/entry/syscalls/syscall_32.tbl */
	enum { GETPID = 20, SOCKET = 359, PKEY_ALLOC = 381 };
	const struct seccomp_request request = { .capabilities = capability_default };
	call_fn call = make_call(enter_32, sizeof(enter_32));

	if (!call || !works(call, GETPID))
		return;
	install(&request);
	ck_assert_int_eq(call(GETPID, 0, 0, 0), getpid());
	ck_assert_int_eq(call(PKEY_ALLOC, 0, 0, 0), -EPERM);
	ck_assert_int_eq(call(NO_SUCH_CALL, 0, 0, 0), -ENOSYS);
	ck_assert_int_eq(call(SOCKET, AF_NETLINK, SOCK_RAW, NETLINK_AUDIT), -EAFNOSUPPORT);
	ck_assert_int_ge(call(SOCKET, AF_NETLINK, SOCK_RAW, NETLINK_ROUTE), 0);
}
END_TEST

/* The kernel's own answer is ENOTTY: this is no terminal. */
START_TEST(what_types_into_a_terminal_is_refused_by_both_entries)
{
	enum { GETPID = 20, IOCTL = 54 }; /* arch/x86/entry/syscalls/syscall_32.tbl */
	/* The kernel takes the command as unsigned int. */
	static const uint64_t refused[] = { TIOCSTI, TIOCLINUX, UINT64_C(1) << 32 | TIOCSTI,
					    UINT64_C(0xdeadbeef) << 32 | TIOCLINUX };
	const struct seccomp_request request = { .capabilities = capability_default };
	call_fn enter = make_call(enter_32, sizeof(enter_32));
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	bool both = enter && works(enter, GETPID);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ioctl(fd, TIOCSTI, "x"), -1);
	ck_assert_int_eq(errno, ENOTTY);
	install(&request);
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		ck_assert_int_eq(ioctl(fd, (unsigned long)refused[i], "x"), -1);
		ck_assert_int_eq(errno, EPERM);
		if (both)
			ck_assert_int_eq(enter(IOCTL, fd, (int)refused[i], 0), -EPERM);
	}
	ck_assert_int_eq(ioctl(fd, TIOCGWINSZ, NULL), -1);
	ck_assert_int_eq(errno, ENOTTY);
	if (both)
		ck_assert_int_eq(enter(IOCTL, fd, TIOCGWINSZ, 0), -ENOTTY);
}
END_TEST

START_TEST(suppressed_sync_says_yes)
{
	const struct seccomp_request request = { .capabilities = capability_default,
						 .suppress_sync = true };
	int ends[2];

	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(fsync(ends[0]), -1); /* a pipe cannot */
	install(&request);
	ck_assert_int_eq(fsync(ends[0]), 0);
	ck_assert_int_eq(fdatasync(ends[0]), 0);
	ck_assert_int_eq(syncfs(ends[0]), 0);
	ck_assert_int_eq(msync(NULL, 1, -1), 0);
	ck_assert_int_eq(fsync(-1), -1);
	ck_assert_int_eq(errno, EBADF);
	ck_assert_int_eq(open("/dev/null", O_WRONLY | O_SYNC | O_CLOEXEC), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_ge(open("/dev/null", O_WRONLY | O_CLOEXEC), 0);
}
END_TEST

START_TEST(restricted_families_are_not_supported)
{
	const struct seccomp_request request = { .capabilities = capability_default,
						 .families = word("AF_UNIX") };

	install(&request);
	ck_assert_int_ge(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), 0);
	ck_assert_int_eq(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), -1);
	ck_assert_int_eq(errno, EAFNOSUPPORT);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("seccomp");

	tcase_add_checked_fixture(cases, NULL, tear_down);
	tcase_add_test(cases, this_kernel_has_filters);
	tcase_add_test(cases, the_defaults_need_no_library);
	tcase_add_test(cases, built_in_and_compiled_filters_are_the_same_bytes);
	tcase_add_test(cases, the_rest_is_compiled_when_it_is_asked_for);
	tcase_add_test(cases, an_installed_default_filter_answers_as_promised);
	tcase_add_test(cases, the_32_bit_entry_is_filtered_too);
	tcase_add_test(cases, what_types_into_a_terminal_is_refused_by_both_entries);
	tcase_add_test(cases, suppressed_sync_says_yes);
	tcase_add_test(cases, restricted_families_are_not_supported);
	return fixture_run(cases, "kernel/seccomp");
}
