#include "prog/redd/sum.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "format/digest.h"
#include "io/dir.h"
#include "io/fd.h"

#define PART ((size_t)128 * 1024)
#define ATTRIBUTES_MAX ((size_t)64 * 1024) /* XATTR_LIST_MAX and XATTR_SIZE_MAX of the kernel */
#define DEPTH_MAX 400			   /* two descriptors each, of the usual 1024 */

struct sum {
	EVP_MD_CTX *hash;
	unsigned char *part;
	char *names, *value; /* of attributes */
	dev_t device;
	int depth;
};

static void add(struct sum *sum, const void *data, size_t size)
{
	EVP_DigestUpdate(sum->hash, data, size);
}

static void add_words(struct sum *sum, const char *text)
{
	add(sum, text, strlen(text) + 1);
}

static void add_numbers(struct sum *sum, unsigned long long a, unsigned long long b,
			unsigned long long c, unsigned long long d)
{
	char text[96];

	snprintf(text, sizeof(text), "%llo %llu %llu %llu", a, b, c, d);
	add_words(sum, text);
}

static int add_bytes(struct sum *sum, int fd)
{
	ssize_t size;

	while ((size = read(fd, sum->part, PART)) != 0) {
		if (size < 0 && errno == EINTR)
			continue;
		if (size < 0)
			return -errno;
		add(sum, sum->part, (size_t)size);
	}
	return 0;
}

/* ---- a tree ---- */

/* What the kernel itself keeps there is not a part of the tree. */
static bool counts(const char *name)
{
	return strncmp(name, "security.selinux", 16) != 0 &&
	       strncmp(name, "trusted.overlay.", 16) != 0 &&
	       strncmp(name, "user.overlay.", 13) != 0;
}

static int add_attributes(struct sum *sum, int fd)
{
	struct text_list list = { 0 };
	autoarena struct arena scratch = { 0 };
	char path[32];
	ssize_t length, size;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	length = listxattr(path, sum->names, ATTRIBUTES_MAX);
	if (length < 0 && errno != EOPNOTSUPP && errno != ENOSYS)
		return -errno;
	for (char *name = sum->names; name < sum->names + length; name += strlen(name) + 1)
		if (counts(name))
			text_list_add(&scratch, &list, arena_text(&scratch, name));
	text_list_sort(&list);
	/* With numbers before what anybody may fill, so that no two trees are the same bytes. */
	add_numbers(sum, list.count, 0, 0, 0);
	for (size_t i = 0; i < list.count; i++) {
		size = getxattr(path, list.items[i], sum->value, ATTRIBUTES_MAX);
		if (size < 0)
			return -errno;
		add_words(sum, list.items[i]);
		add_numbers(sum, (unsigned long long)size, 0, 0, 0);
		add(sum, sum->value, (size_t)size);
	}
	return 0;
}

static int add_directory(struct sum *sum, int fd);

static int add_content(struct sum *sum, int fd, const struct stat *st)
{
	autoclose int opened = -EBADF;
	ssize_t size;

	if (S_ISLNK(st->st_mode)) {
		size = readlinkat(fd, "", (char *)sum->part, PART - 1);
		if (size < 0)
			return -errno;
		sum->part[size] = '\0';
		add_words(sum, (const char *)sum->part);
		return 0;
	}
	if (!S_ISREG(st->st_mode) && !S_ISDIR(st->st_mode))
		return 0;
	opened = fd_reopen(fd, O_RDONLY);
	if (opened < 0)
		return opened;
	return S_ISREG(st->st_mode) ? add_bytes(sum, opened) : add_directory(sum, opened);
}

static int add_entry(struct sum *sum, int dir_fd, const char *name)
{
	autoclose int fd = openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	bool device;
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	device = S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode);
	add_words(sum, name);
	add_numbers(sum, st.st_mode, st.st_uid, st.st_gid,
		    device		  ? st.st_rdev
		    : S_ISREG(st.st_mode) ? (unsigned long long)st.st_size
					  : 0);
	if (st.st_dev != sum->device)
		return 0;
	r = S_ISLNK(st.st_mode) ? 0 : add_attributes(sum, fd);
	return r < 0 ? r : add_content(sum, fd, &st);
}

static int add_directory(struct sum *sum, int fd)
{
	autoarena struct arena arena = { 0 };
	struct text_list names = { 0 };
	int r = sum->depth >= DEPTH_MAX ? -ELOOP : dir_names(&arena, &names, fd);

	sum->depth++;
	for (size_t i = 0; i < names.count && r >= 0; i++)
		r = add_entry(sum, fd, names.items[i]);
	sum->depth--;
	add_words(sum, ""); /* no name is empty: the end of a directory */
	return r;
}

static int add_tree(struct sum *sum, int fd)
{
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return -errno;
	sum->device = st.st_dev;
	add_numbers(sum, st.st_mode, st.st_uid, st.st_gid, 0);
	r = add_attributes(sum, fd);
	return r < 0 ? r : add_directory(sum, fd);
}

/* ---- */

static int begin(struct arena *arena, struct sum *sum)
{
	*sum = (struct sum){ .hash = EVP_MD_CTX_new() };
	if (sum->hash == NULL || EVP_DigestInit_ex(sum->hash, EVP_sha256(), NULL) != 1)
		return fail(-EIO, "cannot compute a sum: libcrypto has no SHA-256");
	sum->part = arena_take(arena, PART);
	sum->names = arena_take(arena, ATTRIBUTES_MAX);
	sum->value = arena_take(arena, ATTRIBUTES_MAX);
	return 0;
}

static const char *end(struct arena *arena, struct sum *sum)
{
	unsigned char bytes[EVP_MAX_MD_SIZE];
	unsigned int size = 0;
	struct digest digest;

	EVP_DigestFinal_ex(sum->hash, bytes, &size);
	(void)digest_make(&digest, DIGEST_SHA256, bytes, size);
	return arena_text(arena, digest.text);
}

static void sum_done(struct sum *sum)
{
	EVP_MD_CTX_free(sum->hash);
}

typedef int add_fn(struct sum *sum, int fd);

static int sum_any(struct arena *arena, const char **ret, const char *path, int flags, add_fn *fill)
{
	struct sum sum CLEANUP(sum_done) = { 0 };
	autoclose int fd = open(path, O_RDONLY | O_NOCTTY | O_CLOEXEC | flags);
	int r;

	if (fd < 0)
		return fail(-errno, "cannot open '%s'", path);
	r = begin(arena, &sum);
	if (r < 0)
		return r;
	r = fill(&sum, fd);
	if (r < 0)
		return fail(r, "cannot read '%s' whole", path);
	*ret = end(arena, &sum);
	return 0;
}

int sum_file(struct arena *arena, const char **ret, const char *path)
{
	return sum_any(arena, ret, path, 0, add_bytes);
}

int sum_tree(struct arena *arena, const char **ret, const char *path)
{
	return sum_any(arena, ret, path, O_DIRECTORY, add_tree);
}

int sum_text(struct arena *arena, const char **ret, const char *text)
{
	struct sum sum CLEANUP(sum_done) = { 0 };
	int r = begin(arena, &sum);

	if (r < 0)
		return r;
	add(&sum, text, strlen(text));
	*ret = end(arena, &sum);
	return 0;
}
