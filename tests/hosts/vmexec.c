/* vmexec.c - host side of vmrun
 *
 *   vmexec [-t SECONDS] [-w SECONDS] [-n] BASE CMD [ARG...]
 *     Runs CMD in the guest behind the first free of BASE.0, BASE.1, ...; each is
 *     a unix socket (QEMU chardev) or a directory with FIFOs "to" and "from" (UML).
 *     Forwards stdin (not with -n), stdout, stderr and the exit status.
 *     124 = -t ran out, 125 = no agent within -w seconds (default 60), 126 = guest died.
 *
 *   vmexec -q SOCKET JSON...
 *     Sends each JSON command to a QMP socket and prints each answer.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define MAXP 65536
static int rfd = -1, wfd = -1;
static const char *where;

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static int all(int fd, const void *p, size_t n)
{
	const char *c = p;
	while (n) {
		ssize_t w = write(fd, c, n);
		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0 && errno == EAGAIN) {
			struct pollfd f = { fd, POLLOUT, 0 };
			poll(&f, 1, 1000);
			continue;
		}
		if (w <= 0)
			return -1;
		c += w;
		n -= w;
	}
	return 0;
}

static int frame(char t, const void *p, uint32_t n)
{
	static unsigned char b[MAXP + 5];
	b[0] = t;
	memcpy(b + 1, &n, 4);
	memcpy(b + 5, p, n);
	return all(wfd, b, n + 5);
}

static int link_up(void)
{
	struct stat st;
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	char p[4096];
	if (stat(where, &st))
		return -1;
	if (S_ISDIR(st.st_mode)) {
		snprintf(p, sizeof p, "%s/to", where);
		wfd = open(p, O_RDWR | O_CLOEXEC);
		snprintf(p, sizeof p, "%s/from", where);
		rfd = open(p, O_RDWR | O_CLOEXEC | O_NONBLOCK);
		return wfd < 0 || rfd < 0 ? -1 : 0;
	}
	rfd = wfd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(a.sun_path, sizeof a.sun_path, "%s", where);
	if (connect(rfd, (void *)&a, sizeof a)) {
		close(rfd);
		return -1;
	}
	return 0;
}

static char *line(FILE *f)
{
	static char *b;
	static size_t n;
	return getline(&b, &n, f) > 0 ? b : NULL;
}

static int qmp(char **cmd)
{
	FILE *f;
	char *l;
	double end = now() + 10;
	while (link_up()) {
		if (now() > end)
			return 125;
		usleep(5000);
	}
	f = fdopen(rfd, "r");
	dprintf(wfd, "{\"execute\":\"qmp_capabilities\"}\n");
	for (int skip = 1; skip || *cmd;) {
		if (!skip)
			dprintf(wfd, "%s\n", *cmd);
		do {
			if (!(l = line(f)))
				return 126;
		} while (strncmp(l, "{\"return\"", 9) && strncmp(l, "{\"error\"", 8));
		if (!skip)
			fputs(l, stdout);
		if (!strncmp(l, "{\"error\"", 8))
			return 1;
		if (!skip)
			cmd++;
		skip = 0;
	}
	return 0;
}

/* opens a session: skips anything stale until our nonce comes back */
static int hello(double limit)
{
	unsigned char m[56], want[21], got[21];
	struct timespec t;
	double next = 0;
	size_t have = 0;
	if (getrandom(m, sizeof m, 0) != sizeof m)
		return -1;
	memcpy(want, "H\x10\0\0\0", 5);
	memcpy(want + 5, m, 16);
	while (now() < limit) {
		struct pollfd f = { rfd, POLLIN, 0 };
		unsigned char c[1];
		if (now() >= next) {
			clock_gettime(CLOCK_REALTIME, &t);
			int64_t ns = t.tv_sec * 1000000000LL + t.tv_nsec;
			memcpy(m + 16, &ns, 8);
			if (frame('P', m, 56))
				return -1;
			next = now() + 0.5;
		}
		if (poll(&f, 1, 50) <= 0)
			continue;
		ssize_t n = read(rfd, c, 1);
		if (n == 0)
			return -1;
		if (n != 1)
			continue;
		if (have == 21)
			memmove(got, got + 1, --have);
		got[have++] = c[0];
		if (have == 21 && !memcmp(got, want, 21))
			return 0;
	}
	return -1;
}

