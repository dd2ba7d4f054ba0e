/* What a process in the container can say about itself, as lines "NAME VALUE".
 *
 *   probe fds|env|caps|limits|mounts|signals|tty|cwd|ids|all
 *   probe notify TEXT       one datagram to $NOTIFY_SOCKET
 *   probe fsync PATH        "fsync OK" after fsync() of PATH took no time on a descriptor; open
 * O_SYNC probe reboot WORD       reboot(2): poweroff or restart probe exit N | signal N probe
 * keyring           the session keyring's serial, and a key added to it probe inherit           fds
 * above 2 with what they point to
 *   probe call NAME PORT    asks the first server of /etc/resolv.conf, connects, says what is
 * answered
 */
#include <arpa/nameser.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

extern char **environ;

static void show_file(const char *prefix, const char *path)
{
	char line[4096];
	FILE *f = fopen(path, "re");

	if (!f) {
		printf("%s unreadable %s\n", prefix, strerror(errno));
		return;
	}
	while (fgets(line, sizeof(line), f))
		printf("%s %s", prefix, line);
	fclose(f);
}

static void fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	struct dirent *e;
	char path[64], target[512];

	while (d && (e = readdir(d))) {
		ssize_t n;

		if (e->d_name[0] == '.' || atoi(e->d_name) == dirfd(d))
			continue;
		snprintf(path, sizeof(path), "/proc/self/fd/%.20s", e->d_name);
		n = readlink(path, target, sizeof(target) - 1);
		target[n < 0 ? 0 : n] = 0;
		printf("fd %s %s\n", e->d_name, target);
	}
	if (d)
		closedir(d);
}

static void limits(void)
{
	static const char *const names[] = { "CPU",	 "FSIZE", "DATA",   "STACK",
					     "CORE",	 "RSS",	  "NPROC",  "NOFILE",
					     "MEMLOCK",	 "AS",	  "LOCKS",  "SIGPENDING",
					     "MSGQUEUE", "NICE",  "RTPRIO", "RTTIME" };

	for (int i = 0; i < 16; i++) {
		struct rlimit l;

		getrlimit(i, &l);
		printf("limit %s %lld %lld\n", names[i], (long long)l.rlim_cur,
		       (long long)l.rlim_max);
	}
}

static void signals(void)
{
	sigset_t set;

	sigprocmask(SIG_SETMASK, NULL, &set);
	for (int i = 1; i < 65; i++) {
		struct sigaction a;

		if (sigismember(&set, i) == 1)
			printf("signal blocked %d\n", i);
		if (sigaction(i, NULL, &a) == 0 && a.sa_handler == SIG_IGN)
			printf("signal ignored %d\n", i);
	}
}

static void tty(void)
{
	for (int i = 0; i < 3; i++) {
		char name[256] = "";

		printf("tty %d %s\n", i,
		       isatty(i) && ttyname_r(i, name, sizeof(name)) == 0 ? name : "none");
	}
	printf("tty controlling %s\n",
	       open("/dev/tty", O_RDWR | O_CLOEXEC) >= 0 ? "yes" : strerror(errno));
	printf("tty session %s\n", getsid(0) == getpid() ? "leader" : "member");
}

static void ids(void)
{
	gid_t groups[64];
	int n = getgroups(64, groups), death = -1;
	uid_t r, e, s;

	getresuid(&r, &e, &s);
	printf("uid %u %u %u\n", r, e, s);
	getresgid(&r, &e, &s);
	printf("gid %u %u %u\n", r, e, s);
	printf("groups");
	for (int i = 0; i < n; i++)
		printf(" %u", groups[i]);
	prctl(PR_GET_PDEATHSIG, &death);
	printf("\npid %d\nppid %d\npdeathsig %d\ndumpable %d\n", getpid(), getppid(), death,
	       prctl(PR_GET_DUMPABLE));
	printf("personality %#x\n", (unsigned)personality(0xffffffff));
	printf("keepcaps %d\nsecurebits %#x\nnonewprivs %d\n", prctl(PR_GET_KEEPCAPS),
	       (unsigned)prctl(PR_GET_SECUREBITS), prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	umask(r = umask(0));
	printf("umask %#o\n", r);
}

static int notify(const char *text)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	const char *path = getenv("NOTIFY_SOCKET");
	int s = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (!path)
		return puts("notify no socket"), 1;
	strncpy(a.sun_path, path, sizeof(a.sun_path) - 1);
	if (sendto(s, text, strlen(text), 0, (struct sockaddr *)&a, sizeof(a)) < 0)
		return printf("notify %s\n", strerror(errno)), 1;
	return puts("notify sent"), 0;
}

