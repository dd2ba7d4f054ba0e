#include "kernel/seccomp-names.h"

#include <seccomp.h>

int seccomp_names_open(struct seccomp_names *ret)
{
	*ret = (struct seccomp_names){
		.native = seccomp_arch_native,
		.architecture = seccomp_arch_resolve_name,
		.number = seccomp_syscall_resolve_name_arch,
		.name = seccomp_syscall_resolve_num_arch,
	};
	return 0;
}

void seccomp_names_close(struct seccomp_names *names)
{
	*names = (struct seccomp_names){ 0 };
}
