#include "kernel/later.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/fd.h"
#include "kernel/link.h"
#include "kernel/netlink.h"
#include "kernel/process.h"

#define ROOM (16 * 1024)

struct request {
	struct nlmsghdr header;
	struct ifinfomsg body;
};

/* Lies below the stack of who does it, and is never freed: that is up to the end of both. */
struct task {
	struct request requests[LATER_MAX];
	size_t size; /* of those that there are */
	int route, end, keep[LATER_MAX + 2];
	size_t keep_count;
	char byte, *top;
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

	/* All at once: the kernel goes through them whatever signal comes. */
	if (task->size > 0)
		(void)send(task->route, task->requests, task->size, 0);
	return read(task->end, &task->byte, 1) < 0;
}

/* Nothing else of ours may stay open meanwhile: locks, pipes that somebody reads to their end. When
 * this process has gone, nothing is; and who works is nobody's child. */
static int leave(void *task_)
{
	struct task *task = task_;

	if (fd_close_all(0, task->keep, task->keep_count) < 0)
		return 1;
	return clone(work, task->top, CLONE_VM | SIGCHLD, task) < 0;
}

static struct task *make_task(const struct later *later, int route, int end)
{
	char *room = mmap(NULL, ROOM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct task *task = (struct task *)room;

	if (room == MAP_FAILED)
		return NULL;
	task->route = route;
	task->end = end;
	task->top = room + ROOM;
	for (size_t i = 0; i < later->fd_count; i++)
		task->keep[task->keep_count++] = later->fds[i];
	task->keep[task->keep_count++] = route;
	task->keep[task->keep_count++] = end;
	for (size_t i = 0; i < later->link_count; i++)
		task->requests[i] = (struct request){
			.header = { .nlmsg_len = sizeof(struct request),
				    .nlmsg_type = RTM_DELLINK,
				    .nlmsg_flags = NLM_F_REQUEST },
			.body = { .ifi_index = later->links[i] },
		};
	task->size = later->link_count * sizeof(struct request);
	return task;
}

/* No handler of the caller's may run in its memory, but without its descriptors. */
static bool hand_over(struct task *task)
{
	sigset_t all, before;
	int status = -1;
	pid_t pid;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	pid = process_spawn(leave, task, 0);
	if (pid > 0)
		(void)waitpid(pid, &status, 0);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return status == 0;
}

void later_go(struct later *later)
{
	autonetlink struct netlink route = NETLINK_EMPTY;
	autoclose int reader = -EBADF, writer = -EBADF;
	struct task *task = NULL;
	int ends[2];

	if (later->fd_count == 0 && later->link_count == 0)
		return;
	if (later->link_count > 0)
		(void)netlink_open(&route, NETLINK_ROUTE);
	if (pipe2(ends, O_CLOEXEC) == 0) {
		reader = ends[0];
		writer = ends[1];
		task = make_task(later, route.fd, reader);
	}
	/* Else it is done here, and takes its time. */
	if (task == NULL || !hand_over(task))
		for (size_t i = 0; i < later->link_count; i++)
			(void)link_delete(&route, later->links[i]);
	netlink_close(&route);
	for (size_t i = 0; i < later->fd_count; i++)
		fd_close(&later->fds[i]);
	/* The pipe last: for that the other one waits. */
	*later = (struct later){ 0 };
}