static void fsync_(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	printf("fsync %s\n", fsync(fd) == 0 ? "ok" : strerror(errno));
	printf("fdatasync %s\n", fdatasync(fd) == 0 ? "ok" : strerror(errno));
	printf("badfd %s\n", fsync(-1) == 0 ? "ok" : strerror(errno));
	printf("osync %s\n", open(path, O_RDWR | O_SYNC | O_CLOEXEC) >= 0 ? "ok" : strerror(errno));
	sync();
	puts("sync returned");
}

static int keyring(void)
{
	long id = syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0);

	printf("keyring %ld %s\n", id, id < 0 ? strerror(errno) : "");
	id = syscall(SYS_keyctl, KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING, "user", "redd-canary", 0);
	printf("canary %ld %s\n", id, id < 0 ? strerror(errno) : "");
	return 0;
}

/* Both by the C library's own resolver, as that needs nothing of the tree but resolv.conf. */
static int call(const char *name, const char *port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)) };
	unsigned char answer[512];
	char said[128];
	ns_msg message;
	ns_rr record;
	ssize_t n;
	int s;

	n = res_query(name, ns_c_in, ns_t_a, answer, sizeof(answer));
	if (n < 0 || ns_initparse(answer, (int)n, &message) < 0 ||
	    ns_parserr(&message, ns_s_an, 0, &record) < 0)
		return printf("call no such name: %s\n", hstrerror(h_errno)), 1;
	memcpy(&to.sin_addr, ns_rr_rdata(record), 4);
	s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(s, (struct sockaddr *)&to, sizeof(to)) < 0)
		return printf("call %s\n", strerror(errno)), 1;
	n = read(s, said, sizeof(said));
	return printf("call answered %.*s\n", n < 0 ? 0 : (int)n, said) < 0;
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		const char *w = argv[i];
		int all = !strcmp(w, "all");

		if (all || !strcmp(w, "fds"))
			fds();
		if (all || !strcmp(w, "env"))
			for (char **e = environ; *e; e++)
				printf("env %s\n", *e);
		if (all || !strcmp(w, "caps"))
			show_file("status", "/proc/self/status");
		if (all || !strcmp(w, "limits"))
			limits();
		if (all || !strcmp(w, "mounts"))
			show_file("mount", "/proc/self/mountinfo");
		if (all || !strcmp(w, "signals"))
			signals();
		if (all || !strcmp(w, "tty"))
			tty();
		if (all || !strcmp(w, "ids"))
			ids();
		if (all || !strcmp(w, "cwd")) {
			char b[4096];

			printf("cwd %s\n", getcwd(b, sizeof(b)) ? b : strerror(errno));
		}
		if (!strcmp(w, "maps")) {
			show_file("uid_map", "/proc/self/uid_map");
			show_file("gid_map", "/proc/self/gid_map");
			show_file("setgroups", "/proc/self/setgroups");
		}
		if (!strcmp(w, "cgroup"))
			show_file("cgroup", "/proc/self/cgroup");
		if (!strcmp(w, "oom"))
			show_file("oom", "/proc/self/oom_score_adj");
		if (!strcmp(w, "keyring"))
			keyring();
		if (!strcmp(w, "notify") && i + 1 < argc)
			notify(argv[++i]);
		if (!strcmp(w, "fsync") && i + 1 < argc)
			fsync_(argv[++i]);
		if (!strcmp(w, "call") && i + 2 < argc)
			return call(argv[i + 1], argv[i + 2]);
		if (!strcmp(w, "exit") && i + 1 < argc)
			return atoi(argv[i + 1]);
		if (!strcmp(w, "reboot") && i + 1 < argc) {
			fflush(stdout);
			reboot(!strcmp(argv[i + 1], "restart") ? RB_AUTOBOOT : RB_POWER_OFF);
			printf("reboot %s\n", strerror(errno));
			return 1;
		}
		if (!strcmp(w, "sleep"))
			for (;;)
				pause();
		fflush(stdout);
	}
	return 0;
}
