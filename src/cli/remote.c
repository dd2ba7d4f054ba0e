#include "cli/remote.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/parse.h"
#include "base/text.h"
#include "io/child.h"

int remote_place(struct arena *arena, struct remote_place *ret, const char *text)
{
	const char *slash = strchr(text, '/'), *colon, *bracket;
	struct remote_place place = { .machine = slash == NULL || slash[1] == '\0' ? NULL
										   : slash + 1 };
	char *host = arena_text_n(arena, text, strcspn(text, "/"));
	uint16_t port;

	colon = strchr(host, ':');
	bracket = strrchr(host, ']');
	if (bracket != NULL)
		colon = strchr(bracket, ':');
	else if (colon != NULL && strchr(colon + 1, ':') != NULL)
		colon = NULL;
	if (colon != NULL) {
		place.port = colon + 1;
		host[colon - host] = '\0';
	}
	place.host = host;
	if (*host == '\0' || *host == '-' || strpbrk(host, " \t\n") != NULL)
		return fail_input("cannot use '%s' as a host (try [USER@]HOST)", text);
	if (place.port != NULL && parse_port(&port, place.port) < 0)
		return fail_input("cannot use '%s' as a host: '%s' is no port (try HOST:PORT)",
				  text, place.port);
	*ret = place;
	return 0;
}

/* One word of a POSIX shell that stands for WORD, whatever is in it. */
static char *quote(struct arena *arena, const char *word)
{
	char *text = arena_take(arena, strlen(word) * 4 + 3), *at = text;

	*at++ = '\'';
	for (; *word != '\0'; word++) {
		if (*word == '\'')
			at = stpcpy(at, "'\\'");
		*at++ = *word;
	}
	*at = '\'';
	return text;
}

static void add(struct arena *arena, struct text_list *list, const char *word)
{
	text_list_add(arena, list, arena_text(arena, word));
}

int remote_by_ssh(struct arena *arena, const struct remote_place *place,
		  const struct text_list *words, bool terminal, const char *const *environment)
{
	const char *program = child_find(arena, text_variable(environment, "PATH"), "ssh");
	struct text_list ssh = { 0 };

	if (program == NULL)
		return fail_plain(-ENOENT, "cannot reach host '%s': there is no ssh (install it)",
				  place->host);
	add(arena, &ssh, "ssh");
	if (terminal)
		add(arena, &ssh, "-t");
	if (place->port != NULL) {
		add(arena, &ssh, "-p");
		add(arena, &ssh, place->port);
	}
	add(arena, &ssh, place->host);
	add(arena, &ssh, "--");
	/* The other side's shell reads them once more. */
	for (size_t i = 0; i < words->count; i++)
		text_list_add(arena, &ssh, quote(arena, words->items[i]));
	execve(program, ssh.items, (char *const *)environment);
	return fail(-errno, "cannot run '%s'", program);
}
