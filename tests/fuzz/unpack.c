/* Whatever an archive holds: nothing is made above the tree, no more than the limits say, and who
 * is refused is told why. Twice: as a tree, and as a layer of an image. */
#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fail.h"
#include "fuzz.h"
#include "io/dir.h"
#include "io/fd.h"
#include "transfer/stream.h"
#include "transfer/tar.h"
#include "transfer/unpack.h"

#define BYTES_MAX (1 << 20)
#define FILES_MAX 200
#define SUM_AT 148
#define SUM_SIZE 8
#define MAGIC_AT 257

/* Else every change of a header would be one of its sum, and nothing behind it be reached. */
static void mend_sums(unsigned char *data, size_t size)
{
	for (size_t at = 0; at + TAR_BLOCK <= size; at += TAR_BLOCK) {
		unsigned char *block = data + at;
		unsigned int sum = 0;
		char text[SUM_SIZE];

		if (memcmp(block + MAGIC_AT, "ustar", 5) != 0)
			continue;
		memset(block + SUM_AT, ' ', SUM_SIZE);
		for (size_t i = 0; i < TAR_BLOCK; i++)
			sum += block[i];
		snprintf(text, sizeof(text), "%06o", sum);
		memcpy(block + SUM_AT, text, sizeof(text) - 1);
	}
}

static int notice(void *context, const char *sentence)
{
	(void)context;
	assert(sentence[0] != '\0');
	return 0;
}

static int count_one(int dir_fd, const char *name, unsigned char type, void *context)
{
	(void)dir_fd;
	(void)type;
	assert(strcmp(name, "tree") == 0 || strcmp(name, "sentinel") == 0);
	(*(size_t *)context)++;
	return 0;
}

static void unpack(int archive, int place, bool layer)
{
	const struct stream_wish from = { .name = "fuzz", .bytes_max = 4 * BYTES_MAX };
	const struct unpack_wish wish = {
		.bytes_max = BYTES_MAX,
		.files_max = FILES_MAX,
		.layer = layer,
		.lift = true,
	};
	autostream struct stream *stream = NULL;
	autoclose int tree = -EBADF;
	struct unpack_result result;
	struct unpack_context context = { .notice = notice };
	size_t beside = 0;

	assert(mkdirat(place, "tree", 0755) == 0);
	context.tree_fd = tree = openat(place, "tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert(tree >= 0 && lseek(archive, 0, SEEK_SET) == 0);
	fail_forget();
	if (stream_open(&stream, archive, &from) >= 0 &&
	    unpack_tar(&context, stream, &wish, &result) >= 0)
		assert(result.files <= FILES_MAX && result.bytes <= BYTES_MAX);
	else
		assert(fail_recorded()->text[0] != '\0');
	assert(lseek(place, 0, SEEK_SET) == 0);
	assert(dir_walk(place, count_one, &beside) == 0 && beside == 2);
	assert(dir_remove_all(place, "tree") == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[] = "/dev/shm/redd-fuzz.XXXXXX";
	autoclose int archive = memfd_create("archive", MFD_CLOEXEC), place = -EBADF;
	unsigned char *copy;
	struct stat before, after;

	if (size == 0 || size > 64 * TAR_BLOCK)
		return 0;
	copy = malloc(size);
	assert(copy != NULL && archive >= 0 && mkdtemp(path) != NULL);
	memcpy(copy, data, size);
	mend_sums(copy, size);
	assert(fd_write_all(archive, copy, size) == 0);
	free(copy);
	place = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert(place >= 0 && mkdirat(place, "sentinel", 0700) == 0);
	assert(fstatat(place, "sentinel", &before, 0) == 0);
	unpack(archive, place, false);
	unpack(archive, place, true);
	assert(fstatat(place, "sentinel", &after, 0) == 0);
	assert(after.st_mode == before.st_mode && after.st_nlink == before.st_nlink &&
	       after.st_mtim.tv_nsec == before.st_mtim.tv_nsec);
	assert(dir_remove_all(AT_FDCWD, path) == 0);
	return 0;
}
