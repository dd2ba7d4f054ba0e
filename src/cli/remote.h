/* cli/remote - the same command on another host, by ssh. Speaking.
 *
 * HOST as the option says it: [USER@]HOST[:PORT][/MACHINE]. The program has the same name there.
 */
#pragma once
#include <stdbool.h>

struct arena;
struct text_list;

/* A bare IPv6 address has no port. */
struct remote_place {
	const char *host, *port, *machine; /* NULL: none was said */
};

int remote_place(struct arena *arena, struct remote_place *ret, const char *text);

/* Becomes ssh, with WORDS as the command; returns only when it cannot. TERMINAL: it gets one. */
int remote_by_ssh(struct arena *arena, const struct remote_place *place,
		  const struct text_list *words, bool terminal, const char *const *environment);
