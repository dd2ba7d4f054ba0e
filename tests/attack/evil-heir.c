/* Started by evil-loader with the program of the host as descriptor 7, as evil-second is. But a
 * child of its own outlives that program, and tries once nobody executes it any more. */
#include "attack.h"

#define PATIENCE 5000

int main(void)
{
	int fd = -1;

	/* the terminal goes with who entered */
	signal(SIGHUP, SIG_IGN);
	if (fork() > 0) {
		report(true, "heir", "waits");
		for (;;)
			pause();
	}
	setsid();
	for (int i = 0; i < PATIENCE && fd < 0 && (i == 0 || errno == ETXTBSY); i++) {
		usleep(2000);
		/* nothing is ever written: opening is proof enough */
		fd = open("/proc/self/fd/7", O_WRONLY | O_CLOEXEC);
	}
	if (!freopen("/verdict", "w", stdout))
		return 1;
	report(fd < 0, "exe-for-writing", "%s", fd < 0 ? strerror(errno) : "opened");
	return 0;
}
