/* The compiler against libseccomp, and what a request changes. */
#include "kernel/seccomp-compile.h"

#include <dlfcn.h>
#include <errno.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/macros.h"
#include "kernel/capability.h"
#include "kernel/fixture.h"
#include "kernel/seccomp-list.h"
#include "kernel/seccomp-names.h"
#include "kernel/seccomp-set.h"
#include "kernel/seccomp-simulate.h"

#define X32_BIT 0x40000000
#define NUMBERS 1024

static struct arena arena;
static struct seccomp_names names;
static uint32_t native;
static struct seccomp_program program;
static const char *unknown;

static void set_up(void)
{
	ck_assert_int_eq(seccomp_names_open(&names), 0);
	native = names.native();
}

static void tear_down(void)
{
	seccomp_names_close(&names);
	arena_done(&arena);
}

static int compile(const struct seccomp_request *request)
{
	return seccomp_compile(&arena, &program, request, native, &names, &unknown);
}

static struct text_list *words(const char *a, const char *b)
{
	struct text_list *list = arena_new(&arena, struct text_list);

	text_list_add(&arena, list, arena_text(&arena, a));
	if (b)
		text_list_add(&arena, list, arena_text(&arena, b));
	return list;
}

static uint32_t answer_to(uint32_t abi, int number, uint32_t a, uint32_t b, uint32_t c)
{
	/* The high words are rubbish: they must not matter where the kernel takes an int. */
	const uint64_t high = UINT64_C(0xbad) << 32;
	const struct seccomp_data data = {
		.nr = number,
		.arch = seccomp_compile_audit(abi),
		.args = { high | a, high | b, high | c },
	};
	uint32_t answer;

	ck_assert_int_eq(seccomp_simulate(&answer, &program, &data), 0);
	return answer;
}

/* errno; 0: allowed; -1: success without doing anything. */
static int answer_with(const char *name, uint32_t a, uint32_t b, uint32_t c)
{
	uint32_t answer = answer_to(native, seccomp_compile_number(&names, native, name), a, b, c);

	if (answer == SECCOMP_RET_ALLOW)
		return 0;
	ck_assert_uint_eq(answer & SECCOMP_RET_ACTION_FULL, SECCOMP_RET_ERRNO);
	return answer == SECCOMP_RET_ERRNO ? -1 : (int)(answer & SECCOMP_RET_DATA);
}

static int answer_for(const char *name)
{
	return answer_with(name, 0, 0, 0);
}

/* The filter that libseccomp makes of the same lists, in the usual way. */
struct library {
	void *handle;
	scmp_filter_ctx (*init)(uint32_t);
	void (*release)(scmp_filter_ctx);
	int (*set)(scmp_filter_ctx, enum scmp_filter_attr, uint32_t);
	int (*add_architecture)(scmp_filter_ctx, uint32_t);
	int (*remove_architecture)(scmp_filter_ctx, uint32_t);
	int (*add_rule)(scmp_filter_ctx, uint32_t, int, unsigned int, ...);
	int (*export)(scmp_filter_ctx, int);
};

static void library_open(struct library *ret)
{
	void *handle = dlopen("libseccomp.so.2", RTLD_NOW);

	ck_assert_ptr_nonnull(handle);
	*ret = (struct library){ .handle = handle };
	*(void **)&ret->init = dlsym(handle, "seccomp_init");
	*(void **)&ret->release = dlsym(handle, "seccomp_release");
	*(void **)&ret->set = dlsym(handle, "seccomp_attr_set");
	*(void **)&ret->add_architecture = dlsym(handle, "seccomp_arch_add");
	*(void **)&ret->remove_architecture = dlsym(handle, "seccomp_arch_remove");
	*(void **)&ret->add_rule = dlsym(handle, "seccomp_rule_add");
	*(void **)&ret->export = dlsym(handle, "seccomp_export_bpf");
}

static void library_allow(const struct library *library, scmp_filter_ctx context, uint32_t abi,
			  const struct seccomp_set *set)
{
	for (size_t i = 0; i < set->count; i++) {
		const struct seccomp_set_entry *entry = set->entries + i;
		uint32_t action = entry->action == SECCOMP_ALLOW ? SCMP_ACT_ALLOW
								 : SCMP_ACT_ERRNO(EPERM);
		int number = names.number(native, entry->name);

		/* The library wants native numbers and translates them itself. It cannot
		 * know names that are younger; those are looked at elsewhere. */
		if (number != __NR_SCMP_ERROR && names.number(abi, entry->name) != __NR_SCMP_ERROR)
			library->add_rule(context, action, number, 0);
	}
}

