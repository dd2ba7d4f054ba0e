#include "kernel/landlock.h"

#include "io/fd.h"
#include "kernel/syscall.h"

/* linux/landlock.h: what each version of the interface added to file rights. */
static const unsigned int file_rights[] = { 0, 13, 14, 15, 15, 16 };
#define RIGHTS_READ \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)

static uint64_t rights_of(int version)
{
	size_t last = sizeof(file_rights) / sizeof(file_rights[0]) - 1;

	return (UINT64_C(1) << file_rights[(size_t)version > last ? last : (size_t)version]) - 1;
}

static int allow(int rules, int directory, uint64_t rights)
{
	struct landlock_path_beneath_attr below = {
		.allowed_access = rights,
		.parent_fd = directory,
	};

	return sys_landlock_add_rule(rules, LANDLOCK_RULE_PATH_BENEATH, &below);
}

int landlock_close(const struct landlock_allowed *allowed)
{
	autoclose int rules = -EBADF;
	struct landlock_ruleset ruleset = { 0 };
	int version, r = 0;

	version = sys_landlock_create_ruleset(NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	if (version < 0)
		return version;
	/* The first version forbids hard links between directories, whatever is allowed. */
	if (version < 2 && allowed->directory >= 0)
		return -EOPNOTSUPP;
	ruleset.files = rights_of(version);
	if (version >= 4)
		ruleset.net = allowed->connect ? LANDLOCK_NET_BIND
					       : LANDLOCK_NET_BIND | LANDLOCK_NET_CONNECT;
	if (version >= 6)
		ruleset.scoped = LANDLOCK_SCOPED_ALL;
	rules = sys_landlock_create_ruleset(&ruleset, sizeof(ruleset), 0);
	if (rules < 0)
		return rules;
	if (allowed->directory >= 0)
		r = allow(rules, allowed->directory,
			  ruleset.files & ~(uint64_t)LANDLOCK_ACCESS_FS_EXECUTE);
	for (size_t i = 0; i < allowed->readable_count && r >= 0; i++)
		r = allow(rules, allowed->readable[i], RIGHTS_READ);
	return r < 0 ? r : sys_landlock_restrict_self(rules, 0);
}
