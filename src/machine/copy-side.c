#include "machine/copy-side.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/text.h"
#include "io/fd.h"

union control {
	struct cmsghdr header; /* for its alignment */
	char room[CMSG_SPACE(sizeof(int))];
};

int copy_stopped(const struct copy_side *side)
{
	/* The caller may have been killed: then nobody waits for us any more. */
	if (!side->shared->stop && getppid() == side->caller)
		return 0;
	return fail_plain(-EINTR, "stopped; what was complete until then is there");
}

int copy_send(const struct copy_side *side, const struct copy_item *item, const void *data, int fd)
{
	struct iovec parts[] = {
		{ (void *)item, sizeof(*item) },
		{ (void *)data, item->data_size },
	};
	int r = fd_send_parts(side->channel, parts, item->data_size > 0 ? 2 : 1, &fd, fd >= 0);

	if (r == -EPIPE || r == -ECONNRESET)
		return COPY_OTHER_FAILED;
	return r < 0 ? fail(r, "cannot pass on '%s'", item->name) : 0;
}

static int take_descriptor(struct msghdr *message)
{
	const struct cmsghdr *header = CMSG_FIRSTHDR(message);
	int fd;

	if (header == NULL || header->cmsg_type != SCM_RIGHTS ||
	    header->cmsg_len != CMSG_LEN(sizeof(int)))
		return -EBADF;
	memcpy(&fd, CMSG_DATA(header), sizeof(int));
	return fd;
}

int copy_receive(const struct copy_side *side, struct copy_item *ret, void *data, int *ret_fd)
{
	struct iovec parts[] = { { ret, sizeof(*ret) }, { data, COPY_DATA_MAX } };
	union control control = { 0 };
	struct msghdr message = {
		.msg_iov = parts,
		.msg_iovlen = 2,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t size;

	do
		size = recvmsg(side->channel, &message, MSG_CMSG_CLOEXEC);
	while (size < 0 && errno == EINTR);
	if (size == 0)
		return COPY_OTHER_FAILED;
	if (size < 0)
		return errno == ECONNRESET ? COPY_OTHER_FAILED
					   : fail(-errno, "cannot hear of the next file");
	*ret_fd = take_descriptor(&message);
	ret->name[COPY_NAME_ROOM - 1] = '\0';
	return 0;
}

/* ---- where we are ---- */

#define MORE "/…"

static void append(struct copy_path *path, const char *name)
{
	size_t used = strlen(path->text);
	bool slash = used > 0 && path->text[used - 1] == '/';

	snprintf(path->text + used, sizeof(path->text) - used, "%s%s", slash ? "" : "/", name);
}

void copy_path_begin(struct copy_path *path, const struct copy_side *side)
{
	snprintf(path->text, sizeof(path->text) - COPY_NAME_ROOM - sizeof(MORE), "%s", side->path);
}

void copy_path_enter(struct copy_path *path, const char *name)
{
	const size_t room = sizeof(path->text) - COPY_NAME_ROOM - sizeof(MORE);

	if (text_ends(path->text, MORE))
		return;
	append(path, strlen(path->text) + strlen(name) + 1 < room ? name : "…");
}

const char *copy_path_end(struct copy_path *path, const char *name)
{
	append(path, name);
	return path->text;
}
