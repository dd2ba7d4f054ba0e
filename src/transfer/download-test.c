/* Downloads in a worker, from a server that answers what each case wrote down. */
#include "transfer/download.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/text.h"
#include "base/unit.h"
#include "io/clock.h"
#include "io/fd.h"
#include "kernel/fixture.h"
#include "transfer/download-body.h"
#include "transfer/worker.h"

#define ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

/* ---- a server ---- */

/* Of addresses that are no hosts of documentation. */
#define WEB    \
	"http" \
	"://"

#define ASKED_MAX 12

struct server {
	uint16_t port;
	pid_t pid;
	struct {
		unsigned int count;
		char text[ASKED_MAX][2048];
	} * asked; /* shared with it */
};

static void hear_request(int fd, char *to, size_t room)
{
	size_t used = 0;

	while (used + 1 < room && strstr(to, "\r\n\r\n") == NULL) {
		ssize_t n = read(fd, to + used, room - used - 1);

		if (n <= 0)
			return;
		used += (size_t)n;
		to[used] = '\0';
	}
}

/* A byte now and then, until nobody hears it. */
static void trickle(int fd)
{
	while (send(fd, "a", 1, MSG_NOSIGNAL) == 1)
		usleep(100 * 1000);
	close(fd);
}

/* Each connection gets the next answer, the last one again and again. "SILENT" at an answer's end:
 * the connection stays open; "TRICKLE": a byte comes now and then. */
static void serve(int listener, struct server *server, const char *const *answers)
{
	for (;;) {
		int fd = accept(listener, NULL, NULL);
		unsigned int number = server->asked->count;
		size_t size = strlen(*answers);
		const char *silent = strstr(*answers, "SILENT"),
			   *slow = strstr(*answers, "TRICKLE");

		if (slow != NULL)
			silent = slow;
		ck_assert_int_ge(fd, 0);
		if (number == ASKED_MAX)
			_exit(1);
		hear_request(fd, server->asked->text[number], sizeof(server->asked->text[0]));
		server->asked->count++;
		fd_write_all(fd, *answers, silent == NULL ? size : (size_t)(silent - *answers));
		if (slow != NULL) {
			trickle(fd);
		} else if (silent == NULL) {
			shutdown(fd, SHUT_WR);
			close(fd);
		}
		if (answers[1] != NULL)
			answers++;
	}
}

static struct server start(const char *const *answers)
{
	struct server server = { 0 };
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t size = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, size), 0);
	ck_assert_int_eq(listen(listener, 16), 0);
	ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &size), 0);
	server.port = ntohs(address.sin_port);
	server.asked = mmap(NULL, sizeof(*server.asked), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(server.asked, MAP_FAILED);
	server.pid = fork();
	if (server.pid == 0)
		serve(listener, &server, answers);
	close(listener);
	return server;
}

static void stop(struct server *server)
{
	kill(server->pid, SIGKILL);
	waitpid(server->pid, NULL, 0);
}

/* ---- a download of it ---- */

struct fetch {
	struct download download;
	struct download_answer answer;
	char text[256];
};

static int fetch_inside(struct worker_side *side, void *context)
{
	struct fetch *fetch = context;
	autoarena struct arena arena = { 0 };
	int r = download_one(&arena, side, NULL, &fetch->download);

	if (r < 0)
		return r;
	r = worker_tell(side, 1, &fetch->download.answer, sizeof(fetch->download.answer));
	if (r < 0)
		return r;
	return worker_tell(side, 2, fetch->download.text, fetch->download.text_size);
}

static int hear(void *context, unsigned int what, const void *data, size_t size)
{
	struct fetch *fetch = context;

	if (what == 1)
		return download_hear(&fetch->answer, data, size);
	if (what == 2 && size < sizeof(fetch->text))
		memcpy(fetch->text, data, size);
	return 0;
}

