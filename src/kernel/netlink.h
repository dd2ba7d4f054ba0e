/* kernel/netlink - requests to the kernel over netlink, and its answers. Quiet; any process.
 *
 * A request is one or several messages in a buffer of the caller's, built by netlink_begin() and
 * netlink_put_*() and sent as one; what does not fit is found when it is sent. Nothing allocates.
 * The kernel does what it is told while it is being sent to, so that nothing here ever blocks.
 *
 * Answers count only if they are from the kernel: who is root in a network namespace may send to
 * the sockets in it.
 */
#pragma once
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

#define NETLINK_REASON_SIZE 128

struct netlink {
	int fd;
	uint32_t sequence;   /* of the last message */
	unsigned int failed; /* after a failure: which message of the request, from 0 */
	char reason[NETLINK_REASON_SIZE]; /* after a failure: the kernel's words, or "" */
};

#define NETLINK_EMPTY         \
	{                     \
		.fd = -EBADF, \
	}

/* PROTOCOL: NETLINK_ROUTE, NETLINK_NETFILTER, … The socket stays in the namespace that the caller
 * is in now. -EPROTONOSUPPORT: this kernel lacks it. */
int netlink_open(struct netlink *ret, int protocol);

/* The same without any option: for one dump of all that there is, by somebody in a hurry. */
int netlink_open_plain(struct netlink *ret, int protocol);

/* In another network namespace: the caller goes there and comes back, so it has one thread. Where
 * it could not come back, as without root, a child goes; and where it may not go as what it is, as
 * root of the user namespace that owns the other one. */
int netlink_open_in(struct netlink *ret, int protocol, int netns_fd);

void netlink_close(struct netlink *netlink); /* accepts the empty one */
#define autonetlink CLEANUP(netlink_close)

/* ---- requests ---- */

struct netlink_request {
	unsigned char *bytes;
	size_t room, used;
	size_t message;	    /* where the last message begins */
	unsigned int count; /* messages */
	bool overflow;	    /* something did not fit */
};

/* Empty, in SIZE bytes at ROOM, which need no alignment. */
struct netlink_request netlink_request(void *room, size_t size);

/* Begin the next message: NLM_F_REQUEST and FLAGS, then the SIZE bytes of BODY. */
void netlink_begin(struct netlink_request *request, unsigned int type, unsigned int flags,
		   const void *body, size_t size);

/* An attribute of the last message. u*: in the host's order, be*: in the network's. */
void netlink_put(struct netlink_request *request, unsigned int type, const void *data, size_t size);
void netlink_put_u8(struct netlink_request *request, unsigned int type, uint8_t value);
void netlink_put_u16(struct netlink_request *request, unsigned int type, uint16_t value);
void netlink_put_u32(struct netlink_request *request, unsigned int type, uint32_t value);
void netlink_put_u64(struct netlink_request *request, unsigned int type, uint64_t value);
void netlink_put_be16(struct netlink_request *request, unsigned int type, uint16_t value);
void netlink_put_be32(struct netlink_request *request, unsigned int type, uint32_t value);
void netlink_put_be64(struct netlink_request *request, unsigned int type, uint64_t value);
void netlink_put_text(struct netlink_request *request, unsigned int type, const char *text);

/* Attributes that are put between the two stand in one of TYPE (with NLA_F_NESTED). The second
 * gets what the first returned. */
size_t netlink_nest(struct netlink_request *request, unsigned int type);
void netlink_nest_end(struct netlink_request *request, size_t nest);

/* Bytes that are no attribute, as some nests begin with; filled up to four. */
void netlink_append(struct netlink_request *request, const void *data, size_t size);

/* ---- sending ---- */

/* Bytes of an answer that are still to be read. */
struct netlink_reader {
	const unsigned char *bytes;
	size_t size;
};

struct netlink_answer {
	unsigned int type, flags;
	struct netlink_reader body; /* with the attributes behind it */
};

/* 0: go on. < 0: the call ends with it. > 0: enough, the call succeeds. */
typedef int netlink_answer_fn(const struct netlink_answer *answer, void *context);

/* Send REQUEST and take the answers until each message with NLM_F_ACK is acknowledged; a failure
 * ends it at once. So it is enough to set NLM_F_ACK on the last message: the kernel does all, in
 * their order and even after one failed (an nf_tables batch: all or none, and the flag belongs on
 * the last one before its end), and failures are told with or without the flag. What a message
 * after the last with NLM_F_ACK fails with is not seen. Other answers (to a GET, with NLM_F_ACK)
 * are given to FN, which may be NULL. With no NLM_F_ACK at all nothing is waited for. The request
 * may be sent again.
 *
 * -EMSGSIZE: it did not fit into its room, or has some 200 KiB or more and the caller is not root
 * of the host. -ENOBUFS: answers were lost. */
int netlink_call(struct netlink *netlink, struct netlink_request *request, netlink_answer_fn *fn,
		 void *context);

/* The same for a request of one GET message that is answered by a list; NLM_F_DUMP is added.
 * -EAGAIN: the list changed meanwhile; all was given to FN, but maybe some twice or not at all.
 * When FN ended it, the rest is read all the same, and given to nobody. */
int netlink_dump(struct netlink *netlink, struct netlink_request *request, netlink_answer_fn *fn,
		 void *context);

/* ---- being told ---- */

/* From now on the kernel tells this socket what happens to GROUP: RTNLGRP_*, NFNLGRP_*, … Then it
 * is no socket for calls any more, but one to be polled. */
int netlink_join(struct netlink *netlink, unsigned int group);

/* Take what was told, at most MOST datagrams, without a look at it. 1: the kernel told something,
 * or what it told was too much for the socket. 0: nothing, or others have sent to it. */
int netlink_drain(struct netlink *netlink, unsigned int most);

/* ---- reading ---- */

struct netlink_attribute {
	unsigned int type; /* without NLA_F_NESTED and NLA_F_NET_BYTEORDER */
	struct netlink_reader value;
};

/* Take the next SIZE bytes (filled up to four) into RET. -EBADMSG: there are less. */
int netlink_take(struct netlink_reader *reader, void *ret, size_t size);

/* The next attribute. False: there is none, or it is cut off. */
bool netlink_next(struct netlink_reader *reader, struct netlink_attribute *ret);

/* The next message of a datagram, for netlink_call() itself and fuzzing. */
struct netlink_message {
	unsigned int type, flags;
	uint32_t sequence;
	struct netlink_reader body;
};
bool netlink_next_message(struct netlink_reader *datagram, struct netlink_message *ret);

/* Its value; 0: it is too short. */
uint8_t netlink_u8(const struct netlink_attribute *attribute);
uint16_t netlink_u16(const struct netlink_attribute *attribute);
uint32_t netlink_u32(const struct netlink_attribute *attribute);
uint64_t netlink_u64(const struct netlink_attribute *attribute);
uint16_t netlink_be16(const struct netlink_attribute *attribute);
uint32_t netlink_be32(const struct netlink_attribute *attribute);
uint64_t netlink_be64(const struct netlink_attribute *attribute);

/* Copy a text of less than SIZE characters; false (and RET is as it was): it is longer. */
bool netlink_text(const struct netlink_attribute *attribute, char *ret, size_t size);
