/* engine/environ - the environment of the payload.
 *
 * In order of increasing priority as the reference's table 11.1 has it. Nothing of the
 * supervisor's own environment goes in but TERM, COLORTERM and NO_COLOR (class S22).
 * Runs in: supervisor, before the payload exists.
 */
#pragma once

struct arena;
struct guest_user;
struct host;
struct root_facts;
struct spec;

struct environ_facts {
	const struct spec *spec;
	const struct host *host;
	const struct root_facts *root;
	const struct guest_user *user;
	int listen_fds;
};

/* NULL-terminated. */
char **environ_build(struct arena *arena, const struct environ_facts *facts);