static int fetch(struct fetch *fetch, const char *url)
{
	struct worker_request request = {
		.name = "fetch",
		.run = fetch_inside,
		.context = fetch,
		.view = WORKER_SEES_NETWORK,
		.tree_fd = -EBADF,
		.fds = &fetch->download.fd,
		.fd_count = fetch->download.fd > 0,
	};
	struct worker_listener listener = { .told = hear, .context = fetch };

	fetch->download.url = url;
	if (fetch->download.fd == 0)
		fetch->download.fd = -EBADF;
	return worker_run(&request, &listener);
}

static char *url_of(struct arena *arena, const struct server *server, const char *path)
{
	return arena_format(arena, "http://127.0.0.1:%u%s", server->port, path);
}

#define CK_FETCH(call)                                                       \
	do {                                                                 \
		int r_ = (call);                                             \
		ck_assert_msg(r_ == 0, "%d: %s", r_, fail_recorded()->text); \
	} while (0)
#define CK_REFUSED(call, word)                                                                   \
	do {                                                                                     \
		ck_assert_int_lt((call), 0);                                                     \
		ck_assert_msg(strstr(fail_recorded()->text, word), "%s", fail_recorded()->text); \
	} while (0)

static const char whole[] = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nETag: \"one\"\r\n"
			    "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
			    "Content-Type: text/plain\r\nDocker-Content-Digest: sha256:aa\r\n"
			    "WWW-Authenticate: Basic realm=a\r\nWWW-Authenticate: Bearer b=c\r\n"
			    "Connection: close\r\n\r\nabc";

START_TEST(a_body_its_sum_and_its_head_arrive)
{
	autoarena struct arena arena = { 0 };
	struct server server = start((const char *const[]){ whole, NULL });
	struct fetch got = {
		.download = { .id = 7,
			      .headers = (const char *const[]){ "Accept: x/y", NULL },
			      .authorization = "Bearer secret" },
	};

	CK_FETCH(fetch(&got, url_of(&arena, &server, "/a?b")));
	ck_assert_uint_eq(got.answer.id, 7);
	ck_assert_uint_eq(got.answer.status, 200);
	ck_assert_uint_eq(got.answer.size, 3);
	ck_assert_uint_eq(got.answer.length, 3);
	ck_assert_int_eq(got.answer.modified, 784111777);
	ck_assert_str_eq(got.answer.sha256, ABC);
	ck_assert_str_eq(got.answer.etag, "\"one\"");
	ck_assert_str_eq(got.answer.digest, "sha256:aa");
	ck_assert_str_eq(got.answer.type, "text/plain");
	ck_assert_str_eq(got.answer.authenticate, "Basic realm=a, Bearer b=c");
	ck_assert_str_eq(got.text, "abc");
	ck_assert_ptr_nonnull(strstr(server.asked->text[0], "GET /a?b HTTP/1.1\r\n"));
	ck_assert_ptr_nonnull(strstr(server.asked->text[0], "Accept: x/y\r\n"));
	ck_assert_ptr_nonnull(strstr(server.asked->text[0], "Authorization: Bearer secret\r\n"));
	ck_assert_ptr_nonnull(strstr(server.asked->text[0], "User-Agent: Redd/"));
	stop(&server);
}
END_TEST

START_TEST(an_error_is_an_answer_and_its_page_not_the_file)
{
	static const char missing[] = "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone";
	autoarena struct arena arena = { 0 };
	struct server server = start((const char *const[]){ missing, NULL });
	int file = memfd_create("file", MFD_CLOEXEC);
	struct fetch got = { .download.fd = file };

	CK_FETCH(fetch(&got, url_of(&arena, &server, "/")));
	ck_assert_uint_eq(got.answer.status, 404);
	ck_assert_str_eq(got.text, "gone");
	ck_assert_int_eq(lseek(file, 0, SEEK_END), 0);
	stop(&server);
}
END_TEST

/* ---- a lost connection ---- */

