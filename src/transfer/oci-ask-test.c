/* Who gets an answer while others get none. */
#include "transfer/oci-ask.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/arena.h"
#include "base/unit.h"
#include "io/fd.h"
#include "transfer/download.h"

#define COUNT 10

/* It takes connections, and says nothing. */
static int listen_and_be_silent(struct arena *arena, struct imageref *ret)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const char *why;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, size), 0);
	ck_assert_int_eq(listen(fd, 2 * COUNT), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	ck_assert_int_eq(imageref_parse(ret,
					arena_format(arena, "127.0.0.1:%u/app:1",
						     ntohs(address.sin_port)),
					&why),
			 0);
	return fd;
}

START_TEST(who_was_never_asked_is_told_so)
{
	autoarena struct arena arena = { 0 };
	struct download_trust trust = { 0 };
	struct oci_ask items[COUNT] = { 0 };
	autoclose int silent = listen_and_be_silent(&arena, &items[0].ref);
	size_t asked = 0, others = 0;

	ck_assert_int_ge(silent, 0);
	for (size_t i = 1; i < COUNT; i++)
		items[i].ref = items[0].ref;
	oci_ask(&arena, items, COUNT, &trust, 300000);
	for (size_t i = 0; i < COUNT; i++) {
		ck_assert_str_eq(items[i].digest.text, "");
		asked += strstr(items[i].why, "gave no answer in time") != NULL;
		others += strstr(items[i].why, "was not asked") != NULL;
	}
	ck_assert_uint_eq(asked, 8);
	ck_assert_uint_eq(others, 2);
}
END_TEST

int main(void)
{
	return UNIT_RUN("transfer/oci-ask", who_was_never_asked_is_told_so);
}
