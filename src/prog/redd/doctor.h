/* prog/redd/doctor - what this host can do, on which rung, and how to get the rest.
 *
 * Each question is asked of the kernel, of a file or of a program's place, as whoever asks: root or
 * a user. What is tried is tried in a child with namespaces of its own, or on descriptors that
 * nobody else sees, so nothing is left behind. A kernel module that is there but not loaded is not
 * loaded for it. Quiet.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "image/find.h"

struct arena;

enum doctor_state {
	DOCTOR_YES,
	DOCTOR_LESS, /* a step down is taken */
	DOCTOR_NO,
};

struct doctor_line {
	const char *area, *what;
	enum doctor_state state;
	const char *found; /* the rung, or what is there; NULL: nothing more to say */
	const char *lost;  /* without it; NULL: nothing */
	const char *hint;  /* how to get it; NULL: unknown */
	bool needed;	   /* no container starts without */
};

struct doctor {
	struct arena *arena;
	const char *const *environment;
	const char *programs; /* $PATH */
	struct find_scope scope;
	const char *runtime, *store;
	bool root;
	const char *modules; /* texts of modules.builtin and modules.dep; "": not there */
	struct doctor_line *lines;
	size_t count;
};

void doctor_init(struct doctor *ret, struct arena *arena, const char *const *environment,
		 const struct find_scope *scope, const char *runtime, const char *store);

/* All questions, in their order. */
void doctor_ask(struct doctor *doctor);

/* No line that is needed says no. */
bool doctor_can_start(const struct doctor *doctor);

const char *doctor_state_word(enum doctor_state state); /* "yes", "less", "no" */

/* ---- for the groups of questions ---- */

struct doctor_line *doctor_add(struct doctor *doctor, const char *area, const char *what);

/* YES for 0, else NO, with LOST and HINT. */
void doctor_result(struct doctor_line *line, int result, const char *found, const char *lost,
		   const char *hint);

/* PROBE in a child with these namespaces (CLONE_NEW…), for a user in a user namespace as well,
 * where it is root. What it returns, which is not below -255. */
typedef int doctor_probe_fn(void *context);
int doctor_try(const struct doctor *doctor, uint64_t namespaces, doctor_probe_fn *probe,
	       void *context);

enum doctor_module { DOCTOR_MODULE_NONE, DOCTOR_MODULE_THERE, DOCTOR_MODULE_LOADED };

/* THERE: it would be loaded when it is needed. */
enum doctor_module doctor_module(const struct doctor *doctor, const char *name);

void doctor_kernel(struct doctor *doctor);
void doctor_users(struct doctor *doctor);
void doctor_cgroups(struct doctor *doctor);
void doctor_storage(struct doctor *doctor);
void doctor_network(struct doctor *doctor);
void doctor_services(struct doctor *doctor);