static void check_file(int file, const char *content)
{
	char text[64] = "";

	ck_assert_int_eq(pread(file, text, sizeof(text) - 1, 0), (ssize_t)strlen(content));
	ck_assert_str_eq(text, content);
}

START_TEST(what_was_lost_is_taken_up_by_a_range)
{
	static const char first[] =
		"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nETag: \"one\"\r\n\r\na";
	static const char rest[] = "HTTP/1.1 206 Partial\r\nContent-Length: 2\r\n"
				   "Content-Range: bytes 1-2/3\r\nETag: \"one\"\r\n\r\nbc";
	autoarena struct arena arena = { 0 };
	struct server server = start((const char *const[]){ first, rest, NULL });
	int file = memfd_create("file", MFD_CLOEXEC);
	struct fetch got = { .download.fd = file };

	CK_FETCH(fetch(&got, url_of(&arena, &server, "/")));
	ck_assert_ptr_nonnull(strstr(server.asked->text[1], "Range: bytes=1-\r\n"));
	ck_assert_ptr_nonnull(strstr(server.asked->text[1], "If-Range: \"one\"\r\n"));
	ck_assert_uint_eq(got.answer.status, 200);
	ck_assert_str_eq(got.answer.sha256, ABC);
	check_file(file, "abc");
	stop(&server);
}
END_TEST

START_TEST(a_server_without_ranges_is_read_over)
{
	static const char first[] = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab";
	autoarena struct arena arena = { 0 };
	struct server server = start((const char *const[]){ first, whole, NULL });
	int file = memfd_create("file", MFD_CLOEXEC);
	struct fetch got = { .download.fd = file };

	CK_FETCH(fetch(&got, url_of(&arena, &server, "/")));
	ck_assert_ptr_null(strstr(server.asked->text[1], "Range:"));
	ck_assert_str_eq(got.answer.sha256, ABC);
	check_file(file, "abc");
	stop(&server);
}
END_TEST

START_TEST(another_file_is_not_mixed_with_the_first)
{
	static const char first[] = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nxy";
	static const char part[] = "HTTP/1.1 206 Partial\r\nContent-Length: 3\r\n"
				   "Content-Range: bytes 0-2/3\r\n\r\nabc";
	autoarena struct arena arena = { 0 };
	struct server server = start((const char *const[]){ first, whole, NULL });
	struct fetch got = { 0 };

	CK_REFUSED(fetch(&got, url_of(&arena, &server, "/")), "changed on the server");
	stop(&server);
	server = start((const char *const[]){ part, NULL });
	CK_REFUSED(fetch(&got, url_of(&arena, &server, "/")), "another part");
	stop(&server);
}
END_TEST

START_TEST(a_file_of_another_time_is_continued)
{
	static const char rest[] = "HTTP/1.1 206 Partial\r\nContent-Length: 1\r\n"
				   "Content-Range: bytes 2-2/3\r\nETag: \"one\"\r\n\r\nc";
	autoarena struct arena arena = { 0 };
	struct server server = start((const char *const[]){ rest, NULL });
	int file = memfd_create("file", MFD_CLOEXEC);
	struct fetch got = { .download = { .fd = file, .have = 2, .validator = "\"one\"" } };

	ck_assert_int_eq(write(file, "ab", 2), 2);
	CK_FETCH(fetch(&got, url_of(&arena, &server, "/")));
	ck_assert_ptr_nonnull(strstr(server.asked->text[0], "Range: bytes=2-\r\n"));
	ck_assert_str_eq(got.answer.sha256, ABC);
	ck_assert_uint_eq(got.answer.size, 3);
	ck_assert_uint_eq(got.answer.length, 3);
	check_file(file, "abc");
	stop(&server);
}
END_TEST

START_TEST(a_length_that_is_a_lie_ends_after_some_tries)
{
	static const char lie[] = "HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\nabc";
	autoarena struct arena arena = { 0 };
	struct server server = start((const char *const[]){ lie, NULL });
	struct fetch got = { 0 };

	CK_REFUSED(fetch(&got, url_of(&arena, &server, "/")), "lost after 3 bytes");
	ck_assert_uint_eq(server.asked->count, 4);
	stop(&server);
}
END_TEST

