#include "kernel/capability.h"

#include <stdbool.h>
#include <stddef.h>
#include <strings.h>
#include <sys/prctl.h>

#include "base/macros.h"
#include "base/parse.h"
#include "kernel/syscall.h"

#define NUMBERS 64

static const char *const names[] = {
	"cap_chown",
	"cap_dac_override",
	"cap_dac_read_search",
	"cap_fowner",
	"cap_fsetid",
	"cap_kill",
	"cap_setgid",
	"cap_setuid",
	"cap_setpcap",
	"cap_linux_immutable",
	"cap_net_bind_service",
	"cap_net_broadcast",
	"cap_net_admin",
	"cap_net_raw",
	"cap_ipc_lock",
	"cap_ipc_owner",
	"cap_sys_module",
	"cap_sys_rawio",
	"cap_sys_chroot",
	"cap_sys_ptrace",
	"cap_sys_pacct",
	"cap_sys_admin",
	"cap_sys_boot",
	"cap_sys_nice",
	"cap_sys_resource",
	"cap_sys_time",
	"cap_sys_tty_config",
	"cap_mknod",
	"cap_lease",
	"cap_audit_write",
	"cap_audit_control",
	"cap_setfcap",
	"cap_mac_override",
	"cap_mac_admin",
	"cap_syslog",
	"cap_wake_alarm",
	"cap_block_suspend",
	"cap_audit_read",
	"cap_perfmon",
	"cap_bpf",
	"cap_checkpoint_restore",
};

const uint64_t capability_default =
	CAPABILITY_BIT(CAP_CHOWN) | CAPABILITY_BIT(CAP_DAC_OVERRIDE) |
	CAPABILITY_BIT(CAP_DAC_READ_SEARCH) | CAPABILITY_BIT(CAP_FOWNER) |
	CAPABILITY_BIT(CAP_FSETID) | CAPABILITY_BIT(CAP_KILL) | CAPABILITY_BIT(CAP_SETGID) |
	CAPABILITY_BIT(CAP_SETUID) | CAPABILITY_BIT(CAP_SETPCAP) |
	CAPABILITY_BIT(CAP_LINUX_IMMUTABLE) | CAPABILITY_BIT(CAP_NET_BIND_SERVICE) |
	CAPABILITY_BIT(CAP_NET_BROADCAST) | CAPABILITY_BIT(CAP_NET_RAW) |
	CAPABILITY_BIT(CAP_IPC_OWNER) | CAPABILITY_BIT(CAP_SYS_CHROOT) |
	CAPABILITY_BIT(CAP_SYS_PTRACE) | CAPABILITY_BIT(CAP_SYS_ADMIN) |
	CAPABILITY_BIT(CAP_SYS_BOOT) | CAPABILITY_BIT(CAP_SYS_NICE) |
	CAPABILITY_BIT(CAP_SYS_RESOURCE) | CAPABILITY_BIT(CAP_SYS_TTY_CONFIG) |
	CAPABILITY_BIT(CAP_MKNOD) | CAPABILITY_BIT(CAP_LEASE) | CAPABILITY_BIT(CAP_AUDIT_WRITE) |
	CAPABILITY_BIT(CAP_AUDIT_CONTROL) | CAPABILITY_BIT(CAP_SETFCAP);

static bool is_known(int number)
{
	return number < NUMBERS && prctl(PR_CAPBSET_READ, (unsigned long)number, 0, 0, 0) >= 0;
}

uint64_t capability_all(void)
{
	int last = CAP_LAST_CAP; /* usually right: two questions */

	while (last > 0 && !is_known(last))
		last--;
	while (is_known(last + 1))
		last++;
	return last == NUMBERS - 1 ? UINT64_MAX : CAPABILITY_BIT(last + 1) - 1;
}

int capability_parse(int *ret, const char *name)
{
	uint32_t number;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcasecmp(name, names[i]) == 0 ||
		    strcasecmp(name, names[i] + sizeof("cap_") - 1) == 0) {
			*ret = (int)i;
			return 0;
		}
	}
	if (parse_u32(&number, name) < 0 || number >= NUMBERS)
		return -EINVAL;
	*ret = (int)number;
	return 0;
}

const char *capability_name(int number)
{
	return number >= 0 && (size_t)number < ARRAY_SIZE(names) ? names[number] : NULL;
}

int capability_drop_bounding(uint64_t keep)
{
	for (int i = 0; i < NUMBERS; i++) {
		if (keep & CAPABILITY_BIT(i))
			continue;
		if (prctl(PR_CAPBSET_DROP, (unsigned long)i, 0, 0, 0) == 0)
			continue;
		/* EINVAL: past the last one that the kernel knows. */
		return errno == EINVAL && i > CAP_SETFCAP ? 0 : -errno;
	}
	return 0;
}

int capability_set(uint64_t effective, uint64_t permitted, uint64_t inheritable)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		data[i].effective = (uint32_t)(effective >> 32 * i);
		data[i].permitted = (uint32_t)(permitted >> 32 * i);
		data[i].inheritable = (uint32_t)(inheritable >> 32 * i);
	}
	return sys_capset(&header, data);
}

int capability_set_ambient(uint64_t ambient)
{
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return -errno;
	for (int i = 0; i < NUMBERS; i++) {
		if (!(ambient & CAPABILITY_BIT(i)))
			continue;
		if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, (unsigned long)i, 0, 0) < 0)
			return -errno;
	}
	return 0;
}

int capability_get(uint64_t *ret_effective, uint64_t *ret_permitted, uint64_t *ret_inheritable)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
	int r = sys_capget(&header, data);

	if (r < 0)
		return r;
	if (ret_effective)
		*ret_effective = (uint64_t)data[1].effective << 32 | data[0].effective;
	if (ret_permitted)
		*ret_permitted = (uint64_t)data[1].permitted << 32 | data[0].permitted;
	if (ret_inheritable)
		*ret_inheritable = (uint64_t)data[1].inheritable << 32 | data[0].inheritable;
	return 0;
}
