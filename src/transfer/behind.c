#include "transfer/behind.h"

#include <unistd.h>

static void *write_all(void *context)
{
	struct behind *behind = context;

	pthread_mutex_lock(&behind->lock);
	while (!behind->ended) {
		if (behind->wanted) {
			behind->wanted = false;
			pthread_mutex_unlock(&behind->lock);
			(void)syncfs(behind->fd);
			pthread_mutex_lock(&behind->lock);
			continue;
		}
		pthread_cond_wait(&behind->changed, &behind->lock);
	}
	pthread_mutex_unlock(&behind->lock);
	return NULL;
}

void behind_start(struct behind *behind, int fd)
{
	*behind = (struct behind){ .fd = fd };
	pthread_mutex_init(&behind->lock, NULL);
	pthread_cond_init(&behind->changed, NULL);
}

void behind_note(struct behind *behind, uint64_t bytes)
{
	if (bytes - behind->done < BEHIND_BYTES)
		return;
	behind->done = bytes;
	/* Most archives are smaller than that. */
	if (!behind->runs)
		behind->runs = pthread_create(&behind->thread, NULL, write_all, behind) == 0;
	pthread_mutex_lock(&behind->lock);
	behind->wanted = true;
	pthread_cond_signal(&behind->changed);
	pthread_mutex_unlock(&behind->lock);
}

void behind_stop(struct behind *behind)
{
	if (behind->runs) {
		pthread_mutex_lock(&behind->lock);
		behind->ended = true;
		pthread_cond_signal(&behind->changed);
		pthread_mutex_unlock(&behind->lock);
		pthread_join(behind->thread, NULL);
	}
	pthread_cond_destroy(&behind->changed);
	pthread_mutex_destroy(&behind->lock);
}
