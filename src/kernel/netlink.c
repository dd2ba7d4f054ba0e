#include "kernel/netlink.h"

#include <endian.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/fd.h"
#include "kernel/namespace.h"
#include "kernel/process.h"

#define ANSWER_ROOM (32 * 1024) /* the kernel makes no larger pieces of a dump */
#define STRANGERS_MAX 4096	/* datagrams that are not an answer to this request */

/* ---- sockets ---- */

int netlink_open_plain(struct netlink *ret, int protocol)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);

	if (fd < 0)
		return -errno;
	*ret = (struct netlink){ .fd = fd };
	return 0;
}

int netlink_open(struct netlink *ret, int protocol)
{
	int r = netlink_open_plain(ret, protocol), on = 1;

	if (r < 0)
		return r;
	/* Each makes answers better or shorter; an old kernel does without. */
	(void)setsockopt(ret->fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	(void)setsockopt(ret->fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	if (protocol == NETLINK_ROUTE) /* else a dump is not restricted to what was asked for */
		(void)setsockopt(ret->fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
	return 0;
}

static _Noreturn void send_from_there(int socket, int protocol, int netns_fd)
{
	struct netlink there = NETLINK_EMPTY;
	int r = namespace_join(netns_fd, CLONE_NEWNET), owner;

	if (r == -EPERM) {
		owner = ioctl(netns_fd, NS_GET_USERNS);
		r = owner < 0 ? -errno : namespace_join(owner, CLONE_NEWUSER);
		if (r >= 0)
			r = namespace_join(netns_fd, CLONE_NEWNET);
	}
	if (r >= 0)
		r = netlink_open(&there, protocol);
	if (r >= 0)
		r = fd_send(socket, &there.fd, 1);
	_exit(r < 0 ? -r : 0);
}

static int open_by_child(struct netlink *ret, int protocol, int netns_fd)
{
	autoclose int ours = -EBADF, theirs = -EBADF, pidfd = -EBADF;
	int pair[2], fd = -EBADF, r;
	siginfo_t info;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	ours = pair[0];
	theirs = pair[1];
	pid = process_clone(0, -EBADF, &pidfd);
	if (pid == 0)
		send_from_there(theirs, protocol, netns_fd);
	if (pid < 0)
		return pid;
	fd_close(&theirs);
	r = fd_receive(ours, &fd, 1);
	if (process_wait(pidfd, &info, 0) >= 0 && info.si_code == CLD_EXITED && info.si_status != 0)
		r = -info.si_status;
	if (r == 1)
		*ret = (struct netlink){ .fd = fd };
	return r == 1 ? 0 : MIN(r, -1);
}

int netlink_open_in(struct netlink *ret, int protocol, int netns_fd)
{
	struct netlink there = NETLINK_EMPTY;
	autoclose int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	int r, back;

	if (home < 0)
		return -errno;
	if (namespace_join(home, CLONE_NEWNET) < 0)
		return open_by_child(ret, protocol, netns_fd);
	r = namespace_join(netns_fd, CLONE_NEWNET);
	if (r < 0)
		return r;
	r = netlink_open(&there, protocol);
	back = namespace_join(home, CLONE_NEWNET);
	if (back < 0)
		netlink_close(&there);
	if (r < 0 || back < 0)
		return back < 0 ? back : r;
	*ret = there;
	return 0;
}

void netlink_close(struct netlink *netlink)
{
	fd_close(&netlink->fd);
}

/* ---- requests ---- */

struct netlink_request netlink_request(void *room, size_t size)
{
	return (struct netlink_request){ .bytes = room, .room = size };
}

/* SIZE bytes more of the last message, zeroed, and filled up to four; NULL: there is no room. */
static unsigned char *more(struct netlink_request *request, size_t size)
{
	unsigned char *at = request->bytes + request->used;
	size_t whole = NLMSG_ALIGN(size);
	uint32_t length;

	if (request->overflow || whole < size || whole > request->room - request->used) {
		request->overflow = true;
		return NULL;
	}
	memset(at, 0, whole);
	request->used += whole;
	length = (uint32_t)(request->used - request->message);
	memcpy(request->bytes + request->message, &length, sizeof(length));
	return at;
}

void netlink_append(struct netlink_request *request, const void *data, size_t size)
{
	unsigned char *at = size > 0 ? more(request, size) : NULL;

	if (at)
		memcpy(at, data, size);
}

void netlink_begin(struct netlink_request *request, unsigned int type, unsigned int flags,
		   const void *body, size_t size)
{
	struct nlmsghdr header = { .nlmsg_len = sizeof(header),
				   .nlmsg_type = (uint16_t)type,
				   .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags) };

	request->message = request->used;
	request->count++;
	netlink_append(request, &header, sizeof(header));
	netlink_append(request, body, size);
}

void netlink_put(struct netlink_request *request, unsigned int type, const void *data, size_t size)
{
	struct nlattr header = { .nla_len = (uint16_t)(NLA_HDRLEN + size),
				 .nla_type = (uint16_t)type };

	if (size > UINT16_MAX - NLA_HDRLEN)
		request->overflow = true;
	netlink_append(request, &header, sizeof(header));
	netlink_append(request, data, size);
}

void netlink_put_u8(struct netlink_request *request, unsigned int type, uint8_t value)
{
	netlink_put(request, type, &value, sizeof(value));
}

void netlink_put_u16(struct netlink_request *request, unsigned int type, uint16_t value)
{
	netlink_put(request, type, &value, sizeof(value));
}

void netlink_put_u32(struct netlink_request *request, unsigned int type, uint32_t value)
{
	netlink_put(request, type, &value, sizeof(value));
}

void netlink_put_u64(struct netlink_request *request, unsigned int type, uint64_t value)
{
	netlink_put(request, type, &value, sizeof(value));
}

void netlink_put_be16(struct netlink_request *request, unsigned int type, uint16_t value)
{
	netlink_put_u16(request, type, htobe16(value));
}

void netlink_put_be32(struct netlink_request *request, unsigned int type, uint32_t value)
{
	netlink_put_u32(request, type, htobe32(value));
}

void netlink_put_be64(struct netlink_request *request, unsigned int type, uint64_t value)
{
	netlink_put_u64(request, type, htobe64(value));
}

void netlink_put_text(struct netlink_request *request, unsigned int type, const char *text)
{
	netlink_put(request, type, text, strlen(text) + 1);
}

size_t netlink_nest(struct netlink_request *request, unsigned int type)
{
	size_t nest = request->used;

	netlink_put(request, type | NLA_F_NESTED, NULL, 0);
	return nest;
}

void netlink_nest_end(struct netlink_request *request, size_t nest)
{
	size_t length = request->used - nest;
	uint16_t length_field = (uint16_t)length;

	if (length > UINT16_MAX)
		request->overflow = true;
	if (!request->overflow)
		memcpy(request->bytes + nest, &length_field, sizeof(length_field));
}

/* ---- reading ---- */

int netlink_take(struct netlink_reader *reader, void *ret, size_t size)
{
	if (size > reader->size)
		return -EBADMSG;
	memcpy(ret, reader->bytes, size);
	/* The last of all need not be filled up. */
	size = MIN(NLMSG_ALIGN(size), reader->size);
	reader->bytes += size;
	reader->size -= size;
	return 0;
}

/* What has a header of HEADER bytes and says to be LENGTH long, header included. */
static bool take_piece(struct netlink_reader *reader, struct netlink_reader *ret, size_t header,
		       size_t length)
{
	if (length < header || length > reader->size)
		return false;
	*ret = (struct netlink_reader){ .bytes = reader->bytes + header, .size = length - header };
	length = MIN(NLMSG_ALIGN(length), reader->size);
	reader->bytes += length;
	reader->size -= length;
	return true;
}

bool netlink_next(struct netlink_reader *reader, struct netlink_attribute *ret)
{
	struct nlattr header;

	if (reader->size < sizeof(header))
		return false;
	memcpy(&header, reader->bytes, sizeof(header));
	if (!take_piece(reader, &ret->value, sizeof(header), header.nla_len))
		return false;
	ret->type = header.nla_type & NLA_TYPE_MASK;
	return true;
}

bool netlink_next_message(struct netlink_reader *datagram, struct netlink_message *ret)
{
	struct nlmsghdr header;

	if (datagram->size < sizeof(header))
		return false;
	memcpy(&header, datagram->bytes, sizeof(header));
	if (!take_piece(datagram, &ret->body, sizeof(header), header.nlmsg_len))
		return false;
	ret->type = header.nlmsg_type;
	ret->flags = header.nlmsg_flags;
	ret->sequence = header.nlmsg_seq;
	return true;
}

static void number(const struct netlink_attribute *attribute, void *value, size_t size)
{
	if (attribute->value.size >= size)
		memcpy(value, attribute->value.bytes, size);
}

uint8_t netlink_u8(const struct netlink_attribute *attribute)
{
	uint8_t value = 0;

	number(attribute, &value, sizeof(value));
	return value;
}

uint16_t netlink_u16(const struct netlink_attribute *attribute)
{
	uint16_t value = 0;

	number(attribute, &value, sizeof(value));
	return value;
}

uint32_t netlink_u32(const struct netlink_attribute *attribute)
{
	uint32_t value = 0;

	number(attribute, &value, sizeof(value));
	return value;
}

uint64_t netlink_u64(const struct netlink_attribute *attribute)
{
	uint64_t value = 0;

	number(attribute, &value, sizeof(value));
	return value;
}

uint16_t netlink_be16(const struct netlink_attribute *attribute)
{
	return be16toh(netlink_u16(attribute));
}

uint32_t netlink_be32(const struct netlink_attribute *attribute)
{
	return be32toh(netlink_u32(attribute));
}

uint64_t netlink_be64(const struct netlink_attribute *attribute)
{
	return be64toh(netlink_u64(attribute));
}

bool netlink_text(const struct netlink_attribute *attribute, char *ret, size_t size)
{
	size_t length = strnlen((const char *)attribute->value.bytes, attribute->value.size);

	if (length >= size)
		return false;
	memcpy(ret, attribute->value.bytes, length);
	ret[length] = '\0';
	return true;
}

/* ---- sending ---- */

/* Number the messages; returns the number of the last one whose end is told. */
static uint32_t number_messages(struct netlink *netlink, struct netlink_request *request, bool dump)
{
	uint32_t acknowledged = netlink->sequence;
	struct nlmsghdr header;

	for (size_t at = 0; at < request->used; at += header.nlmsg_len) {
		memcpy(&header, request->bytes + at, sizeof(header));
		header.nlmsg_seq = ++netlink->sequence;
		if (dump)
			header.nlmsg_flags |= NLM_F_DUMP;
		memcpy(request->bytes + at, &header, sizeof(header));
		if (dump || header.nlmsg_flags & NLM_F_ACK)
			acknowledged = header.nlmsg_seq;
	}
	return acknowledged;
}

static int send_all(int fd, const struct netlink_request *request)
{
	int room = (int)MIN(2 * request->used, (size_t)INT32_MAX);

	if (send(fd, request->bytes, request->used, 0) >= 0)
		return 0;
	if (errno != EMSGSIZE)
		return -errno;
	/* Larger than what a socket may hold unless its owner is privileged. */
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)) < 0)
		return -EMSGSIZE;
	return send(fd, request->bytes, request->used, 0) < 0 ? -errno : 0;
}

