/* Takes every process that comes into sight, and never lets go of what has ended. */
#include "attack.h"

#include <dirent.h>

#define PIDS 32768

static bool seen[PIDS];

static void look(bool take)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;

	while (proc && (entry = readdir(proc))) {
		int pid = atoi(entry->d_name);

		if (pid <= 1 || pid >= PIDS || pid == getpid() || seen[pid])
			continue;
		if (!take || ptrace(PTRACE_SEIZE, pid, 0, 0) == 0)
			seen[pid] = true;
		if (take && seen[pid])
			report(false, "traced", "%d", pid);
	}
	if (proc)
		closedir(proc);
}

int main(void)
{
	look(false);
	printf("ready\n");
	fflush(stdout);
	for (;;)
		look(true);
}
