/* kernel/seccomp - system call filters.
 *
 * The default lists (reference, section 10.3) are compiled at build time into
 * bytes for this architecture and its compat ABIs; anything else is compiled
 * with libseccomp, loaded by dlopen() then. A filter is plain BPF that the
 * payload installs itself. Quiet.
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
	uint64_t capabilities;		/* retained: gates groups */
	const struct text_list *allow, *deny; /* names and @groups; may be empty */
	bool suppress_sync;
	bool keyring;			/* --nesting: allow keyctl and friends (the default list allows them already) */
	const struct text_list *families; /* --restrict-address-families= or NULL */
	bool families_deny;
};

/* Supervisor. -ENOENT: an unknown name in *ret_unknown (deny list; unknown names of the allow list are
 * only reported through ret_unknown with 0). -ENOPKG: libseccomp is needed and not installed. */
int seccomp_select(struct arena *arena, struct seccomp_filter *ret, const struct seccomp_request *request,
		   const char **ret_unknown);

/* Payload; needs CAP_SYS_ADMIN in its user namespace or no-new-privileges. Async-signal-safe. */
int seccomp_install(const struct seccomp_filter *filter);

/* Kernel has SECCOMP_MODE_FILTER. */
bool seccomp_available(void);
