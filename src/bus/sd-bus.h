/* bus/sd-bus - the functions of sd-bus that are used here, as they were found at run time.
 *
 * Their prototypes are declared here: they are a stable interface, and no header of the library is
 * needed to build. A file pair: sd-bus-dlopen.c loads the shared library, sd-bus-none.c is for
 * static programs, which cannot. Only for src/bus. Quiet.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bus/client.h"

struct sd_bus;
struct sd_bus_message;
struct sd_bus_slot;

struct sd_bus_error {
	const char *name, *message;
	int need_free;
};

typedef int sd_bus_handler_fn(struct sd_bus_message *message, void *context,
			      struct sd_bus_error *ret_error);

struct sd_bus_library {
	void *handle;
	int (*open_system)(struct sd_bus **ret);
	int (*open_user)(struct sd_bus **ret);
	void (*close)(struct sd_bus *bus);
	struct sd_bus *(*unref)(struct sd_bus *bus);
	int (*is_ready)(struct sd_bus *bus);
	int (*process)(struct sd_bus *bus, struct sd_bus_message **ret);
	int (*wait)(struct sd_bus *bus, uint64_t timeout_us);
	int (*get_fd)(struct sd_bus *bus);
	int (*get_unique_name)(struct sd_bus *bus, const char **ret);
	int (*call)(struct sd_bus *bus, struct sd_bus_message *message, uint64_t timeout_us,
		    struct sd_bus_error *ret_error, struct sd_bus_message **ret);
	int (*call_async)(struct sd_bus *bus, struct sd_bus_slot **ret,
			  struct sd_bus_message *message, sd_bus_handler_fn *handler, void *context,
			  uint64_t timeout_us);
	int (*match_signal_async)(struct sd_bus *bus, struct sd_bus_slot **ret, const char *sender,
				  const char *path, const char *interface, const char *member,
				  sd_bus_handler_fn *handler, sd_bus_handler_fn *installed,
				  void *context);
	struct sd_bus_slot *(*slot_unref)(struct sd_bus_slot *slot);
	void (*error_free)(struct sd_bus_error *error);
	int (*message_new)(struct sd_bus *bus, struct sd_bus_message **ret, const char *destination,
			   const char *path, const char *interface, const char *member);
	struct sd_bus_message *(*message_unref)(struct sd_bus_message *message);
	const struct sd_bus_error *(*message_error)(struct sd_bus_message *message);
	int (*append)(struct sd_bus_message *message, const char *types, ...);
	int (*append_array)(struct sd_bus_message *message, char type, const void *data,
			    size_t size);
	int (*open_container)(struct sd_bus_message *message, char type, const char *contents);
	int (*close_container)(struct sd_bus_message *message);
	int (*read)(struct sd_bus_message *message, const char *types, ...);
	int (*peek_type)(struct sd_bus_message *message, char *ret_type, const char **ret_contents);
	int (*enter_container)(struct sd_bus_message *message, char type, const char *contents);
	int (*exit_container)(struct sd_bus_message *message);
};

/* -ENOPKG: there is none, or it lacks a function. */
int sd_bus_library_load(struct sd_bus_library *ret);
void sd_bus_library_unload(struct sd_bus_library *library);

/* ---- what the files of src/bus share ---- */

struct bus {
	struct sd_bus_library sd;
	struct sd_bus *connection;
	char error[512];

	/* The one job that is waited for. */
	struct sd_bus_slot *jobs;
	bool answered; /* of an asynchronous request: */
	int answer;    /* what came back */
	char job[128]; /* its object path; "": none yet */
	bool done;
	char result[32]; /* when done */

	bool watches_stop, stop_requested; /* systemd_stop_requested() */
};

/* A call that ends after TIMEOUT_MS. *MESSAGE is used up, whatever happens; RET may be NULL. */
int bus_call(struct bus *bus, struct sd_bus_message **message, int timeout_ms,
	     struct sd_bus_message **ret);

/* Keep what went wrong for bus_error(), and return what errno says of it. */
int bus_keep_error(struct bus *bus, int code, const struct sd_bus_error *error);
int bus_say(struct bus *bus, int code, const char *format, ...) PRINTF(3, 4);

/* Handle what comes until *DONE. -ETIMEDOUT: DEADLINE_US (monotonic) is over. */
int bus_process_until(struct bus *bus, const bool *done, uint64_t deadline_us);

/* Until it can be used. */
int bus_wait_ready(struct bus *bus, int timeout_ms);
