#include "net/userspace.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/macros.h"
#include "base/parse.h"
#include "base/text.h"
#include "format/link-names.h"
#include "format/port.h"
#include "io/clock.h"
#include "io/fd.h"
#include "kernel/process.h"
#include "kernel/syscall.h"

#define TUN "/dev/net/tun"
#define PATIENCE_US (30 * UINT64_C(1000000))
#define ITS_OUTPUT "/proc/self/fd/1"
#define PORT_PATIENCE_MS 300 /* for one that has just ended */
#define PORT_TRY_MS 5

/* ---- its words ---- */

static void add(struct arena *arena, struct text_list *list, const char *word)
{
	text_list_add(arena, list, arena_text(arena, word));
}

static void add_pair(struct arena *arena, struct text_list *list, const char *option,
		     const char *value)
{
	add(arena, list, option);
	add(arena, list, value);
}

static void add_ip(struct arena *arena, struct text_list *list, const char *option,
		   const struct ip *ip)
{
	char text[IP_TEXT_ROOM];

	if (ip->family != 0)
		add_pair(arena, list, option, ip_text(text, ip));
}

static void add_addresses(struct arena *arena, struct text_list *list,
			  const struct userspace_wish *wish)
{
	if (wish->guest[1].ip.family == 0)
		add(arena, list, "-4");
	else if (wish->guest[0].ip.family == 0)
		add(arena, list, "-6");
	if (wish->guest[0].ip.family != 0)
		add_pair(arena, list, "-n", arena_format(arena, "%u", wish->guest[0].length));
	for (int i = 0; i < 2; i++) {
		add_ip(arena, list, "-a", &wish->guest[i].ip);
		add_ip(arena, list, "-g", &wish->gateway[i]);
		add_ip(arena, list, "--dns-forward", &wish->dns[i]);
	}
}

/* "ADDRESS/HOST-LAST:CONTAINER-LAST" */
static const char *port_words(struct arena *arena, const struct port *port)
{
	const char *before = "";
	char text[IP_TEXT_ROOM];

	if (port->address.family != 0)
		before = arena_format(arena, "%s/", ip_text(text, &port->address));
	if (port->count <= 1)
		return arena_format(arena, "%s%u:%u", before, port->host, port->container);
	return arena_format(arena, "%s%u-%u:%u-%u", before, port->host,
			    port->host + port->count - 1U, port->container,
			    port->container + port->count - 1U);
}

/* What is not said is chosen by it, and then it forwards what just listens. */
static void add_ports(struct arena *arena, struct text_list *list,
		      const struct userspace_wish *wish, int protocol, const char *option)
{
	bool any = false;

	for (size_t i = 0; i < wish->port_count; i++) {
		if (wish->ports[i].protocol != protocol)
			continue;
		add_pair(arena, list, option, port_words(arena, &wish->ports[i]));
		any = true;
	}
	if (!any)
		add_pair(arena, list, option, "none");
}

void userspace_arguments(struct arena *arena, struct text_list *ret,
			 const struct userspace_wish *wish)
{
	char mac[LINK_NAMES_MAC_ROOM];

	add(arena, ret, USERSPACE_PROGRAM);
	/* As the process that we made; it says that it is ready by writing its number. */
	add(arena, ret, "--foreground");
	add(arena, ret, "--quiet");
	add_pair(arena, ret, "--pid", ITS_OUTPUT);
	add_pair(arena, ret, "--ns-ifname", wish->interface);
	link_names_mac_text(mac, wish->mac);
	add_pair(arena, ret, "--ns-mac-addr", mac);
	link_names_mac_text(mac, wish->gateway_mac);
	add_pair(arena, ret, "--mac-addr", mac);
	add_addresses(arena, ret, wish);
	add(arena, ret, "--dhcp-dns");
	add_ports(arena, ret, wish, IPPROTO_TCP, "-t");
	add_ports(arena, ret, wish, IPPROTO_UDP, "-u");
	/* Or what listens on the host's loopback addresses could be reached at the gateway's, and
	 * at the container's own. */
	add(arena, ret, "--no-map-gw");
	add_pair(arena, ret, "-T", "none");
	add_pair(arena, ret, "-U", "none");
	if (wish->same_user) {
		add_pair(arena, ret, "--netns", arena_format(arena, "/proc/%d/ns/net", wish->pid));
		/* Which of the supervisors is still there does not matter to it. */
		add(arena, ret, "--no-netns-quit");
	} else {
		add(arena, ret, arena_format(arena, "%d", wish->pid));
	}
}

/* ---- its ports ---- */