/* A context of the library that is for this ABI only. */
static scmp_filter_ctx library_start(const struct library *library, uint32_t abi, uint32_t other)
{
	scmp_filter_ctx context = library->init(other);

	ck_assert_ptr_nonnull(context);
	library->set(context, SCMP_FLTATR_ACT_BADARCH, other);
	if (abi != native) {
		ck_assert_int_eq(library->add_architecture(context, abi), 0);
		ck_assert_int_eq(library->remove_architecture(context, native), 0);
	}
	return context;
}

static struct seccomp_program library_finish(const struct library *library, scmp_filter_ctx context)
{
	int memory = memfd_create("filter", MFD_CLOEXEC);
	struct sock_filter *copy;
	struct stat status;

	ck_assert_int_eq(library->export(context, memory), 0);
	library->release(context);
	ck_assert_int_eq(fstat(memory, &status), 0);
	copy = arena_take(&arena, (size_t)status.st_size);
	ck_assert_int_eq(pread(memory, copy, (size_t)status.st_size, 0), status.st_size);
	close(memory);
	return (struct seccomp_program){
		.instructions = copy,
		.count = (unsigned short)((size_t)status.st_size / sizeof(*copy)),
	};
}

static struct seccomp_program library_compile(const struct library *library, uint32_t abi,
					      const struct seccomp_set *set)
{
	scmp_filter_ctx context = library_start(library, abi, SCMP_ACT_ERRNO(ENOSYS));

	library_allow(library, context, abi, set);
	return library_finish(library, context);
}

/* The library cannot allow a call but for some arguments: that takes a filter of its own. */
static struct seccomp_program library_compile_ioctl(const struct library *library, uint32_t abi)
{
	static const uint64_t commands[] = { TIOCSTI, TIOCLINUX };
	scmp_filter_ctx context = library_start(library, abi, SCMP_ACT_ALLOW);
	int number = names.number(native, "ioctl");

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		ck_assert_int_eq(library->add_rule(context, SCMP_ACT_ERRNO(EPERM), number, 1,
						   SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX,
							   commands[i])),
				 0);
	return library_finish(library, context);
}

static bool is_newer_number(int number)
{
	for (size_t i = 0; i < seccomp_list_newer_count; i++)
		if (seccomp_list_newer[i].number == number)
			return true;
	return false;
}

/* x32 shares the native answers of numbers that it does not have; the kernel says ENOSYS then. */
static bool is_shared(uint32_t abi, int number)
{
	char *name = abi == SCMP_ARCH_X32 ? names.name(abi, number | X32_BIT) : NULL;
	bool shared = abi == SCMP_ARCH_X32 && number < 512 && !name;

	free(name);
	return shared;
}

/* What the kernel does with two filters: the answer that allows less. */
static uint32_t answer_of_both(const struct seccomp_program theirs[2],
			       const struct seccomp_data *data)
{
	uint32_t first, second;

	ck_assert_int_eq(seccomp_simulate(&first, &theirs[0], data), 0);
	ck_assert_int_eq(seccomp_simulate(&second, &theirs[1], data), 0);
	return first == SECCOMP_RET_ALLOW ? second : first;
}

static void compare_abi(const struct seccomp_program theirs[2], uint32_t abi, uint64_t command)
{
	int first = abi == SCMP_ARCH_X32 ? X32_BIT : 0;

	for (int number = 0; number < NUMBERS; number++) {
		const struct seccomp_data data = { .nr = first + number,
						   .arch = seccomp_compile_audit(abi),
						   .args = { 0, command } };
		uint32_t ours, answer;

		if (is_newer_number(number) || is_shared(abi, number))
			continue;
		answer = answer_of_both(theirs, &data);
		ck_assert_int_eq(seccomp_simulate(&ours, &program, &data), 0);
		ck_assert_msg(answer == ours,
			      "abi %#x, number %d, command %#jx: libseccomp %#x, ours %#x", abi,
			      number, (uintmax_t)command, answer, ours);
	}
}

/* Only for ioctl(2) is the second argument to make a difference. */
static void compare_commands(const struct seccomp_program theirs[2], uint32_t abi)
{
	static const uint64_t commands[] = { 0,
					     TIOCSTI,
					     TIOCLINUX,
					     TIOCGWINSZ,
					     UINT64_C(1) << 32 | TIOCSTI,
					     UINT64_C(1) << 63 | TIOCLINUX };

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		compare_abi(theirs, abi, commands[i]);
}

