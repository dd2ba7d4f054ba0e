/* lying-worker - a worker that was taken over says what is wished (class S42); loaded into
 * importctl.
 *
 * $LIAR: the name of the process that lies; $LIE: 64 digits, the sum that it claims; $LIE_OF: "in"
 * or "out", before or after decompression. What it says otherwise stays as it is.
 */
#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "transfer/archive.h"
#include "transfer/worker-side.h"

static char name[17];
static ssize_t (*real_sendmsg)(int, const struct msghdr *, int);
static int (*real_prctl)(int, ...);

__attribute__((constructor)) static void begin(void)
{
	*(void **)&real_sendmsg = dlsym(RTLD_NEXT, "sendmsg");
	*(void **)&real_prctl = dlsym(RTLD_NEXT, "prctl");
}

int prctl(int option, ...)
{
	unsigned long words[4];
	va_list list;

	va_start(list, option);
	for (int i = 0; i < 4; i++)
		words[i] = va_arg(list, unsigned long);
	va_end(list);
	if (option == PR_SET_NAME)
		snprintf(name, sizeof(name), "%.16s", (const char *)words[0]);
	return real_prctl(option, words[0], words[1], words[2], words[3]);
}

static void lie(struct stream_result *result)
{
	const char *digits = getenv("LIE");
	unsigned char *digest = strcmp(getenv("LIE_OF"), "in") == 0 ? result->digest_in
								    : result->digest_out;

	for (int i = 0; i < STREAM_DIGEST; i++)
		sscanf(digits + 2 * i, "%2hhx", digest + i);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	const struct iovec *parts = message->msg_iov;
	const struct worker_message *said = parts[0].iov_base;
	unsigned char result[sizeof(struct archive_result)];
	struct msghdr changed = *message;
	struct iovec copies[2];

	if (getenv("LIAR") == NULL || strcmp(name, getenv("LIAR")) != 0 ||
	    message->msg_iovlen != 2 || parts[0].iov_len != sizeof(*said) ||
	    said->kind != WORKER_TOLD ||
	    (parts[1].iov_len != sizeof(struct archive_result) &&
	     parts[1].iov_len != sizeof(struct stream_result)))
		return real_sendmsg(fd, message, flags);
	memcpy(result, parts[1].iov_base, parts[1].iov_len);
	lie((struct stream_result *)result); /* what the other begins with, too */
	memcpy(copies, parts, sizeof(copies));
	copies[1].iov_base = result;
	changed.msg_iov = copies;
	return real_sendmsg(fd, &changed, flags);
}