static int try_port(const struct port *port, const struct ip *address, uint16_t number)
{
	struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = htons(number) };
	struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = htons(number) };
	int type = port->protocol == IPPROTO_UDP ? SOCK_DGRAM : SOCK_STREAM;
	autoclose int fd = socket(address->family, type | SOCK_CLOEXEC, 0);
	int r;

	if (fd < 0)
		return errno == EAFNOSUPPORT ? 0 : -errno;
	/* What is about to end is no hindrance; for a datagram it would share. */
	if (type == SOCK_STREAM)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
	if (address->family == AF_INET) {
		memcpy(&four.sin_addr, address->bytes, sizeof(four.sin_addr));
		r = bind(fd, (const struct sockaddr *)&four, sizeof(four));
	} else {
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &(int){ 1 }, sizeof(int));
		memcpy(&six.sin6_addr, address->bytes, sizeof(six.sin6_addr));
		r = bind(fd, (const struct sockaddr *)&six, sizeof(six));
	}
	if (r < 0)
		return -errno;
	return type == SOCK_STREAM && listen(fd, 1) < 0 ? -errno : 0;
}

static int fail_port(const struct port *port, uint16_t number, int r)
{
	const char *protocol = port->protocol == IPPROTO_UDP ? "udp" : "tcp";
	char text[IP_TEXT_ROOM];

	if (r == -EACCES)
		return fail_plain(r,
				  "cannot forward the port '%s:%u': without root none this low can "
				  "be taken (use a higher one, or have root set the sysctl "
				  "net.ipv4.ip_unprivileged_port_start to %u)",
				  protocol, number, number);
	if (r == -EADDRINUSE)
		return fail_plain(r,
				  "cannot forward the port '%s:%u': somebody else on the host has "
				  "it",
				  protocol, number);
	if (r == -EADDRNOTAVAIL)
		return fail_plain(r,
				  "cannot forward the port '%s:%u': the host has no address '%s'",
				  protocol, number, ip_text(text, &port->address));
	return fail(r, "cannot forward the port '%s:%u'", protocol, number);
}

static int await_port(const struct port *port, const struct ip *address, uint16_t number,
		      int *patience_ms)
{
	int r;

	while ((r = try_port(port, address, number)) == -EADDRINUSE && *patience_ms > 0) {
		(void)poll(NULL, 0, PORT_TRY_MS);
		*patience_ms -= PORT_TRY_MS;
	}
	return r < 0 ? fail_port(port, number, r) : 0;
}

static int check_port(const struct userspace_wish *wish, const struct port *port, uint16_t number,
		      int *patience_ms)
{
	static const int families[] = { AF_INET, AF_INET6 };

	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		struct ip any = { .family = families[i] };
		int r = 0;

		if (port->address.family == families[i])
			r = await_port(port, &port->address, number, patience_ms);
		else if (port->address.family == 0 && wish->guest[i].ip.family != 0)
			r = await_port(port, &any, number, patience_ms);
		if (r < 0)
			return r;
	}
	return 0;
}

int userspace_check_ports(const struct userspace_wish *wish)
{
	int patience_ms = PORT_PATIENCE_MS;

	for (size_t i = 0; i < wish->port_count; i++) {
		const struct port *port = &wish->ports[i];
		unsigned int count = MAX(port->count, 1);

		for (unsigned int n = 0; n < count; n++) {
			int r = check_port(wish, port, (uint16_t)(port->host + n), &patience_ms);

			if (r < 0)
				return r;
		}
	}
	return 0;
}

/* ---- its process ---- */

/* The supervisor's terminal is not its own, and nobody there shall end it. */
static _Noreturn void become(const struct userspace_wish *wish, char **arguments, int gate,
			     int output, pid_t parent)
{
	static char *const nothing[] = { NULL };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	char byte;

	process_reset_signals();
	(void)setsid();
	if (!wish->outlives &&
	    (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || getppid() != parent))
		_exit(1);
	if (read(gate, &byte, 1) != 1)
		_exit(1);
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0 ||
	    dup2(output, STDERR_FILENO) < 0)
		_exit(1);
	(void)fd_close_all(3, NULL, 0);
	execve(wish->program, arguments, nothing);
	dprintf(STDERR_FILENO, "cannot run '%s': %s\n", wish->program, strerror(errno));
	_exit(127);
}

/* Nobody may be held up by what is not read. */
static int open_output(int ends[2])
{
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return fail(-errno, "cannot make a pipe");
	return 0;
}

int userspace_start(struct arena *arena, struct userspace *ret, const struct userspace_wish *wish)
{
	struct userspace userspace = USERSPACE_EMPTY;
	autoclose int output = -EBADF, gate = -EBADF;
	struct text_list arguments = { 0 };
	pid_t self = getpid();
	int ends[2], r;

	r = open_output(ends);
	if (r < 0)
		return r;
	userspace.words_fd = ends[0];
	output = ends[1];
	if (pipe2(ends, O_CLOEXEC) < 0) {
		r = fail(-errno, "cannot make a pipe");
		userspace_end(&userspace, NULL);
		return r;
	}
	gate = ends[0];
	userspace.gate_fd = ends[1];
	userspace_arguments(arena, &arguments, wish);
	userspace.pid = process_clone(0, -EBADF, &userspace.pidfd);
	if (userspace.pid == 0) {
		fd_close(&userspace.gate_fd);
		become(wish, arguments.items, gate, output, self);
	}
	r = userspace.pid < 0 ? userspace.pid : process_start_time(userspace.pid, &userspace.start);
	if (r < 0) {
		fail(r, "cannot make a process for '%s'", USERSPACE_PROGRAM);
		userspace_end(&userspace, NULL);
		return r;
	}
	*ret = userspace;
	return 0;
}