struct wait {
	struct netlink *netlink;
	uint32_t first;	       /* the request's first message */
	uint32_t acknowledged; /* its last one with NLM_F_ACK; of a dump: the only one */
	bool dump, interrupted;
	int stopped; /* what the callback said when it had enough of a dump */
	netlink_answer_fn *fn;
	void *context;
};

/* The kernel's words stand behind the code, and behind the message that failed unless that was
 * left out. */
static void note_reason(struct netlink *netlink, const struct netlink_message *message,
			struct netlink_reader rest)
{
	struct netlink_attribute attribute;
	struct nlmsghdr failed;

	if ((message->flags & NLM_F_ACK_TLVS) == 0 ||
	    netlink_take(&rest, &failed, sizeof(failed)) < 0)
		return;
	if ((message->flags & NLM_F_CAPPED) == 0) {
		size_t skip = NLMSG_ALIGN(MAX(failed.nlmsg_len, sizeof(failed)) - sizeof(failed));

		if (skip > rest.size)
			return;
		rest.bytes += skip;
		rest.size -= skip;
	}
	while (netlink_next(&rest, &attribute))
		if (attribute.type == NLMSGERR_ATTR_MSG)
			(void)netlink_text(&attribute, netlink->reason, sizeof(netlink->reason));
}