static void compare_for(uint64_t capabilities)
{
	const struct seccomp_request request = { .capabilities = capabilities };
	uint32_t abis[SECCOMP_COMPILE_ABIS_MAX];
	int count = seccomp_compile_abis(abis, native);
	struct seccomp_set set;
	struct library library;

	if (native == SCMP_ARCH_X86_64)
		ck_assert_int_eq(count, 3);
	ck_assert_int_eq(compile(&request), 0);
	seccomp_set_init(&arena, &set);
	seccomp_set_raise(&arena, &set, seccomp_list_default, SECCOMP_ALLOW);
	for (size_t i = 0; i < seccomp_list_gate_count; i++) {
		const struct seccomp_list_gate *gate = seccomp_list_gates + i;

		if (capabilities & CAPABILITY_BIT(gate->capability))
			seccomp_set_raise(&arena, &set, gate->members, SECCOMP_ALLOW);
	}
	library_open(&library);
	for (int i = 0; i < count; i++) {
		const struct seccomp_program theirs[2] = {
			library_compile(&library, abis[i], &set),
			library_compile_ioctl(&library, abis[i]),
		};

		ck_assert_uint_gt(theirs[0].count, 300);
		compare_commands(theirs, abis[i]);
	}
	dlclose(library.handle);
}

START_TEST(libseccomp_makes_the_same_filter_of_the_default_list)
{
	compare_for(capability_default);
}
END_TEST

START_TEST(libseccomp_makes_the_same_filter_for_all_capabilities)
{
	compare_for(UINT64_MAX);
}
END_TEST

START_TEST(calls_that_are_younger_than_the_library_have_their_numbers)
{
	const struct seccomp_request request = { .capabilities = capability_default };

	ck_assert_int_eq(compile(&request), 0);
	ck_assert_uint_eq(answer_to(native, 457, 0, 0, 0), SECCOMP_RET_ALLOW); /* statmount */
	ck_assert_uint_eq(answer_to(native, 469, 0, 0, 0), SECCOMP_RET_ALLOW); /* file_setattr */
	ck_assert_uint_eq(answer_to(native, 453, 0, 0, 0), SECCOMP_RET_ERRNO | EPERM);
	ck_assert_uint_eq(answer_to(native, 1023, 0, 0, 0), SECCOMP_RET_ERRNO | ENOSYS);
	ck_assert_uint_eq(answer_to(native, -1, 0, 0, 0), SECCOMP_RET_ERRNO | ENOSYS);
}
END_TEST

START_TEST(a_capability_opens_its_gate_only)
{
	struct seccomp_request request = { .capabilities = 0 };

	ck_assert_int_eq(compile(&request), 0);
	ck_assert_int_eq(answer_for("ptrace"), EPERM);
	ck_assert_int_eq(answer_for("vhangup"), EPERM);
	ck_assert_int_eq(answer_for("bpf"), EPERM);
	ck_assert_int_eq(answer_for("mlock"), EPERM);
	request.capabilities = CAPABILITY_BIT(CAP_SYS_PTRACE) | CAPABILITY_BIT(CAP_IPC_LOCK);
	ck_assert_int_eq(compile(&request), 0);
	ck_assert_int_eq(answer_for("ptrace"), 0);
	ck_assert_int_eq(answer_for("mlock"), 0);
	ck_assert_int_eq(answer_for("vhangup"), EPERM);
	ck_assert_int_eq(answer_for("init_module"), EPERM);
}
END_TEST

START_TEST(the_deny_list_wins)
{
	const struct seccomp_request request = {
		.capabilities = capability_default,
		.allow = words("@swap", "pkey_alloc"),
		.deny = words("swapoff", "@keyring"),
	};

	ck_assert_int_eq(compile(&request), 0);
	ck_assert_ptr_null(unknown);
	ck_assert_int_eq(answer_for("swapon"), 0);
	ck_assert_int_eq(answer_for("pkey_alloc"), 0);
	ck_assert_int_eq(answer_for("swapoff"), EPERM);
	ck_assert_int_eq(answer_for("add_key"), EPERM);
	ck_assert_int_eq(answer_for("pkey_free"), EPERM);
}
END_TEST

START_TEST(known_is_a_group_of_everything)
{
	const struct seccomp_request request = { .allow = words("@known", NULL) };

	ck_assert_int_eq(compile(&request), 0);
	ck_assert_int_eq(answer_for("kexec_load"), 0);
	ck_assert_int_eq(answer_for("map_shadow_stack"), 0);
	ck_assert_uint_eq(answer_to(native, 1023, 0, 0, 0), SECCOMP_RET_ERRNO | ENOSYS);
}
END_TEST

