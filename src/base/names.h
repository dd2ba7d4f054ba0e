/* base/names - the one validator for machine and host names (class S5). Pure.
 *
 * Grammar (reference: systemd-nspawn, table 2.2): 1..64 of A-Z a-z 0-9 - and ".", no empty
 * label, no "-" at a label's edge. No memory is allocated: programs that are not ours ask too.
 */
#pragma once
#include <stdbool.h>

#define NAME_MAX_LENGTH 64

bool name_is_machine(const char *name);
/* A further name of a machine (Names=), in lower case into RET: of the same grammar, but no
 * address, and none that means something by itself: "localhost", "machine", or below one of these.
 */
bool name_further(char ret[NAME_MAX_LENGTH + 1], const char *name);
/* NAME, a further one, means the host that calls itself NODE: the same, or one is the other's first
 * label alone. */
bool name_is_node(const char *name, const char *node);
/* 1..15 bytes, no "/" ":" "%" blank or control, not "." ".." "all" "default", not a number. */
bool name_is_interface(const char *name);
/* An interface that is there can be found by such a name as well: 1..127 bytes, else the same. */
bool name_is_alternative(const char *name);
bool name_is_user(const char *name); /* strict POSIX-like: [a-z_A-Z][a-zA-Z0-9_-]*, up to 31 */
bool name_is_credential(const char *name);
bool name_is_environment(
	const char *assignment); /* NAME=VALUE with a good NAME, no control but tab and newline */
