/* machine/guest-init - which init the tree has, and how to ask it to stop.
 *
 * Found by looking at names and links inside the tree, never by running it.
 * Speaking is left to the caller. Supervisor.
 */
#pragma once
#include <stdbool.h>

struct arena;

enum guest_init_kind {
	GUEST_INIT_UNKNOWN,
	GUEST_INIT_SYSTEMD,
	GUEST_INIT_BUSYBOX,
	GUEST_INIT_SYSVINIT,
	GUEST_INIT_OPENRC,
	GUEST_INIT_RUNIT,
	GUEST_INIT_S6,
	GUEST_INIT_DINIT,
};

struct guest_init {
	enum guest_init_kind kind;
	const char *program; /* path inside the tree to exec as PID 1 */
	int stop_signal;     /* the default of --kill-signal= for this init */
	int poweroff_signal; /* ^]^]p */
	int reboot_signal;   /* ^]^]r */
};

/* 0, or -ENOENT: there is none of the places where an init is looked for. */
int guest_init_find(struct arena *arena, struct guest_init *ret, int root_fd);

/* One that was named: it knows systemd's signals. */
struct guest_init guest_init_given(const char *program);

/* Some inits want more than a signal: runit a mark in a file, sysvinit a request in its fifo
 * instead. Writes it below ROOT_FD, the running container's root. 1: done, no signal is needed;
 * 0: now send the signal; < 0: it could not be written, the signal is the best there is. Never
 * waits, follows no link out. */
int guest_init_request(const struct guest_init *init, int root_fd, bool reboot);

const char *guest_init_name(enum guest_init_kind kind);
