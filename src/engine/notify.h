/* engine/notify - readiness, up to the service manager and down from PID 1.
 *
 * Up: $NOTIFY_SOCKET of the supervisor. Down: the socket that the container
 * sees as /run/host/notify; only READY=1 and STATUS= of its PID 1 count
 * (reference 11.3, class S40). Runs in: supervisor. Quiet: a service manager
 * that does not listen is nobody's failure.
 */
#pragma once
#include <stdbool.h>
#include <sys/types.h>

/* Send MESSAGE to SOCKET (a path, or "@name" for an abstract one); NULL: nobody asked. */
void notify_send(const char *socket, const char *message);

struct notify_message {
	bool ready;
	char status[256]; /* "" : none */
};

/* Read one datagram. 1: from LEADER; 0: nothing, or not from LEADER; descriptors that came along
 * are closed. */
int notify_receive(int fd, pid_t leader, struct notify_message *ret);
