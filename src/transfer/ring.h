/* transfer/ring - a few large buffers between two threads: one fills, one empties.
 *
 * Each thread calls its own half only. Buffers are filled to the last byte, except for the last
 * one, so that blocks of a power of two never lie across two of them. Inside a worker. Quiet.
 */
#pragma once
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#define RING_BUFFERS 6
#define RING_SIZE ((size_t)256 * 1024)

struct ring {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned char *data; /* all buffers */
	size_t size[RING_BUFFERS];
	unsigned int filled, emptied; /* how many so far */
	bool ended, stopped;
	int code; /* of the end */
};

int ring_init(struct ring *ring);
void ring_done(struct ring *ring);

/* ---- who fills ---- */

/* An empty buffer of RING_SIZE; NULL: the other side wants no more. Waits. */
unsigned char *ring_room(struct ring *ring);

/* The buffer of ring_room() has SIZE bytes now, more than 0. */
void ring_filled(struct ring *ring, size_t size);

/* No more will come; CODE: 0 or a negative errno. */
void ring_end(struct ring *ring, int code);

/* ---- who empties ---- */

/* The oldest full buffer, until ring_emptied(); its size, 0 at the end, or the code of the end
 * (after all that was filled before). Waits. */
int ring_next(struct ring *ring, unsigned char **ret);
void ring_emptied(struct ring *ring);

/* Wants no more. */
void ring_stop(struct ring *ring);