/* ---- what it says ---- */

/* Its number alone says that it is ready. Some lines begin with a time. */
static void take_line(struct userspace *userspace)
{
	const char *line = userspace->line, *colon;
	uint32_t number;

	userspace->line[userspace->length] = '\0';
	userspace->length = 0;
	if (parse_u32(&number, line) >= 0 && number == (uint32_t)userspace->pid) {
		userspace->ready = true;
		return;
	}
	colon = strstr(line, ": ");
	if (colon != NULL && (size_t)(colon - line) == strspn(line, "0123456789."))
		line = colon + 2;
	if (*line != '\0')
		memmove(userspace->words, line, strlen(line) + 1);
}

/* 0: the other end is closed. 1: more may come. */
static int listen_to(struct userspace *userspace)
{
	char bytes[512];
	ssize_t n;

	for (;;) {
		n = read(userspace->words_fd, bytes, sizeof(bytes));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 && errno == EAGAIN;
		for (ssize_t i = 0; i < n; i++) {
			unsigned char c = (unsigned char)bytes[i];

			if (c == '\n')
				take_line(userspace);
			else if (userspace->length < sizeof(userspace->line) - 1)
				userspace->line[userspace->length++] = c < ' ' ? ' ' : (char)c;
		}
	}
}

const char *userspace_words(struct userspace *userspace)
{
	if (userspace->words_fd >= 0)
		(void)listen_to(userspace);
	if (userspace->length > 0)
		take_line(userspace);
	return userspace->words;
}

int userspace_release(struct userspace *userspace)
{
	int r = write(userspace->gate_fd, "g", 1) == 1 ? 0 : -errno;

	fd_close(&userspace->gate_fd);
	return r < 0 ? fail(r, "cannot let '%s' go on", USERSPACE_PROGRAM) : 0;
}

static int fail_ended(struct userspace *userspace)
{
	const char *words = userspace_words(userspace);

	if (access(TUN, R_OK | W_OK) < 0)
		return fail_plain(-errno,
				  "cannot make a network for the container: '%s' needs %s, which "
				  "cannot be opened here (as root: 'modprobe tun; chmod 666 %s')",
				  USERSPACE_PROGRAM, TUN, TUN);
	if (*words == '\0')
		return fail_plain(-EIO, "cannot make a network for the container: '%s' has ended",
				  USERSPACE_PROGRAM);
	return fail_plain(-EIO, "cannot make a network for the container: '%s' says '%s'",
			  USERSPACE_PROGRAM, words);
}

int userspace_await(struct userspace *userspace)
{
	const uint64_t deadline_us = clock_monotonic_us() + PATIENCE_US;
	struct pollfd poll_ = { .fd = userspace->words_fd, .events = POLLIN };

	for (;;) {
		uint64_t now = clock_monotonic_us();
		int more = listen_to(userspace);

		if (userspace->ready)
			return 0;
		if (!more)
			return fail_ended(userspace);
		if (now >= deadline_us)
			return fail_plain(-ETIMEDOUT,
					  "cannot make a network for the container: '%s' does not "
					  "get ready",
					  USERSPACE_PROGRAM);
		if (poll(&poll_, 1, (int)((deadline_us - now) / 1000 + 1)) < 0 && errno != EINTR)
			return fail(-errno, "cannot wait for '%s'", USERSPACE_PROGRAM);
	}
}

void userspace_take_over(struct userspace *ret, pid_t pid, uint64_t start)
{
	struct userspace userspace = USERSPACE_EMPTY;
	uint64_t now;

	if (pid <= 0)
		return;
	userspace.pid = pid;
	userspace.start = start;
	userspace.pidfd = sys_pidfd_open(pid, 0);
	/* Asked after it was opened: if it is the one that was noted, so is what the pidfd is of.
	 */
	if (userspace.pidfd >= 0 && process_start_time(pid, &now) >= 0 && now == start)
		*ret = userspace;
	else
		fd_close(&userspace.pidfd);
}

void userspace_end(struct userspace *userspace, int *ret_leaving)
{
	siginfo_t info;

	fd_close(&userspace->gate_fd);
	if (userspace->pidfd >= 0) {
		(void)process_signal(userspace->pidfd, SIGKILL);
		/* If an earlier supervisor made it, it is not ours to reap. */
		if (process_wait(userspace->pidfd, &info, ret_leaving ? WNOHANG : 0) == -EAGAIN)
			*ret_leaving = take_fd(&userspace->pidfd);
	}
	fd_close(&userspace->pidfd);
	fd_close(&userspace->words_fd);
	userspace->pid = 0;
}
