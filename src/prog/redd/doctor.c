#include "prog/redd/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/macros.h"
#include "base/text.h"
#include "io/fd.h"
#include "io/file.h"
#include "kernel/namespace.h"
#include "kernel/process.h"

#define MODULES_MAX (4 << 20)

/* The list of modules that could be loaded, as one text; "" where there is none. */
static const char *read_modules(struct arena *arena)
{
	static const char *const names[] = { "modules.builtin", "modules.dep" };
	const char *all = "";
	struct utsname name;
	char *text;
	size_t size;

	if (uname(&name) < 0)
		return all;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const char *path = arena_format(arena, "/lib/modules/%s/%s", name.release,
						names[i]);

		if (file_read(arena, &text, &size, AT_FDCWD, path, MODULES_MAX) == 0)
			all = arena_format(arena, "%s\n%s", all, text);
	}
	return all;
}

void doctor_init(struct doctor *ret, struct arena *arena, const char *const *environment,
		 const struct find_scope *scope, const char *runtime, const char *store)
{
	const char *path = text_variable(environment, "PATH");

	*ret = (struct doctor){
		.arena = arena,
		.environment = environment,
		.programs = path ? path : "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin",
		.scope = *scope,
		.runtime = runtime,
		.store = store,
		.root = scope->uid == 0,
		.modules = read_modules(arena),
	};
}

void doctor_ask(struct doctor *doctor)
{
	doctor_kernel(doctor);
	doctor_users(doctor);
	doctor_cgroups(doctor);
	doctor_storage(doctor);
	doctor_network(doctor);
	doctor_services(doctor);
}

bool doctor_can_start(const struct doctor *doctor)
{
	for (size_t i = 0; i < doctor->count; i++)
		if (doctor->lines[i].needed && doctor->lines[i].state == DOCTOR_NO)
			return false;
	return true;
}

const char *doctor_state_word(enum doctor_state state)
{
	static const char *const words[] = { "yes", "less", "no" };

	return words[state];
}

struct doctor_line *doctor_add(struct doctor *doctor, const char *area, const char *what)
{
	struct doctor_line *line = list_grow(doctor->arena, (void **)&doctor->lines, &doctor->count,
					     sizeof(*line));

	line->area = area;
	line->what = what;
	return line;
}

void doctor_result(struct doctor_line *line, int result, const char *found, const char *lost,
		   const char *hint)
{
	line->found = found;
	if (result >= 0)
		return;
	line->state = DOCTOR_NO;
	line->lost = lost;
	line->hint = hint;
}

/* Root over the one own id, as any user may be. */
static int become_root(uid_t uid, gid_t gid)
{
	autoclose int self = namespace_open_process(getpid());
	char users[32], groups[32];

	snprintf(users, sizeof(users), "0 %u 1\n", uid);
	snprintf(groups, sizeof(groups), "0 %u 1\n", gid);
	return self < 0 ? self : namespace_write_maps(self, users, groups, true);
}

int doctor_try(const struct doctor *doctor, uint64_t namespaces, doctor_probe_fn *probe,
	       void *context)
{
	autoclose int pidfd = -EBADF;
	uid_t uid = geteuid();
	gid_t gid = getegid();
	siginfo_t info;
	pid_t pid;
	int r;

	pid = process_clone(namespaces | (doctor->root ? 0 : CLONE_NEWUSER), -1, &pidfd);
	if (pid < 0)
		return pid;
	if (pid == 0) {
		r = doctor->root ? 0 : become_root(uid, gid);
		if (r >= 0)
			r = probe(context);
		_exit(r < 0 ? -r & 0xff : 0);
	}
	r = process_wait(pidfd, &info, 0);
	if (r < 0)
		return r;
	return info.si_code == CLD_EXITED ? -info.si_status : -EIO;
}

enum doctor_module doctor_module(const struct doctor *doctor, const char *name)
{
	const char *file = arena_format(doctor->arena, "/%s.ko", name);

	if (access(arena_format(doctor->arena, "/sys/module/%s", name), F_OK) >= 0)
		return DOCTOR_MODULE_LOADED;
	return strstr(doctor->modules, file) ? DOCTOR_MODULE_THERE : DOCTOR_MODULE_NONE;
}