/* 1: that was the last answer. */
static int take_code(struct wait *wait, const struct netlink_message *message)
{
	struct netlink_reader rest = message->body;
	int32_t code;

	if (netlink_take(&rest, &code, sizeof(code)) < 0)
		return -EBADMSG;
	if (code < 0) {
		wait->netlink->failed = message->sequence - wait->first;
		note_reason(wait->netlink, message, rest);
		return code;
	}
	return message->sequence == wait->acknowledged;
}

/* The end of a dump has a code as well. */
static int take_end(struct wait *wait, const struct netlink_message *message)
{
	int r = message->body.size >= sizeof(int32_t) ? take_code(wait, message) : 1;

	if (r > 0 && wait->stopped != 0)
		return wait->stopped;
	return r > 0 && wait->interrupted ? -EAGAIN : r;
}

/* A dump goes on in the kernel until its last answer was read, and there is no other one on the
 * same socket meanwhile (-EBUSY). */
static int give(struct wait *wait, const struct netlink_answer *answer)
{
	int r = wait->fn == NULL || wait->stopped != 0 ? 0 : wait->fn(answer, wait->context);

	if (!wait->dump)
		return r;
	if (r != 0)
		wait->stopped = r;
	return 0;
}

static int take_message(struct wait *wait, const struct netlink_message *message)
{
	struct netlink_answer answer = { message->type, message->flags, message->body };

	/* Of an earlier call that ended with a failure, or at its callback's wish. */
	if (message->sequence - wait->first > wait->netlink->sequence - wait->first)
		return 0;
	if (message->flags & NLM_F_DUMP_INTR)
		wait->interrupted = true;
	switch (message->type) {
	case NLMSG_ERROR: return take_code(wait, message);
	case NLMSG_DONE: return take_end(wait, message);
	case NLMSG_NOOP: return 0;
	case NLMSG_OVERRUN: return -ENOBUFS;
	}
	return give(wait, &answer);
}

