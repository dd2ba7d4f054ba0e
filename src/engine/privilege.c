#include "engine/privilege.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fail.h"
#include "io/file.h"
#include "kernel/capability.h"
#include "kernel/keyring.h"
#include "kernel/network.h"
#include "kernel/seccomp.h"
#include "machine/guest-users.h"
#include "plan/plan.h"

int privilege_become_root(bool groups_denied)
{
	if (!groups_denied && setgroups(0, NULL) < 0)
		return fail(-errno, "cannot give up the caller's groups");
	if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return fail(-errno, "cannot become root in the container");
	return 0;
}

static int hostname(const struct privilege *privilege, const struct step *step)
{
	(void)privilege;
	return sethostname(step->data, strlen(step->data)) < 0 ? -errno : 0;
}

static int loopback(const struct privilege *privilege, const struct step *step)
{
	(void)privilege;
	(void)step;
	return network_loopback_up();
}

static int keyring(const struct privilege *privilege, const struct step *step)
{
	(void)privilege;
	(void)step;
	return keyring_join_new();
}

/* engine/spawn wrote it while we waited. */
static int done_by_supervisor(const struct privilege *privilege, const struct step *step)
{
	(void)privilege;
	(void)step;
	return 0;
}

static int affinity(const struct privilege *privilege, const struct step *step)
{
	(void)step;
	if (sched_setaffinity(0, sizeof(privilege->spec->cpu_affinity),
			      (const cpu_set_t *)privilege->spec->cpu_affinity) < 0)
		return -errno;
	return 0;
}

static int set_personality(const struct privilege *privilege, const struct step *step)
{
	(void)privilege;
	return personality((unsigned long)step->number) < 0 ? -errno : 0;
}

/* Without CAP_SYS_RESOURCE a limit cannot be raised: the closest that can be had is taken. */
static int limit(const struct privilege *privilege, const struct step *step)
{
	struct rlimit wanted = { .rlim_cur = step->soft, .rlim_max = step->hard };
	struct rlimit now;

	(void)privilege;
	if (setrlimit((int)step->number, &wanted) == 0)
		return 0;
	if (errno != EPERM || getrlimit((int)step->number, &now) < 0)
		return -errno;
	wanted.rlim_max = MIN(wanted.rlim_max, now.rlim_max);
	wanted.rlim_cur = MIN(wanted.rlim_cur, wanted.rlim_max);
	return setrlimit((int)step->number, &wanted) < 0 ? -errno : 0;
}

static int system_calls(const struct privilege *privilege, const struct step *step)
{
	int r;

	(void)step;
	if (privilege->filter == NULL)
		return 0;
	r = seccomp_install(privilege->filter);
	return r < 0 ? fail(r, "cannot install the system call filter") : 0;
}

static int selinux(const struct privilege *privilege, const struct step *step)
{
	return file_write(privilege->proc_fd, "self/attr/exec", step->data);
}

/* Reference, --uid: the home directory is there, and the console is the user's. "/" is the
 * container's by now. */
static int make_home(const struct guest_user *user)
{
	char path[PATH_MAX];
	size_t length = strlen(user->home);

	if (length >= sizeof(path))
		return -ENAMETOOLONG;
	for (size_t i = 1; i <= length; i++) {
		if (user->home[i] != '/' && user->home[i] != '\0')
			continue;
		memcpy(path, user->home, i);
		path[i] = '\0';
		if (mkdir(path, i == length ? 0755 : 0775) == 0) {
			if (i == length && lchown(path, user->uid, user->gid) < 0)
				return -errno;
		} else if (errno != EEXIST) {
			return -errno;
		}
	}
	return 0;
}

static int give_console(const struct guest_user *user)
{
	for (int fd = 0; fd <= 2; fd++)
		if (isatty(fd) && fchown(fd, user->uid, user->gid) < 0)
			return -errno;
	return 0;
}

/* Capabilities are kept over the change, so that the ambient set can be made afterwards. */
static int user(const struct privilege *privilege, const struct step *step)
{
	const struct guest_user *user = privilege->user;
	int r;

	(void)step;
	if (user == NULL || user->uid == 0)
		return 0;
	r = make_home(user);
	if (r < 0 && r != -EROFS)
		return fail(r, "cannot make the home directory '%s' of user '%s'", user->home,
			    user->name);
	if (privilege->spec->console != CONSOLE_PIPE) {
		r = give_console(user);
		if (r < 0)
			return fail(r, "cannot give the console to user '%s'", user->name);
	}
	if (setgroups(user->group_count, user->groups) < 0)
		return fail(-errno, "cannot take the groups of user '%s'", user->name);
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return -errno;
	if (setresgid(user->gid, user->gid, user->gid) < 0 ||
	    setresuid(user->uid, user->uid, user->uid) < 0)
		return fail(
			-errno,
			"cannot become user '%s' (uid %u); is the id inside the container's range?",
			user->name, (unsigned int)user->uid);
	return 0;
}

/* Class S18 wants nothing inheritable; the reference gives root all of them. With an inheritable
 * set a file with +i capabilities raises privileges, so ours is the ambient set and no more. */
static int capabilities(const struct privilege *privilege, const struct step *step)
{
	uint64_t keep = step->number, ambient = privilege->spec->capability_ambient;
	bool root = privilege->user == NULL || privilege->user->uid == 0;
	uint64_t has;
	int r;

	/* What we lack ourselves cannot be given; our bounding set holds nothing more either. */
	r = capability_get(NULL, &has, NULL);
	if (r < 0)
		return r;
	keep &= has;
	ambient &= keep;
	/* A change of user emptied the effective set, which dropping needs. */
	r = root ? 0 : capability_set(has, has, 0);
	if (r < 0)
		return fail(r, "cannot use the capabilities that were kept");
	r = capability_drop_bounding(keep);
	if (r < 0)
		return fail(r, "cannot drop capabilities from the bounding set");
	r = root ? capability_set(keep, keep, ambient) : capability_set(ambient, ambient, ambient);
	if (r < 0)
		return fail(r, "cannot set capabilities");
	if (ambient != 0) {
		r = capability_set_ambient(ambient);
		if (r < 0)
			return fail(r, "cannot set ambient capabilities");
	}
	return 0;
}

static int no_new_privileges(const struct privilege *privilege, const struct step *step)
{
	(void)privilege;
	(void)step;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

static int sysctl(const struct privilege *privilege, const struct step *step)
{
	return file_write(privilege->proc_fd, step->target + strlen("/proc/"), step->data);
}

int privilege_step(const struct privilege *privilege, const struct step *step)
{
	static int (*const doers[STEP_KINDS])(const struct privilege *, const struct step *) = {
		[STEP_HOSTNAME] = hostname,
		[STEP_LOOPBACK] = loopback,
		[STEP_KEYRING] = keyring,
		[STEP_OOM_SCORE] = done_by_supervisor,
		[STEP_AFFINITY] = affinity,
		[STEP_PERSONALITY] = set_personality,
		[STEP_RLIMIT] = limit,
		[STEP_SECCOMP] = system_calls,
		[STEP_SELINUX] = selinux,
		[STEP_USER] = user,
		[STEP_CAPABILITIES] = capabilities,
		[STEP_NO_NEW_PRIVILEGES] = no_new_privileges,
		[STEP_SYSCTL] = sysctl,
	};

	if (doers[step->kind] == NULL)
		return -ENOTSUP;
	return doers[step->kind](privilege, step);
}