START_TEST(a_server_that_is_busy_is_asked_again)
{
	static const char busy[] = "HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy";
	autoarena struct arena arena = { 0 };
	struct server server = start((const char *const[]){ busy, whole, NULL });
	struct fetch got = { 0 };

	CK_FETCH(fetch(&got, url_of(&arena, &server, "/")));
	ck_assert_uint_eq(got.answer.status, 200);
	ck_assert_str_eq(got.text, "abc");
	stop(&server);
}
END_TEST

START_TEST(silence_ends_a_download)
{
	static const char slow[] = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\naSILENT";
	autoarena struct arena arena = { 0 };
	struct server server = start((const char *const[]){ slow, whole, NULL });
	struct fetch got = { .download.patience = 1 };

	CK_FETCH(fetch(&got, url_of(&arena, &server, "/")));
	ck_assert_str_eq(got.text, "abc");
	ck_assert_uint_eq(server.asked->count, 2);
	stop(&server);
}
END_TEST

START_TEST(a_byte_now_and_then_ends_a_download_too)
{
	static const char slow[] = "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\naTRICKLE";
	autoarena struct arena arena = { 0 };
	struct server server = start((const char *const[]){ slow, NULL });
	struct fetch got = { .download.patience = 1 };

	CK_REFUSED(fetch(&got, url_of(&arena, &server, "/")),
		   "for 2 seconds fewer than 100 bytes a second came");
	ck_assert_uint_eq(server.asked->count, 3);
	stop(&server);
}
END_TEST

START_TEST(what_is_slow_now_and_quick_then_goes_on)
{
	struct download download = { .patience = 10 };
	struct transfer transfer = { .download = &download };
	uint64_t now = clock_monotonic_us();

	ck_assert_int_eq(download_watch(&transfer, 0, 0, 0, 0), 0);
	transfer.window_us = now - 19 * 1000000;
	ck_assert_int_eq(download_watch(&transfer, 0, 0, 0, 0), 0);
	transfer.window_us = now - 20 * 1000000;
	ck_assert_int_eq(download_watch(&transfer, 0, 1500, 0, 500), 0);
	transfer.window_us = now - 20 * 1000000;
	ck_assert_int_eq(download_watch(&transfer, 0, 1500 + 1999, 0, 500), 1);
}
END_TEST

START_TEST(what_is_too_large_is_refused_also_if_it_was_not_said)
{
	static const char said[] = "HTTP/1.1 200 OK\r\nContent-Length: 4000000000\r\n\r\nabc";
	static const char unsaid[] = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabcdefgh";
	autoarena struct arena arena = { 0 };
	struct server server = start((const char *const[]){ said, NULL });
	struct fetch got = { .download.limit = 5 };

	CK_REFUSED(fetch(&got, url_of(&arena, &server, "/")), "larger than 5 bytes");
	stop(&server);
	server = start((const char *const[]){ unsaid, NULL });
	CK_REFUSED(fetch(&got, url_of(&arena, &server, "/")), "larger than 5 bytes");
	stop(&server);
}
END_TEST

/* ---- redirects ---- */

static char *redirect_to(struct arena *arena, const char *where)
{
	return arena_format(arena,
			    "HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n",
			    where);
}