/* 1: the last answer was in it. 0: it was a stranger's, or there are more to come. */
static int take_datagram(struct wait *wait, const unsigned char *bytes, size_t size)
{
	struct netlink_reader datagram = { .bytes = bytes, .size = size };
	struct netlink_message message;
	int r = 0;

	while (r == 0 && netlink_next_message(&datagram, &message))
		r = take_message(wait, &message);
	return r;
}

/* The size of the next datagram of the kernel; 0: of another sender. */
static ssize_t receive(int fd, unsigned char *bytes, size_t size)
{
	struct sockaddr_nl from = {};
	struct iovec piece = { .iov_base = bytes, .iov_len = size };
	struct msghdr message = {
		.msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &piece, .msg_iovlen = 1
	};
	ssize_t got = recvmsg(fd, &message, MSG_DONTWAIT);

	if (got < 0)
		/* All answers are there when a request has been sent. */
		return errno == EAGAIN ? -ENOBUFS : -errno;
	if (from.nl_pid != 0)
		return 0;
	return message.msg_flags & MSG_TRUNC ? -EBADMSG : got;
}

static int take_answers(struct wait *wait)
{
	unsigned char bytes[ANSWER_ROOM];
	unsigned int strangers = 0;
	ssize_t size;
	int r = 0;

	while (r == 0) {
		size = receive(wait->netlink->fd, bytes, sizeof(bytes));
		if (size < 0)
			return (int)size;
		if (size == 0 && ++strangers > STRANGERS_MAX)
			return -ENOBUFS;
		r = take_datagram(wait, bytes, (size_t)size);
	}
	return r < 0 ? r : 0;
}

/* What else was answered would take the room of the next request's answers. */
static void forget_answers(int fd)
{
	unsigned char byte;

	for (unsigned int i = 0; i < STRANGERS_MAX; i++)
		if (recv(fd, &byte, sizeof(byte), MSG_DONTWAIT) < 0)
			return;
}

static int ask(struct netlink *netlink, struct netlink_request *request, struct wait *wait)
{
	int r;

	netlink->failed = 0;
	netlink->reason[0] = '\0';
	if (request->overflow)
		return -EMSGSIZE;
	if (request->count == 0)
		return 0;
	wait->netlink = netlink;
	wait->first = netlink->sequence + 1;
	wait->acknowledged = number_messages(netlink, request, wait->dump);
	r = send_all(netlink->fd, request);
	if (r < 0 || wait->acknowledged == wait->first - 1)
		return r;
	return take_answers(wait);
}

int netlink_call(struct netlink *netlink, struct netlink_request *request, netlink_answer_fn *fn,
		 void *context)
{
	struct wait wait = { .fn = fn, .context = context };
	int r = ask(netlink, request, &wait);

	if (r < 0 && netlink->fd >= 0)
		forget_answers(netlink->fd);
	return r;
}

int netlink_dump(struct netlink *netlink, struct netlink_request *request, netlink_answer_fn *fn,
		 void *context)
{
	struct wait wait = { .fn = fn, .context = context, .dump = true };

	return ask(netlink, request, &wait);
}

/* ---- being told ---- */

int netlink_join(struct netlink *netlink, unsigned int group)
{
	struct sockaddr_nl any = { .nl_family = AF_NETLINK };
	int number = (int)group;

	/* Who has no number yet counts as the kernel, which is not told what it did. */
	if (bind(netlink->fd, (struct sockaddr *)&any, sizeof(any)) < 0 && errno != EINVAL)
		return -errno;
	return setsockopt(netlink->fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &number,
			  sizeof(number)) < 0
		       ? -errno
		       : 0;
}

int netlink_drain(struct netlink *netlink, unsigned int most)
{
	bool told = false;

	for (unsigned int i = 0; i < most; i++) {
		struct sockaddr_nl from = {};
		socklen_t size = sizeof(from);
		unsigned char byte;
		ssize_t got = recvfrom(netlink->fd, &byte, sizeof(byte), MSG_DONTWAIT,
				       (struct sockaddr *)&from, &size);

		/* Some of it was lost: that too tells that something happened. */
		if (got < 0 && errno == ENOBUFS)
			told = true;
		else if (got < 0)
			break;
		else if (from.nl_pid == 0)
			told = true;
	}
	return told;
}
