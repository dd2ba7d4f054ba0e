/* cli/pager - shows a text that is longer than the screen through a program that pages. Quiet.
 *
 * $SYSTEMD_PAGER, else $PAGER, else less, else more; "" and "cat" are none. less gets the options
 * $SYSTEMD_LESS, by default FRSXMK. For who became root by sudo, less runs no further programs,
 * unless $SYSTEMD_PAGERSECURE says otherwise. The caller's process waits.
 */
#pragma once
#include <stdbool.h>

struct arena;

/* Whether a screen of ROWS lines is too small. */
bool pager_wanted(const char *text, unsigned int rows);

/* -ENOENT: there is no pager. */
int pager_show(struct arena *arena, const char *text, const char *const *environment);
