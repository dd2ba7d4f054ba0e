/* qcow2-to-raw IMAGE RAW: what an import does with a qcow2 image, and nothing else. For
 * comparisons. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/fd.h"
#include "transfer/qcow2.h"

int main(int argc, char **argv)
{
	const struct qcow2_job job = { .size_max = INT64_MAX, .threads = QCOW2_THREADS };
	autoclose int image = -EBADF, raw = -EBADF;
	const char *why;
	int r;

	if (argc != 3)
		return 2;
	image = open(argv[1], O_RDONLY | O_CLOEXEC);
	raw = open(argv[2], O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (image < 0 || raw < 0)
		return 2;
	r = qcow2_convert_file(&job, raw, image, &why);
	if (r < 0) {
		fprintf(stderr, "%s\n", why != NULL ? why : strerror(-r));
		return 1;
	}
	return 0;
}
