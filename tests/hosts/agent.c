/* agent.c - guest side of vmrun: runs commands asked for over a byte channel.
 *
 *   agent /dev/virtio-ports/vmrun.0     (QEMU virtio-serial, hot-unplug aware)
 *   agent /dev/ttyS0                    (UML serial line on two FIFOs)
 *
 * Frames both ways: type(1) length(4, LE) payload.
 *   host->guest  P nonce(16) time_ns(8) seed(32)  new session (resets everything)
 *                x part / X last part of argv      run it (NUL separated), std* piped
 *                I data / E                        stdin bytes / end of stdin
 *   guest->host  H nonce(16)                       session accepted
 *                O data / R data / Q status(4)     stdout / stderr / exit status
 *                A                                 one of x X I E was taken
 * After 'Q' background children of the command may live on (daemons are wanted),
 * but their output is no longer forwarded.
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
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define MAXP 65536
static int ch = -1;
static unsigned char in[MAXP + 5];
static size_t inlen;
static pid_t child;
static int cin = -1, cout = -1, cerr = -1, status = -1;
static unsigned char pend[MAXP]; /* stdin bytes the command has not taken yet */
static size_t pendlen;
static int pendeof;
static int owe;		   /* acknowledgements not sent yet */
static char req[MAXP * 2]; /* argv so far */
static size_t reqlen;

static int put(const void *p, size_t n)
{
	const char *c = p;
	while (n) {
		ssize_t w = write(ch, c, n);
		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0 && errno == EAGAIN) {
			struct pollfd f = { ch, POLLOUT, 0 };
			poll(&f, 1, 100);
			if (f.revents & POLLHUP)
				return -1;
			continue;
		}
		if (w <= 0)
			return -1;
		c += w;
		n -= w;
	}
	return 0;
}

static void frame(char t, const void *p, uint32_t n)
{
	static unsigned char b[MAXP + 5];
	b[0] = t;
	memcpy(b + 1, &n, 4);
	memcpy(b + 5, p, n);
	put(b, n + 5);
}

static void shut(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void reset(void)
{
	if (child > 0)
		kill(-child, SIGKILL);
	child = 0;
	status = -1;
	pendlen = reqlen = owe = 0;
	pendeof = 0;
	shut(&cin);
	shut(&cout);
	shut(&cerr);
}

static void start(char *p, size_t n)
{
	char *argv[512];
	int i = 0, a[2], b[2], c[2];
	for (char *q = p; q < p + n && i < 511; q += strlen(q) + 1)
		argv[i++] = q;
	argv[i] = NULL;
	if (pipe2(a, O_CLOEXEC) || pipe2(b, O_CLOEXEC) || pipe2(c, O_CLOEXEC))
		_exit(1);
	child = fork();
	if (child == 0) {
		setsid();
		dup2(a[0], 0);
		dup2(b[1], 1);
		dup2(c[1], 2);
		signal(SIGPIPE, SIG_DFL);
		sigset_t s;
		sigemptyset(&s);
		sigprocmask(SIG_SETMASK, &s, NULL);
		execvp(argv[0], argv);
		dprintf(2, "agent: %s: %s\n", argv[0], strerror(errno));
		_exit(127);
	}
	close(a[0]);
	close(b[1]);
	close(c[1]);
	cin = a[1];
	cout = b[0];
	cerr = c[0];
	fcntl(cin, F_SETFL, O_NONBLOCK);
	fcntl(cout, F_SETFL, O_NONBLOCK);
	fcntl(cerr, F_SETFL, O_NONBLOCK);
	status = -1;
}

static void session(const unsigned char *p)
{
	int64_t ns;
	struct timespec t, now;
	struct {
		int cnt, size;
		unsigned char b[32];
	} e = { 256, 32, { 0 } };
	int r = open("/dev/urandom", O_WRONLY | O_CLOEXEC);
	reset();
	memcpy(&ns, p + 16, 8);
	t.tv_sec = ns / 1000000000;
	t.tv_nsec = ns % 1000000000;
	clock_gettime(CLOCK_REALTIME, &now);
	if (llabs((long long)now.tv_sec - t.tv_sec) > 1)
		clock_settime(CLOCK_REALTIME, &t); /* restored from a template */
	memcpy(e.b, p + 24, 32);
	if (r >= 0) {
		ioctl(r, _IOW('R', 0x03, int[2]), &e); /* RNDADDENTROPY */
		ioctl(r, _IO('R', 0x07));	       /* RNDRESEEDCRNG */
		close(r);
	}
	frame('H', p, 16);
}

static void handle(char t, unsigned char *p, uint32_t n)
{
	if (t == 'P' && n == 56)
		session(p);
	else if (t == 'x' || t == 'X') {
		if (reqlen + n < sizeof req)
			memcpy(req + reqlen, p, n), reqlen += n;
		if (t == 'X')
			start(req, reqlen), reqlen = 0;
	} else if (t == 'I' && cin >= 0) {
		memcpy(pend, p, n); /* only called with pendlen == 0 */
		pendlen = n;
	} else if (t == 'E')
		pendeof = 1;
}

static void feed(void)
{
	if (pendlen && cin >= 0) {
		ssize_t w = write(cin, pend, pendlen);
		if (w > 0)
			memmove(pend, pend + w, pendlen -= w);
		else if (w < 0 && errno != EAGAIN)
			shut(&cin);
	}
	if (cin < 0)
		pendlen = 0;
	if (!pendlen && pendeof)
		shut(&cin);
}

/* returns 1 at end of file */
static int forward(int *fd, char t)
{
	char b[32768];
	ssize_t n = read(*fd, b, sizeof b);
	if (n > 0)
		frame(t, b, n);
	else if (n == 0 || errno != EAGAIN) {
		shut(fd);
		return 1;
	}
	return 0;
}

static void onchld(int s)
{
	(void)s;
}

static int prepare(const char *channel)
{
	struct sigaction sa = { .sa_handler = onchld };
	struct termios tio;
	sigset_t chld;

	signal(SIGPIPE, SIG_IGN);
	sigaction(SIGCHLD, &sa, NULL);
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_BLOCK, &chld, NULL);
	for (int i = 0; (ch = open(channel, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)) < 0; i++) {
		if (i > 600) {
			perror(channel);
			return -1;
		}
		usleep(50000);
	}
	if (tcgetattr(ch, &tio) == 0) {
		cfmakeraw(&tio);
		tcsetattr(ch, TCSANOW, &tio);
	}
	setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
	setenv("HOME", "/root", 1);
	setenv("LANG", "C.UTF-8", 1);
	unsetenv("NOTIFY_SOCKET");
	unsetenv("INVOCATION_ID");
	return chdir("/root") && chdir("/");
}

