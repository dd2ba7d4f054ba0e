#include "kernel/seccomp-names.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>

#define LIBRARY "libseccomp.so.2"

static bool find(void *library, void *function, const char *name)
{
	/* POSIX promises that this conversion works; ISO C has no word for it. */
	return (*(void **)function = dlsym(library, name));
}

int seccomp_names_open(struct seccomp_names *ret)
{
	struct seccomp_names names = { .library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL) };

	if (!names.library)
		return -ENOPKG;
	if (!find(names.library, &names.native, "seccomp_arch_native") ||
	    !find(names.library, &names.architecture, "seccomp_arch_resolve_name") ||
	    !find(names.library, &names.number, "seccomp_syscall_resolve_name_arch") ||
	    !find(names.library, &names.name, "seccomp_syscall_resolve_num_arch")) {
		seccomp_names_close(&names);
		return -ENOPKG;
	}
	*ret = names;
	return 0;
}

void seccomp_names_close(struct seccomp_names *names)
{
	if (names->library)
		dlclose(names->library);
	*names = (struct seccomp_names){ 0 };
}
