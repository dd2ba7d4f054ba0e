/* Feeds every file of the given directories to a fuzz target: what was once found stays found,
 * also with a compiler that has no fuzzer. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "fuzz.h"
#include "io/dir.h"
#include "io/fd.h"
#include "io/file.h"

#define INPUT_MAX (4 * 1024 * 1024)

static int replay(int dir_fd, const char *name, unsigned char type, void *context)
{
	autoarena struct arena arena = {};
	uint8_t *exact;
	size_t size;
	char *data;
	int r;

	if (type != DT_REG)
		return 0;
	r = file_read(&arena, &data, &size, dir_fd, name, INPUT_MAX);
	if (r < 0)
		return r;
	/* Without the terminator, so that reading past the end is seen. */
	exact = malloc(size > 0 ? size : 1);
	if (exact == NULL)
		abort();
	for (size_t i = 0; i < size; i++)
		exact[i] = (uint8_t)data[i];
	LLVMFuzzerTestOneInput(exact, size);
	free(exact);
	++*(int *)context;
	return 0;
}

int main(int argc, char **argv)
{
	int count = 0;

	for (int i = 1; i < argc; i++) {
		autoclose int dir = open(argv[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (dir < 0 || dir_walk(dir, replay, &count) < 0) {
			fprintf(stderr, "cannot read '%s'\n", argv[i]);
			return EXIT_FAILURE;
		}
	}
	printf("%d inputs\n", count);
	return count > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