START_TEST(authorization_stays_with_its_origin)
{
	autoarena struct arena arena = { 0 };
	struct server other = start((const char *const[]){ whole, NULL });
	char *away = redirect_to(&arena, url_of(&arena, &other, "/blob"));
	struct server server = start(
		(const char *const[]){ redirect_to(&arena, "/there"), away, NULL });
	struct fetch got = { .download.authorization = "Bearer secret" };

	CK_FETCH(fetch(&got, arena_format(&arena, WEB "user:word@127.0.0.1:%u/", server.port)));
	ck_assert_str_eq(got.text, "abc");
	ck_assert_uint_eq(server.asked->count, 2);
	ck_assert_ptr_nonnull(strstr(server.asked->text[1], "GET /there "));
	ck_assert_ptr_nonnull(strstr(server.asked->text[1], "secret"));
	ck_assert_ptr_nonnull(strstr(other.asked->text[0], "GET /blob "));
	ck_assert_ptr_null(strstr(other.asked->text[0], "uthorization"));
	stop(&server);
	stop(&other);
}
END_TEST

START_TEST(what_is_sent_goes_to_its_origin_alone)
{
	static const char *const form = "HTTP/1.1 307 Elsewhere\r\nLocation: %s\r\n"
					"Content-Length: 0\r\n\r\n";
	autoarena struct arena arena = { 0 };
	struct server other = start((const char *const[]){ whole, NULL });
	char *there = arena_format(&arena, form, "/there"),
	     *away = arena_format(&arena, form, url_of(&arena, &other, "/token"));
	struct server server = start((const char *const[]){ there, whole, away, NULL });
	struct fetch got = {
		.download = { .method = "POST", .body = "secret", .body_size = 6 },
	};

	CK_FETCH(fetch(&got, url_of(&arena, &server, "/token")));
	ck_assert_ptr_nonnull(strstr(server.asked->text[1], "POST /there "));
	CK_REFUSED(fetch(&got, url_of(&arena, &server, "/token")), "another server");
	ck_assert_uint_eq(other.asked->count, 0);
	stop(&server);
	stop(&other);
}
END_TEST

START_TEST(redirects_to_other_protocols_and_link_local_addresses_are_refused)
{
	static const struct {
		const char *where, *word;
	} cases[] = {
		{ "file:///etc/passwd", "only http and https" },
		{ "gopher://127.0.0.1/", "only http and https" },
		{ WEB "169.254.169.254/latest/", "link-local" },
		{ WEB "2852039166/", "link-local" },
		{ "http://[fe80::1]/", "link-local" },
		{ "http://[::ffff:169.254.169.254]/", "link-local" },
		{ "/", "more than 10 times" },
	};
	autoarena struct arena arena = { 0 };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *answer = redirect_to(&arena, cases[i].where);
		struct server server = start((const char *const[]){ answer, NULL });
		struct fetch got = { 0 };

		CK_REFUSED(fetch(&got, url_of(&arena, &server, "/")), cases[i].word);
		stop(&server);
	}
}
END_TEST

START_TEST(a_place_that_a_server_named_is_as_a_redirect)
{
	struct fetch got = { .download.pointed = true };

	CK_REFUSED(fetch(&got, WEB "169.254.169.254/token"), "link-local");
}
END_TEST

START_TEST(from_https_there_is_no_way_to_http)
{
	struct downloads all = { 0 };
	struct download download = { .url = "https://example.org/a" };
	struct transfer transfer = {
		.all = &all,
		.download = &download,
		.first = download_parse_url("https://example.org/a"),
		.now = download_parse_url("https://example.org/a"),
		.heard.location = "http://example.org/a",
	};

	CK_REFUSED(download_redirect(&transfer), "from https");
	transfer.heard.location[0] = '\0';
	strncat(transfer.heard.location, "https://example.org:443/b", 100);
	ck_assert_int_eq(download_redirect(&transfer), 0);
	ck_assert(!transfer.foreign);
	transfer.heard.location[0] = '\0';
	strncat(transfer.heard.location, "//example.com/b", 100);
	ck_assert_int_eq(download_redirect(&transfer), 0);
	ck_assert(transfer.foreign && transfer.suspect);
	download.body_fd = 3;
	CK_REFUSED(download_redirect(&transfer), "another server");
	curl_url_cleanup(transfer.first);
	curl_url_cleanup(transfer.now);
	arena_done(&all.arena);
}
END_TEST

