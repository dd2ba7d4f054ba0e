/* declare/nixos-child - programs that work for us for long: nix, and what calls it.
 *
 * When we are asked to end (SIGINT, SIGTERM, SIGHUP, SIGQUIT), such a child is asked as well, and
 * has ended before we go on; when we are killed, it is asked to end. Quiet. Any process with one
 * thread.
 */
#pragma once
#include <signal.h>

struct child_request;

/* From here on until nixos_child_let_go() those signals wait, so that what was begun is finished or
 * taken back; only a child gets them. */
void nixos_child_hold(sigset_t *ret_before);
void nixos_child_let_go(const sigset_t *before);

/* As child_run(); and -EINTR: it has ended because we were asked to. */
int nixos_child_run(int *ret_status, const struct child_request *request);
