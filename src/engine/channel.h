/* engine/channel - the one conversation between supervisor and payload.
 *
 * A SEQPACKET pair, so that every message is whole. The supervisor says GO
 * three times: when the payload's ids are mapped, when the tree is assembled (with the descriptors
 * that the payload needs), and when the program may run.
 * The payload answers with nothing (once, where links are to be made, that its network namespace is
 * there): exec closes its end, which is the success; a failure sends its whole record first. Quiet
 * but for channel_outcome() and channel_await().
 * Runs in: both.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/fail.h"

#define CHANNEL_FDS_MAX 4

struct channel {
	int supervisor, payload; /* -EBADF once closed */
};

int channel_open(struct channel *channel);
void channel_done(struct channel *channel);

/* Supervisor. The descriptors are borrowed; -EBADF entries are left out by the caller. */
int channel_go(struct channel *channel, const int *fds, size_t count);

/* Payload: wait for GO. Descriptors arrive O_CLOEXEC in the order sent.
 * -EPIPE: the supervisor is gone. */
int channel_wait(struct channel *channel, int *ret_fds, size_t count);

/* Payload: what the supervisor waits for is done. */
int channel_announce(const struct channel *channel);

/* Supervisor: wait for that. The payload's failure is recorded here, as by channel_outcome(). */
int channel_await(struct channel *channel);

/* Payload: did the supervisor die? Never blocks. */
bool channel_is_dead(const struct channel *channel);

/* Payload: send what fail() recorded. Nobody is left to tell when this fails. */
void channel_report(const struct channel *channel, const struct failure *failure);

/* Supervisor: read what there is without blocking. 1: the payload runs its program (its end was
 * closed by exec); 0: nothing yet; negative: the payload failed, its sentence is now recorded here.
 */
int channel_outcome(struct channel *channel);