/* takes the first port that nobody else holds */
static int pick(double end)
{
	const char *base = where;
	static char p[4096], lp[4104];
	int ok = 0;
	for (int i = 0; i < 8 && !ok; i++) {
		snprintf(p, sizeof p, "%s.%d", base, i);
		if (access(p, F_OK))
			break;
		snprintf(lp, sizeof lp, "%s.lock", p);
		int lock = open(lp, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
		if (lock < 0)
			break;
		if (flock(lock, LOCK_EX | LOCK_NB) == 0) {
			where = p;
			if (link_up() == 0) {
				/* a port may be wedged: the next one is tried then */
				if (hello(now() + 2 < end ? now() + 2 : end) == 0)
					ok = 1;
				else
					close(rfd);
			}
		}
		if (!ok)
			close(lock);
	}
	where = base;
	return ok;
}

static unsigned char in[MAXP + 5], out[MAXP + 5], req[MAXP];
static size_t inlen, rl, rp, outlen, outpos, chunk;
static int withstdin = 1, unacked, eofsent;

static void queue(char t, size_t n)
{
	uint32_t l = n;

	out[0] = t;
	memcpy(out + 1, &l, 4);
	outlen = n + 5;
	outpos = 0;
}

/* the next frame: what is left of argv, then stdin (when it is readable), then its end */
static void next_frame(void)
{
	if (outlen || unacked)
		return;
	if (rp < rl) {
		size_t n = rl - rp < chunk ? rl - rp : chunk;

		memcpy(out + 5, req + rp, n);
		rp += n;
		queue(rp == rl ? 'X' : 'x', n);
		unacked = wfd != rfd;
	} else if (!withstdin && !eofsent) {
		queue('E', 0);
		eofsent = unacked = 1;
	}
}

static void take_stdin(void)
{
	ssize_t n = read(0, out + 5, chunk);

	withstdin = n > 0;
	if (!withstdin)
		return;
	queue('I', n);
	unacked = wfd != rfd;
}

/* -1: go on; else the exit status */
static int take_answers(void)
{
	ssize_t n = read(rfd, in + inlen, sizeof in - inlen);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		fprintf(stderr, "vmexec: guest went away\n");
		return 126;
	}
	if (n > 0)
		inlen += n;
	while (inlen >= 5) {
		uint32_t l;
		int32_t s;

		memcpy(&l, in + 1, 4);
		if (l > MAXP) {
			fprintf(stderr, "vmexec: protocol error\n");
			return 126;
		}
		if (inlen < 5 + l)
			break;
		if (in[0] == 'O')
			all(1, in + 5, l);
		else if (in[0] == 'R')
			all(2, in + 5, l);
		else if (in[0] == 'A')
			unacked = 0;
		else if (in[0] == 'Q') {
			memcpy(&s, in + 5, 4);
			return s;
		}
		memmove(in, in + 5 + l, inlen - 5 - l);
		inlen -= 5 + l;
	}
	return -1;
}

static int converse(double limit)
{
	for (;;) {
		int status;

		next_frame();
		struct pollfd f[3] = {
			{ rfd, POLLIN, 0 },
			{ withstdin && !outlen && !unacked && rp == rl ? 0 : -1, POLLIN, 0 },
			{ outlen ? wfd : -1, POLLOUT, 0 },
		};
		poll(f, 3, limit > 0 ? 100 : -1);
		if (limit > 0 && now() > limit) {
			fprintf(stderr, "vmexec: time limit\n");
			return 124;
		}
		if (f[1].revents)
			take_stdin();
		if (outlen) {
			ssize_t w = write(wfd, out + outpos, outlen - outpos);

			if (w > 0 && (outpos += w) == outlen)
				outlen = 0;
		}
		if (!f[0].revents)
			continue;
		status = take_answers();
		if (status >= 0)
			return status;
	}
}

int main(int argc, char **argv)
{
	double wait = 60, limit = 0;
	int o, isqmp = 0;

	while ((o = getopt(argc, argv, "+t:w:nq")) != -1) {
		if (o == 't')
			limit = atof(optarg);
		else if (o == 'w')
			wait = atof(optarg);
		else if (o == 'n')
			withstdin = 0;
		else if (o == 'q')
			isqmp = 1;
		else
			return 125;
	}
	if (argc - optind < 2) {
		fprintf(stderr,
			"usage: vmexec [-t S] [-w S] [-n] BASE CMD [ARG...] | -q SOCKET JSON...\n");
		return 125;
	}
	where = argv[optind++];
	signal(SIGPIPE, SIG_IGN);
	if (isqmp)
		return qmp(argv + optind);
	for (double end = now() + wait; !pick(end);) {
		if (now() > end) {
			fprintf(stderr, "vmexec: no agent on %s\n", where);
			return 125;
		}
		usleep(10000);
	}
	for (; optind < argc; optind++) {
		size_t l = strlen(argv[optind]) + 1;

		if (rl + l > sizeof req)
			return 125;
		memcpy(req + rl, argv[optind], l);
		rl += l;
	}
	/* a UML serial line that the guest throttles never wakes again: one small
	 * acknowledged frame at a time there, anything goes on a virtio port */
	chunk = wfd == rfd ? 32768 : 1500;
	fcntl(wfd, F_SETFL, fcntl(wfd, F_GETFL) | O_NONBLOCK);
	return converse(limit > 0 ? now() + limit : 0);
}
