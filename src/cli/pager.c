#include "cli/pager.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/parse.h"
#include "base/text.h"
#include "io/child.h"
#include "io/fd.h"

#define BLANKS " \t\n"
#define LESS_OPTIONS "FRSXMK"

bool pager_wanted(const char *text, unsigned int rows)
{
	unsigned int lines = 0;

	for (; lines < rows && (text = strchr(text, '\n')) != NULL; text++)
		lines++;
	return lines >= rows;
}

static bool is_secure(const char *const *environment)
{
	const char *asked = text_variable(environment, "SYSTEMD_PAGERSECURE");
	bool secure;

	if (asked != NULL && parse_bool(&secure, asked) >= 0)
		return secure;
	return asked != NULL || !text_empty(text_variable(environment, "SUDO_UID")) ||
	       !text_empty(text_variable(environment, "PKEXEC_UID"));
}

/* Words of the pager's command line. None: no pager is wanted. */
static void find_command(struct arena *arena, struct text_list *ret, const char *const *environment,
			 bool secure)
{
	static const char *const known[] = { "less", "more" };
	const char *path = text_variable(environment, "PATH");
	const char *asked = text_variable(environment, "SYSTEMD_PAGER");

	if (asked == NULL)
		asked = text_variable(environment, "PAGER");
	if (asked != NULL) {
		text_split(arena, ret, asked, BLANKS);
		if (ret->count == 0 || text_equal(ret->items[0], "cat") ||
		    (!secure && child_find(arena, path, ret->items[0]) != NULL))
			return;
	}
	text_list_clear(ret);
	for (size_t i = 0; i < ARRAY_SIZE(known) && ret->count == 0; i++)
		if (child_find(arena, path, known[i]) != NULL)
			text_list_add(arena, ret, arena_text(arena, known[i]));
}

static char *const *child_environment(struct arena *arena, const char *const *environment,
				      bool secure)
{
	const char *options = text_variable(environment, "SYSTEMD_LESS");
	struct text_list list = { 0 };

	for (; environment != NULL && *environment != NULL; environment++)
		if (text_after(*environment, "LESS=") == NULL &&
		    text_after(*environment, "LESSSECURE=") == NULL)
			text_list_add(arena, &list, arena_text(arena, *environment));
	text_list_add(arena, &list,
		      arena_format(arena, "LESS=%s", options ? options : LESS_OPTIONS));
	if (secure)
		text_list_add(arena, &list, arena_text(arena, "LESSSECURE=1"));
	return list.items;
}

/* The text at the start of a file in memory. */
static int make_input(const char *text)
{
	autoclose int fd = -EBADF;
	int r;

	fd = memfd_create("text", MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = fd_write_all(fd, text, strlen(text));
	if (r < 0)
		return r;
	return lseek(fd, 0, SEEK_SET) < 0 ? -errno : take_fd(&fd);
}

int pager_show(struct arena *arena, const char *text, const char *const *environment)
{
	bool secure = is_secure(environment);
	struct child_request request = { .timeout_us = CHILD_FOREVER };
	struct text_list words = { 0 };
	autoclose int input = -EBADF;
	void (*before)(int);
	int r, status;

	find_command(arena, &words, environment, secure);
	if (words.count == 0 || text_equal(words.items[0], "cat"))
		return -ENOENT;
	input = make_input(text);
	if (input < 0)
		return input;
	request.path = child_find(arena, text_variable(environment, "PATH"), words.items[0]);
	request.arguments = words.items;
	request.environment = child_environment(arena, environment, secure);
	request.stdio[0] = input;
	request.stdio[1] = STDOUT_FILENO;
	request.stdio[2] = STDERR_FILENO;
	/* ^C is the pager's to understand. */
	before = signal(SIGINT, SIG_IGN);
	r = child_run(&status, &request);
	signal(SIGINT, before);
	return r;
}
