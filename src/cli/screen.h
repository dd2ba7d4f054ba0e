/* cli/screen - what the screen that we print to can show. Pure: facts come in. */
#pragma once
#include <stdbool.h>

/* $SYSTEMD_COLORS decides if it is a boolean, then $NO_COLOR (set and not empty) forbids, then a
 * terminal that is not dumb has colours. ENVIRONMENT is "NAME=VALUE", NULL-terminated. */
bool screen_has_colour(const char *const *environment, bool is_terminal);