/* ---- texts ---- */

START_TEST(only_web_urls_are_urls)
{
	ck_assert(download_is_url("http://localhost/a"));
	ck_assert(download_is_url("HTTPS://[::1]:444/a?b"));
	ck_assert(!download_is_url("file:///etc/passwd"));
	ck_assert(!download_is_url("ftp://example.org/"));
	ck_assert(!download_is_url("example.org/a"));
	ck_assert(!download_is_url("http://"));
	ck_assert(!download_is_url("http://localhost/ b"));
	ck_assert(!download_is_url("http://localhost\r\nX: y/"));
	ck_assert(!download_is_url(""));
}
END_TEST

START_TEST(passwords_are_not_shown)
{
	autoarena struct arena arena = { 0 };

	ck_assert_str_eq(download_shown(&arena, "https"
						"://user:word@example.org/a"),
			 "https://example.org/a");
	ck_assert_str_eq(download_shown(&arena, "no\x1burl"), "no\\x1burl");
}
END_TEST

START_TEST(ranges_are_read_exactly)
{
	uint64_t start_at, total;

	ck_assert_int_eq(download_parse_range(&start_at, &total, "bytes 5-9/10"), 0);
	ck_assert_uint_eq(start_at, 5);
	ck_assert_uint_eq(total, 10);
	ck_assert_int_eq(download_parse_range(&start_at, &total, "bytes 5-9/*"), 0);
	ck_assert_uint_eq(total, DOWNLOAD_LENGTH_UNKNOWN);
	ck_assert_int_lt(download_parse_range(&start_at, &total, ""), 0);
	ck_assert_int_lt(download_parse_range(&start_at, &total, "bytes -9/10"), 0);
	ck_assert_int_lt(download_parse_range(&start_at, &total, "bytes 5-9"), 0);
	ck_assert_int_lt(download_parse_range(&start_at, &total, "bytes 99999999999999999999-9/10"),
			 0);
}
END_TEST

START_TEST(a_worker_cannot_tell_an_answer_without_ends)
{
	struct download_answer answer, heard;

	memset(&answer, 'x', sizeof(answer));
	ck_assert_int_eq(download_hear(&heard, &answer, sizeof(answer)), -EBADMSG);
	memset(&answer, 0, sizeof(answer));
	ck_assert_int_eq(download_hear(&heard, &answer, sizeof(answer)), 0);
	ck_assert_int_eq(download_hear(&heard, &answer, sizeof(answer) - 1), -EBADMSG);
	answer.etag[0] = '\033';
	ck_assert_int_eq(download_hear(&heard, &answer, sizeof(answer)), -EBADMSG);
}
END_TEST

int main(void)
{
	setenv("CK_DEFAULT_TIMEOUT", "20", 0);
	unsetenv("http_proxy");
	unsetenv("all_proxy");
	unsetenv("ALL_PROXY");
	return UNIT_RUN(
		"transfer/download", a_body_its_sum_and_its_head_arrive,
		an_error_is_an_answer_and_its_page_not_the_file,
		what_was_lost_is_taken_up_by_a_range, a_server_without_ranges_is_read_over,
		another_file_is_not_mixed_with_the_first, a_file_of_another_time_is_continued,
		a_length_that_is_a_lie_ends_after_some_tries, a_server_that_is_busy_is_asked_again,
		silence_ends_a_download, a_byte_now_and_then_ends_a_download_too,
		what_is_slow_now_and_quick_then_goes_on,
		what_is_too_large_is_refused_also_if_it_was_not_said,
		authorization_stays_with_its_origin, what_is_sent_goes_to_its_origin_alone,
		redirects_to_other_protocols_and_link_local_addresses_are_refused,
		a_place_that_a_server_named_is_as_a_redirect, from_https_there_is_no_way_to_http,
		only_web_urls_are_urls, passwords_are_not_shown, ranges_are_read_exactly,
		a_worker_cannot_tell_an_answer_without_ends);
}
