/* kernel/seccomp - system call filters.
 *
 * The default lists (reference, section 10.3) are compiled at build time into
 * bytes for this architecture and its compat ABIs, one for the capabilities
 * that are kept by default and one for all, each with and without
 * --suppress-sync; anything else is compiled in the same way at run time, with
 * the names and numbers of libseccomp, loaded by dlopen() then. A filter is
 * plain BPF that the payload installs itself. Quiet.
 *
 * What the default filter answers: a call that nobody knows, or an unknown
 * architecture, ENOSYS; a known one that is not allowed EPERM; a netlink
 * socket for the audit subsystem EAFNOSUPPORT.
 *
 * Every filter, whatever list it is made of, answers EPERM to the two ioctl(2)
 * commands that put characters into a terminal's input, TIOCSTI and TIOCLINUX:
 * a payload that is given its caller's terminal could leave commands there for
 * the caller's shell. Only the low word of the command is compared, because the
 * kernel drops the high one. For this ioctl(2) is one of the few calls for which
 * the kernel has to run the filter every time.
 *
 * A filter sees the arguments of socketcall(2) (i386, s390) only as a pointer.
 * So an audit socket made through it is not refused: what audit could do from
 * inside a container the kernel refuses itself, by pid and user namespace, and
 * without socketcall(2) most i386 trees have no network. With a family list it
 * is the other way round: the list is there to protect, so socketcall(2) then
 * makes no socket of any family (EAFNOSUPPORT), and 32-bit programs are left
 * with what a C library does that calls socket(2). socketpair(2) is not
 * restricted.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct text_list;
struct sock_filter;

struct seccomp_program {
	const struct sock_filter *instructions;
	unsigned short count;
};

/* A set of programs that are installed one after the other. */
#define SECCOMP_PROGRAMS_MAX 8
struct seccomp_filter {
	struct seccomp_program programs[SECCOMP_PROGRAMS_MAX];
	size_t count;
	const char *description; /* "default list, built in" */
};

struct seccomp_request {
	uint64_t capabilities;		      /* retained: gates groups */
	const struct text_list *allow, *deny; /* names and @groups; may be empty */
	bool suppress_sync;
	bool keyring; /* --nesting: the default list allows keyctl and friends already */
	const struct text_list *families; /* --restrict-address-families=, or NULL; empty: no
					   * restriction; the word "none": no family at all */
	bool families_deny;
};

/* Supervisor. *ret_unknown: names that nobody knows, with a blank between them, or NULL.
 * -ENOENT: one of them is on the deny list or is a family; unknown names of the allow list
 * alone are no failure. -ENOPKG: libseccomp is needed and not installed. */
int seccomp_select(struct arena *arena, struct seccomp_filter *ret,
		   const struct seccomp_request *request, const char **ret_unknown);

/* Payload; needs CAP_SYS_ADMIN in its user namespace or no-new-privileges. Async-signal-safe. */
int seccomp_install(const struct seccomp_filter *filter);

/* Kernel has SECCOMP_MODE_FILTER. */
bool seccomp_available(void);
