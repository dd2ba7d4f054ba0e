/* What importctl does with archives, without its store: an image from a file, a file from one.
 *
 *   archive-tool import-tar FILE DIRECTORY [layer|lift|no-devices]...
 *   archive-tool export-tar DIRECTORY FILE COMPRESSION
 *   archive-tool import-raw FILE IMAGE
 *   archive-tool export-raw IMAGE FILE COMPRESSION
 *
 * $BYTES_MAX, $FILES_MAX: limits. $SYNC: as publishing does. Prints notices and what came out.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fail.h"
#include "transfer/archive.h"
#include "transfer/between.h"

static void print_notice(void *context, const char *sentence)
{
	(void)context;
	printf("notice: %s\n", sentence);
}

static int open_or_die(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0644);

	if (fd < 0) {
		perror(path);
		exit(2);
	}
	return fd;
}

static uint64_t number_of(const char *name)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 10) : 0;
}

static void print_digest(const char *name, const unsigned char *digest)
{
	printf("%s=", name);
	for (size_t i = 0; i < STREAM_DIGEST; i++)
		printf("%02x", digest[i]);
	printf("\n");
}

/* Decompressed, and summed on the way to who takes it. */
static int sum(int fd, const struct archive_wish *wish, struct archive_result *ret)
{
	const struct between_wish between_wish = {
		.name = wish->name,
		.input = fd,
		.decompress = true,
		.digest_in = true,
		.quiet = true,
	};
	struct between between;
	char data[65536];
	int r = between_start(&between, &between_wish);

	if (r < 0)
		return r;
	while (read(between.output, data, sizeof(data)) > 0)
		;
	r = between_finish(&between, &ret->stream);
	between_done(&between);
	return r;
}

int main(int argc, char **argv)
{
	const struct archive_listener listener = { .notice = print_notice };
	struct archive_wish wish = {
		.bytes_max = number_of("BYTES_MAX"),
		.files_max = number_of("FILES_MAX"),
		.digest_in = getenv("DIGESTS") != NULL,
	};
	struct archive_result result = { 0 };
	int from, to = -EBADF, r = -EINVAL, compression = COMPRESSION_NONE;

	if (argc < 4)
		return 2;
	for (int i = 4; i < argc; i++) {
		wish.layer = wish.layer || strcmp(argv[i], "layer") == 0;
		wish.lift = wish.lift || strcmp(argv[i], "lift") == 0;
		wish.no_devices = wish.no_devices || strcmp(argv[i], "no-devices") == 0;
	}
	if (strncmp(argv[1], "export-", 7) == 0 && argc > 4)
		compression = compression_parse(argv[4]);
	if (compression < 0)
		return 2;
	wish.name = argv[2];
	from = open_or_die(argv[2], O_RDONLY);
	if (strcmp(argv[1], "import-tar") == 0) {
		to = open_or_die(argv[3], O_RDONLY | O_DIRECTORY);
		r = archive_import_tar(from, to, &wish, &result, &listener);
	} else if (strcmp(argv[1], "import-raw") == 0) {
		int scratch = open_or_die("/var/tmp", O_TMPFILE | O_RDWR);

		to = open_or_die(argv[3], O_RDWR | O_CREAT | O_TRUNC);
		r = archive_import_raw(from, to, scratch, &wish, &result, &listener);
	} else if (strcmp(argv[1], "export-tar") == 0) {
		to = open_or_die(argv[3], O_WRONLY | O_CREAT | O_TRUNC);
		r = archive_export_tar(from, to, (enum compression)compression, wish.digest_in,
				       &result, &listener);
	} else if (strcmp(argv[1], "export-raw") == 0) {
		to = open_or_die(argv[3], O_WRONLY | O_CREAT | O_TRUNC);
		r = archive_export_raw(from, to, (enum compression)compression, &result, &listener);
	} else if (strcmp(argv[1], "sum") == 0) {
		r = sum(from, &wish, &result);
	}
	if (r < 0) {
		fprintf(stderr, "%s\n", fail_recorded()->text);
		return 1;
	}
	if (getenv("SYNC") &&
	    (strncmp(argv[1], "import-tar", 10) == 0 ? syncfs(to) : fsync(to)) < 0)
		return 1;
	printf("files=%llu bytes=%llu in=%llu out=%llu compression=%s qcow2=%d\n",
	       (unsigned long long)result.files, (unsigned long long)result.bytes,
	       (unsigned long long)result.stream.in, (unsigned long long)result.stream.out,
	       compression_name(result.stream.compression), result.qcow2);
	if (wish.digest_in) {
		print_digest("digest-in", result.stream.digest_in);
		print_digest("digest-out", result.stream.digest_out);
	}
	return 0;
}
