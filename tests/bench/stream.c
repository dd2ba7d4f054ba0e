/* TCP as fast as it goes. "stream serve ADDRESS PORT": says "ready" when it listens, and answers
 * each connection, when it has ended, with the number of bytes it brought. "stream send ADDRESS
 * PORT MILLISECONDS": prints MiB/s, from the first byte to that answer. "stream pass ADDRESS PORT
 * TO PORT": passes connections on to TO, one after the other, as fast as splice(2) goes; says
 * "ready". */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static char bytes[256 * 1024];

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void check(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "stream: %s: %s\n", what, strerror(errno));
	exit(1);
}

static _Noreturn void serve(int listener)
{
	puts("ready");
	fflush(stdout);
	for (;;) {
		int fd = accept(listener, NULL, NULL);
		unsigned long long total = 0;
		ssize_t size;

		check(fd >= 0, "accept");
		while ((size = read(fd, bytes, sizeof(bytes))) > 0)
			total += (unsigned long long)size;
		dprintf(fd, "%llu\n", total);
		close(fd);
	}
}

static void move(int from, int to)
{
	int ends[2];
	ssize_t size;

	check(pipe(ends) == 0, "pipe");
	(void)fcntl(ends[1], F_SETPIPE_SZ, 256 * 1024);
	while ((size = splice(from, NULL, ends[1], NULL, 256 * 1024, SPLICE_F_MOVE)) > 0)
		while (size > 0) {
			ssize_t moved = splice(ends[0], NULL, to, NULL, (size_t)size,
					       SPLICE_F_MOVE);

			check(moved > 0, "splice");
			size -= moved;
		}
	shutdown(to, SHUT_WR);
	close(ends[0]);
	close(ends[1]);
}

static _Noreturn void pass(int listener, const struct sockaddr_in *to)
{
	puts("ready");
	fflush(stdout);
	for (;;) {
		int fd = accept(listener, NULL, NULL), other = socket(AF_INET, SOCK_STREAM, 0);

		check(fd >= 0, "accept");
		check(connect(other, (const struct sockaddr *)to, sizeof(*to)) == 0, "connect");
		move(fd, other);
		move(other, fd);
		close(fd);
		close(other);
	}
}

static int transmit(int fd, int milliseconds)
{
	double start = now(), end = start + milliseconds / 1e3;
	unsigned long long sent = 0;
	char answer[32] = "";

	while (now() < end) {
		ssize_t size = write(fd, bytes, sizeof(bytes));

		check(size > 0, "write");
		sent += (unsigned long long)size;
	}
	shutdown(fd, SHUT_WR);
	check(read(fd, answer, sizeof(answer) - 1) > 0, "read");
	if (strtoull(answer, NULL, 10) != sent) {
		fprintf(stderr, "stream: %llu bytes were sent, %s arrived\n", sent, answer);
		return 1;
	}
	printf("%.1f\n", (double)sent / (now() - start) / (1 << 20));
	return 0;
}

int main(int argc, char *argv[])
{
	struct sockaddr_in address = { .sin_family = AF_INET }, to = address;
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	if (argc < 4 || inet_pton(AF_INET, argv[2], &address.sin_addr) != 1)
		return 2;
	address.sin_port = htons((unsigned short)atoi(argv[3]));
	if (strcmp(argv[1], "pass") == 0 && argc > 5) {
		to.sin_port = htons((unsigned short)atoi(argv[5]));
		if (inet_pton(AF_INET, argv[4], &to.sin_addr) != 1)
			return 2;
	}
	if (strcmp(argv[1], "serve") == 0 || strcmp(argv[1], "pass") == 0) {
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		check(bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0, "bind");
		check(listen(fd, 8) == 0, "listen");
		if (to.sin_port != 0)
			pass(fd, &to);
		serve(fd);
	}
	check(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0, "connect");
	return argc > 4 ? transmit(fd, atoi(argv[4])) : 2;
}
