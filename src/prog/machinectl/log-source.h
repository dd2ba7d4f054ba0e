/* prog/machinectl/log-source - where a machine's log is, and its last lines. Speaking.
 *
 * A log is what the guest or its console wrote: on a terminal it is shown escaped (class S24), and
 * files of the guest are opened below its root and must be regular ones.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct context;
struct machine;

/* To standard output; each returns 1 when it was the source, 0 when there is none of its kind. */

/* The host's journal about UNIT (or those that would have run NAME: UNIT is NULL). */
int log_from_host(const struct context *context, const char *unit, const char *name);

/* What the guest's own journalctl says. */
int log_from_guest(const struct context *context, const struct machine *machine);

/* The file of a machine that was started detached. */
int log_from_detached(const struct context *context, const char *name);

/* /var/log/messages or syslog of the guest. */
int log_from_files(const struct context *context, const struct machine *machine);
