#include "transfer/ring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int ring_init(struct ring *ring)
{
	memset(ring, 0, sizeof(*ring));
	ring->data = malloc(RING_BUFFERS * RING_SIZE);
	if (ring->data == NULL)
		return -ENOMEM;
	pthread_mutex_init(&ring->lock, NULL);
	pthread_cond_init(&ring->changed, NULL);
	return 0;
}

void ring_done(struct ring *ring)
{
	if (ring->data == NULL)
		return;
	pthread_cond_destroy(&ring->changed);
	pthread_mutex_destroy(&ring->lock);
	free(ring->data);
	ring->data = NULL;
}

static unsigned char *buffer(struct ring *ring, unsigned int number)
{
	return ring->data + (number % RING_BUFFERS) * RING_SIZE;
}

unsigned char *ring_room(struct ring *ring)
{
	bool stopped;

	pthread_mutex_lock(&ring->lock);
	while (!ring->stopped && ring->filled - ring->emptied == RING_BUFFERS)
		pthread_cond_wait(&ring->changed, &ring->lock);
	stopped = ring->stopped;
	pthread_mutex_unlock(&ring->lock);
	return stopped ? NULL : buffer(ring, ring->filled);
}

void ring_filled(struct ring *ring, size_t size)
{
	pthread_mutex_lock(&ring->lock);
	ring->size[ring->filled % RING_BUFFERS] = size;
	ring->filled++;
	pthread_cond_signal(&ring->changed);
	pthread_mutex_unlock(&ring->lock);
}

void ring_end(struct ring *ring, int code)
{
	pthread_mutex_lock(&ring->lock);
	ring->ended = true;
	ring->code = code;
	pthread_cond_signal(&ring->changed);
	pthread_mutex_unlock(&ring->lock);
}

int ring_next(struct ring *ring, unsigned char **ret)
{
	int r;

	pthread_mutex_lock(&ring->lock);
	while (!ring->ended && ring->filled == ring->emptied)
		pthread_cond_wait(&ring->changed, &ring->lock);
	r = ring->filled == ring->emptied ? ring->code
					  : (int)ring->size[ring->emptied % RING_BUFFERS];
	pthread_mutex_unlock(&ring->lock);
	if (r > 0)
		*ret = buffer(ring, ring->emptied);
	return r;
}

void ring_emptied(struct ring *ring)
{
	pthread_mutex_lock(&ring->lock);
	ring->emptied++;
	pthread_cond_signal(&ring->changed);
	pthread_mutex_unlock(&ring->lock);
}

void ring_stop(struct ring *ring)
{
	pthread_mutex_lock(&ring->lock);
	ring->stopped = true;
	pthread_cond_signal(&ring->changed);
	pthread_mutex_unlock(&ring->lock);
}