START_TEST(unknown_names_are_reported)
{
	struct seccomp_request request = { .allow = words("@nothing", "frobnicate") };

	ck_assert_int_eq(compile(&request), 0);
	ck_assert_str_eq(unknown, "@nothing frobnicate");
	request.deny = words("reboot", "rebooot");
	ck_assert_int_eq(compile(&request), -ENOENT);
	ck_assert_str_eq(unknown, "@nothing frobnicate rebooot");
	request = (struct seccomp_request){ .families = words("AF_INET", "AF_SUBSPACE") };
	ck_assert_int_eq(compile(&request), -ENOENT);
	ck_assert_str_eq(unknown, "AF_SUBSPACE");
}
END_TEST

START_TEST(audit_sockets_are_of_no_family)
{
	const struct seccomp_request request = { .capabilities = capability_default };

	ck_assert_int_eq(compile(&request), 0);
	ck_assert_int_eq(answer_with("socket", AF_NETLINK, SOCK_RAW, NETLINK_AUDIT), EAFNOSUPPORT);
	ck_assert_int_eq(answer_with("socket", AF_NETLINK, SOCK_RAW, NETLINK_ROUTE), 0);
	ck_assert_int_eq(answer_with("socket", AF_INET, SOCK_RAW, NETLINK_AUDIT), 0);
}
END_TEST

START_TEST(families_are_restricted_both_ways)
{
	struct seccomp_request request = { .families = words("AF_INET", "AF_NETLINK") };

	ck_assert_int_eq(compile(&request), 0);
	ck_assert_int_eq(answer_with("socket", AF_INET, 0, 0), 0);
	ck_assert_int_eq(answer_with("socket", AF_NETLINK, 0, NETLINK_ROUTE), 0);
	ck_assert_int_eq(answer_with("socket", AF_NETLINK, 0, NETLINK_AUDIT), EAFNOSUPPORT);
	ck_assert_int_eq(answer_with("socket", AF_UNIX, 0, 0), EAFNOSUPPORT);
	ck_assert_int_eq(answer_with("socket", AF_ALG, 0, 0), EAFNOSUPPORT);
	request.families_deny = true;
	ck_assert_int_eq(compile(&request), 0);
	ck_assert_int_eq(answer_with("socket", AF_INET, 0, 0), EAFNOSUPPORT);
	ck_assert_int_eq(answer_with("socket", AF_UNIX, 0, 0), 0);
	request = (struct seccomp_request){ .families = words("none", NULL) };
	ck_assert_int_eq(compile(&request), 0);
	ck_assert_int_eq(answer_with("socket", AF_UNIX, 0, 0), EAFNOSUPPORT);
	ck_assert_int_eq(answer_with("socket", AF_UNSPEC, 0, 0), EAFNOSUPPORT);
}
END_TEST

START_TEST(a_family_list_closes_socketcall_too)
{
	struct seccomp_request request = { .capabilities = capability_default };
	int number = seccomp_compile_number(&names, SCMP_ARCH_X86, "socketcall");

	if (native != SCMP_ARCH_X86_64)
		return;
	ck_assert_int_eq(compile(&request), 0);
	ck_assert_uint_eq(answer_to(SCMP_ARCH_X86, number, 1, 0, 0), SECCOMP_RET_ALLOW);
	request.families = words("AF_INET", NULL);
	ck_assert_int_eq(compile(&request), 0);
	ck_assert_uint_eq(answer_to(SCMP_ARCH_X86, number, 1, 0, 0),
			  SECCOMP_RET_ERRNO | EAFNOSUPPORT);
	ck_assert_uint_eq(answer_to(SCMP_ARCH_X86, number, 3, 0, 0), SECCOMP_RET_ALLOW);
	/* socket(2) itself, in both 32-bit ABIs. */
	ck_assert_uint_eq(answer_to(SCMP_ARCH_X86, 359, AF_UNIX, 0, 0),
			  SECCOMP_RET_ERRNO | EAFNOSUPPORT);
	ck_assert_uint_eq(answer_to(SCMP_ARCH_X32, X32_BIT | 41, AF_UNIX, 0, 0),
			  SECCOMP_RET_ERRNO | EAFNOSUPPORT);
}
END_TEST

