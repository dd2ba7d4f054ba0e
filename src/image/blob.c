#include "image/blob.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/fail.h"

int blob_find(const struct store *store, const char *digest)
{
	const char *name = store_digest_name(digest);
	int fd;

	if (name == NULL)
		return fail_input("'%s' is no digest (sha256: and 64 digits in lower case)",
				  digest);
	fd = store_hold(store, STORE_BLOBS, name);
	return fd < 0 && fd != -ENOENT
		       ? fail(fd, "cannot open the blob '%s' in '%s'", digest, store->path)
		       : fd;
}

int blob_begin(const struct store *store, struct store_part *ret)
{
	int r = store_begin(store, ret, STORE_BLOBS, false);

	return r < 0 ? fail(r, "cannot make a file in the store '%s'", store->path) : 0;
}

int blob_commit(struct store_part *blob, const char *digest)
{
	const char *name = store_digest_name(digest);
	int r;

	if (name == NULL)
		return fail_input("'%s' is no digest (sha256: and 64 digits in lower case)",
				  digest);
	/* Nobody changes what others believe in. */
	if (fchmod(blob->fd, 0400) < 0 || fsync(blob->fd) < 0)
		return fail(-errno, "cannot write the blob '%s' to disk", digest);
	r = store_publish(blob, name);
	return r < 0 ? fail(r, "cannot give the blob '%s' its name", digest) : 0;
}
