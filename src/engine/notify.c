#include "engine/notify.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "io/fd.h"

#define DATAGRAM_MAX 4096

void notify_send(const char *name, const char *message)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval patience = { .tv_usec = 500000 };
	autoclose int fd = -EBADF;
	size_t length;

	if (name == NULL || (name[0] != '/' && name[0] != '@'))
		return;
	length = strlen(name);
	if (length >= sizeof(address.sun_path))
		return;
	memcpy(address.sun_path, name, length);
	if (name[0] == '@')
		address.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	/* A manager that does not read holds us up for a moment only. */
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (sendto(fd, message, strlen(message), MSG_NOSIGNAL, (struct sockaddr *)&address,
		   (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)) < 0)
		return;
}

static void parse(struct notify_message *message, char *text)
{
	char *rest = NULL;

	for (char *line = strtok_r(text, "\n", &rest); line != NULL;
	     line = strtok_r(NULL, "\n", &rest)) {
		if (strcmp(line, "READY=1") == 0) {
			message->ready = true;
		} else if (strncmp(line, "STATUS=", 7) == 0) {
			size_t length = strnlen(line + 7, sizeof(message->status) - 1);

			memcpy(message->status, line + 7, length);
			message->status[length] = '\0';
		}
	}
}

int notify_receive(int fd, pid_t leader, struct notify_message *ret)
{
	struct notify_message message = { 0 };
	char text[DATAGRAM_MAX + 1];
	pid_t sender;
	ssize_t n = fd_hear(fd, text, DATAGRAM_MAX, MSG_DONTWAIT, &sender);

	if (n < 0 || sender != leader)
		return 0;
	text[n] = '\0';
	parse(&message, text);
	*ret = message;
	return 1;
}