/* In all ABIs, with rubbish in the high word. */
static void expect_no_typing(void)
{
	uint32_t abis[SECCOMP_COMPILE_ABIS_MAX];
	int count = seccomp_compile_abis(abis, native);

	for (int i = 0; i < count; i++) {
		int number = seccomp_compile_number(&names, abis[i], "ioctl");

		ck_assert_uint_eq(answer_to(abis[i], number, 0, TIOCSTI, 0),
				  SECCOMP_RET_ERRNO | EPERM);
		ck_assert_uint_eq(answer_to(abis[i], number, 0, TIOCLINUX, 0),
				  SECCOMP_RET_ERRNO | EPERM);
		ck_assert_uint_eq(answer_to(abis[i], number, TIOCSTI, TIOCGWINSZ, TIOCSTI),
				  SECCOMP_RET_ALLOW);
		ck_assert_uint_eq(answer_to(abis[i], number, 0, TIOCSTI + 1, 0), SECCOMP_RET_ALLOW);
		ck_assert_uint_eq(answer_to(abis[i], number, 0, TIOCSTI | 1u << 31, 0),
				  SECCOMP_RET_ALLOW);
	}
}

START_TEST(no_request_lets_a_payload_type_into_its_terminal)
{
	const struct seccomp_request requests[] = {
		{ .capabilities = capability_default },
		{ .capabilities = UINT64_MAX, .suppress_sync = true },
		{ .capabilities = 0, .allow = words("@known", "ioctl") },
		{ .capabilities = 0, .families = words("AF_INET", NULL) },
		{ .capabilities = 0, .deny = words("@raw-io", NULL), .keyring = true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
		ck_assert_int_eq(compile(&requests[i]), 0);
		expect_no_typing();
	}
}
END_TEST

START_TEST(a_denied_ioctl_is_denied)
{
	const struct seccomp_request request = { .allow = words("ioctl", NULL),
						 .deny = words("ioctl", NULL) };

	ck_assert_int_eq(compile(&request), 0);
	ck_assert_int_eq(answer_with("ioctl", 0, TIOCGWINSZ, 0), EPERM);
}
END_TEST

START_TEST(sync_is_suppressed_where_it_would_have_worked)
{
	const struct seccomp_request request = { .capabilities = capability_default,
						 .suppress_sync = true };
	static const char *const with_fd[] = { "fsync", "fdatasync", "syncfs", "sync_file_range" };

	ck_assert_int_eq(compile(&request), 0);
	for (size_t i = 0; i < ARRAY_SIZE(with_fd); i++) {
		ck_assert_int_eq(answer_with(with_fd[i], 0, 0, 0), -1);
		ck_assert_int_eq(answer_with(with_fd[i], INT32_MAX, 0, 0), -1);
		ck_assert_int_eq(answer_with(with_fd[i], (uint32_t)-1, 0, 0), 0);
	}
	ck_assert_int_eq(answer_for("sync"), -1);
	ck_assert_int_eq(answer_for("msync"), -1);
	ck_assert_int_eq(answer_with("openat", 0, 0, O_RDWR), 0);
	ck_assert_int_eq(answer_with("openat", 0, 0, O_RDWR | O_SYNC), EINVAL);
	ck_assert_int_eq(answer_with("openat", 0, 0, O_RDWR | O_DSYNC), EINVAL);
	ck_assert_int_eq(answer_with("openat", 0, O_SYNC, O_CREAT), 0);
	ck_assert_int_eq(answer_with("openat2", 0, 0, O_SYNC), 0);
}
END_TEST

START_TEST(a_denied_sync_is_denied)
{
	const struct seccomp_request request = { .suppress_sync = true,
						 .deny = words("@sync", NULL) };

	ck_assert_int_eq(compile(&request), 0);
	ck_assert_int_eq(answer_for("fsync"), EPERM);
	ck_assert_int_eq(answer_for("sync"), EPERM);
	ck_assert_int_eq(answer_for("msync"), EPERM);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("compile");

	tcase_add_checked_fixture(cases, set_up, tear_down);
	tcase_add_test(cases, libseccomp_makes_the_same_filter_of_the_default_list);
	tcase_add_test(cases, libseccomp_makes_the_same_filter_for_all_capabilities);
	tcase_add_test(cases, calls_that_are_younger_than_the_library_have_their_numbers);
	tcase_add_test(cases, a_capability_opens_its_gate_only);
	tcase_add_test(cases, the_deny_list_wins);
	tcase_add_test(cases, known_is_a_group_of_everything);
	tcase_add_test(cases, unknown_names_are_reported);
	tcase_add_test(cases, audit_sockets_are_of_no_family);
	tcase_add_test(cases, families_are_restricted_both_ways);
	tcase_add_test(cases, a_family_list_closes_socketcall_too);
	tcase_add_test(cases, no_request_lets_a_payload_type_into_its_terminal);
	tcase_add_test(cases, a_denied_ioctl_is_denied);
	tcase_add_test(cases, sync_is_suppressed_where_it_would_have_worked);
	tcase_add_test(cases, a_denied_sync_is_denied);
	return fixture_run(cases, "kernel/seccomp-compile");
}
