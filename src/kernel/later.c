#include "kernel/later.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/fd.h"
#include "kernel/link.h"
#include "kernel/netlink.h"
#include "kernel/process.h"

#define ROOM (16 * 1024)

/* Lies below the stack of who does it, and is never freed: that is up to the end of both. */
struct task {
	struct later later;
	struct {
		struct nlmsghdr header;
		struct ifinfomsg body;
	} request;
	int route, end, keep[LATER_MAX + 2];
	char *top;
};

void later_close(struct later *later, int *fd)
{
	if (later == NULL || later->fd_count == LATER_MAX)
		fd_close(fd);
	else if (*fd >= 0)
		later->fds[later->fd_count++] = take_fd(fd);
}

void later_delete_link(struct later *later, int index)
{
	autonetlink struct netlink netlink = NETLINK_EMPTY;

	if (later != NULL && later->link_count < LATER_MAX)
		later->links[later->link_count++] = index;
	else if (netlink_open(&netlink, NETLINK_ROUTE) >= 0)
		(void)link_delete(&netlink, index);
}

/* The caller runs meanwhile, in the same memory: nothing here may allocate or fail, since errno is
 * the caller's too. Failures are in answers that nobody reads. The last to close the descriptors is
 * this process, so it waits for the end of a pipe that the caller closes after them. */
static int work(void *task_)
{
	struct task *task = task_;
	char byte;

	for (size_t i = 0; i < task->later.link_count; i++) {
		task->request.body.ifi_index = task->later.links[i];
		if (send(task->route, &task->request, sizeof(task->request), 0) < 0)
			break;
	}
	return read(task->end, &byte, 1) < 0;
}

/* Nothing else of ours may stay open meanwhile: locks, pipes that somebody reads to their end. When
 * this process has gone, nothing is; and who works is nobody's child. */
static int leave(void *task_)
{
	struct task *task = task_;
	sigset_t all;

	memcpy(task->keep, task->later.fds, sizeof(task->later.fds));
	task->keep[task->later.fd_count] = task->route;
	task->keep[task->later.fd_count + 1] = task->end;
	(void)fd_close_all(0, task->keep, task->later.fd_count + 2);
	sigfillset(&all); /* a handler would be the caller's */
	sigprocmask(SIG_SETMASK, &all, NULL);
	return clone(work, task->top, CLONE_VM | SIGCHLD, task) < 0;
}

static struct task *make_task(const struct later *later, int route, int end)
{
	char *room = mmap(NULL, ROOM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct task *task = (struct task *)room;

	if (room == MAP_FAILED)
		return NULL;
	*task = (struct task){
		.later = *later,
		.route = route,
		.end = end,
		.top = room + ROOM,
		.request.header = { .nlmsg_len = sizeof(task->request),
				    .nlmsg_type = RTM_DELLINK,
				    .nlmsg_flags = NLM_F_REQUEST },
	};
	return task;
}

void later_go(struct later *later)
{
	autonetlink struct netlink route = NETLINK_EMPTY;
	autoclose int reader = -EBADF, writer = -EBADF;
	struct task *task;
	int ends[2];
	pid_t pid;

	if (later->fd_count == 0 && later->link_count == 0)
		return;
	if (later->link_count > 0 && netlink_open(&route, NETLINK_ROUTE) < 0)
		later->link_count = 0;
	if (pipe2(ends, O_CLOEXEC) == 0) {
		reader = ends[0];
		writer = ends[1];
		task = make_task(later, route.fd, reader);
		pid = task == NULL ? -ENOMEM : process_spawn(leave, task, 0);
		if (pid > 0)
			(void)waitpid(pid, NULL, 0);
	}
	netlink_close(&route);
	for (size_t i = 0; i < later->fd_count; i++)
		fd_close(&later->fds[i]);
	/* The pipe last: for that the other one waits. */
	*later = (struct later){ 0 };
}