static void reap(void)
{
	for (int st, p; (p = waitpid(-1, &st, WNOHANG)) > 0;)
		if (p == child)
			status = WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st);
}

/* drains what the command itself wrote, then reports */
static void finish(void)
{
	int32_t s = status;

	for (int more = 1; more;) {
		struct pollfd g[2] = { { cout, POLLIN, 0 }, { cerr, POLLIN, 0 } };

		more = poll(g, 2, 0) > 0;
		if (g[0].revents)
			forward(&cout, 'O');
		if (g[1].revents)
			forward(&cerr, 'R');
	}
	child = 0;
	reset();
	frame('Q', &s, 4);
}

/* the client went away */
static void forget_client(void)
{
	inlen = 0;
	reset();
	usleep(5000);
}

static void take_frames(void)
{
	while (!pendlen && inlen >= 5) {
		uint32_t l;
		int ack = in[0] != 'P';

		memcpy(&l, in + 1, 4);
		if (l > MAXP) {
			inlen = 0;
			break;
		}
		if (inlen < 5 + l)
			break;
		handle(in[0], in + 5, l);
		memmove(in, in + 5 + l, inlen - 5 - l);
		inlen -= 5 + l;
		feed();
		if (ack)
			owe++;
	}
	for (; owe && !pendlen; owe--)
		frame('A', "", 0);
}

/* 0: nobody is there */
static int take_bytes(short events)
{
	ssize_t n;

	if (!(events & POLLIN))
		return !(events & POLLHUP);
	n = read(ch, in + inlen, sizeof in - inlen);
	if (n == 0 && inlen < sizeof in)
		return 0;
	if (n > 0)
		inlen += n;
	return 1;
}

int main(int argc, char **argv)
{
	sigset_t none;

	sigemptyset(&none);
	if (argc < 2)
		return 2;
	if (prepare(argv[1]))
		return 1;
	for (;;) {
		struct pollfd f[4] = {
			{ ch, pendlen ? 0 : POLLIN, 0 },
			{ cout, POLLIN, 0 },
			{ cerr, POLLIN, 0 },
			{ pendlen ? cin : -1, POLLOUT, 0 },
		};
		struct timespec tick = { 0, 50000000 };

		ppoll(f, 4, child == 0 ? NULL : &tick, &none);
		if (f[3].revents)
			feed();
		if (f[1].revents)
			forward(&cout, 'O');
		if (f[2].revents)
			forward(&cerr, 'R');
		reap();
		if (child > 0 && status >= 0)
			finish();
		if (take_bytes(f[0].revents))
			take_frames();
		else
			forget_client();
	}
}
