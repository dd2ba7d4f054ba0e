/* TCP as fast as it goes. "stream serve ADDRESS PORT": says "ready" when it listens, and answers
 * each connection, when it has ended, with the number of bytes it brought. "stream send ADDRESS
 * PORT MILLISECONDS": prints MiB/s, from the first byte to that answer. */
#include <arpa/inet.h>
#include <errno.h>
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
	struct sockaddr_in address = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	if (argc < 4 || inet_pton(AF_INET, argv[2], &address.sin_addr) != 1)
		return 2;
	address.sin_port = htons((unsigned short)atoi(argv[3]));
	if (strcmp(argv[1], "serve") == 0) {
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		check(bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0, "bind");
		check(listen(fd, 8) == 0, "listen");
		serve(fd);
	}
	check(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0, "connect");
	return argc > 4 ? transmit(fd, atoi(argv[4])) : 2;
}
