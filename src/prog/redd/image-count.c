#include "prog/redd/image-count.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/macros.h"
#include "base/path.h"
#include "base/text.h"
#include "cli/table.h"
#include "image/mstack.h"
#include "image/store.h"
#include "image/view.h"
#include "io/dir.h"
#include "io/fd.h"
#include "io/file.h"
#include "kernel/resolve.h"
#include "prog/redd/program.h"

#define DEPTH_MAX 400 /* as prog/redd/sum */
#define PART ((size_t)64 * 1024)
#define LIST_MAX ((size_t)64 * 1024 * 1024) /* of packages */

struct counts {
	size_t added, removed, changed;
};

struct counting {
	const char *const *environment;
	const char *paths[2]; /* of the trees */
	struct counts files, packages;
	int depth;
};

/* ---- files ---- */

/* A directory that is none, of FD < 0, has none. */
static int list_names(struct arena *arena, struct text_list *ret, int fd)
{
	return fd < 0 ? 0 : dir_names(arena, ret, fd);
}

static int open_below(int dir_fd, const char *name, int flags)
{
	int fd = openat(dir_fd, name, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* 1: they are the same bytes. */
static int same_bytes(int a_dir, int b_dir, const char *name)
{
	autoclose int a = open_below(a_dir, name, O_RDONLY), b = open_below(b_dir, name, O_RDONLY);
	char first[PART], second[PART];

	if (a < 0 || b < 0)
		return MIN(a, b);
	for (;;) {
		ssize_t had = read(a, first, PART),
			has = had <= 0 ? 0 : read(b, second, (size_t)had);

		if (had < 0 || has < 0)
			return -errno;
		if (had == 0)
			return 1;
		if (had != has || memcmp(first, second, (size_t)had) != 0)
			return 0;
	}
}

static int same_link(int a_dir, int b_dir, const char *name)
{
	char first[4096], second[4096];
	ssize_t had = readlinkat(a_dir, name, first, sizeof(first));
	ssize_t has = readlinkat(b_dir, name, second, sizeof(second));

	return had >= 0 && had == has && memcmp(first, second, (size_t)had) == 0;
}

static int is_same(int a_dir, int b_dir, const char *name, const struct stat *a,
		   const struct stat *b)
{
	if (a->st_mode != b->st_mode || a->st_uid != b->st_uid || a->st_gid != b->st_gid)
		return 0;
	if (S_ISLNK(a->st_mode))
		return same_link(a_dir, b_dir, name);
	if (!S_ISREG(a->st_mode))
		return S_ISDIR(a->st_mode) || a->st_rdev == b->st_rdev;
	if (a->st_size != b->st_size)
		return 0;
	/* Times tell nothing: archives have whole seconds, or the same one everywhere. */
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino ? 1
								: same_bytes(a_dir, b_dir, name);
}

static int count_directory(struct counting *counting, int a_dir, int b_dir);

/* NAME in one of them, or in both (a descriptor that is negative: there is none). */
static int count_one(struct counting *counting, int a_dir, int b_dir, const char *name)
{
	autoclose int a_fd = -EBADF, b_fd = -EBADF;
	struct stat a = { .st_mode = 0 }, b = { .st_mode = 0 };
	int r;

	if ((a_dir >= 0 && fstatat(a_dir, name, &a, AT_SYMLINK_NOFOLLOW) < 0) ||
	    (b_dir >= 0 && fstatat(b_dir, name, &b, AT_SYMLINK_NOFOLLOW) < 0))
		return -errno;
	if (a_dir < 0)
		counting->files.added++;
	else if (b_dir < 0)
		counting->files.removed++;
	else {
		r = is_same(a_dir, b_dir, name, &a, &b);
		if (r < 0)
			return r;
		counting->files.changed += r == 0;
	}
	if (S_ISDIR(a.st_mode))
		a_fd = open_below(a_dir, name, O_RDONLY | O_DIRECTORY);
	if (S_ISDIR(b.st_mode))
		b_fd = open_below(b_dir, name, O_RDONLY | O_DIRECTORY);
	if ((S_ISDIR(a.st_mode) && a_fd < 0) || (S_ISDIR(b.st_mode) && b_fd < 0))
		return a_fd < 0 && S_ISDIR(a.st_mode) ? a_fd : b_fd;
	return a_fd < 0 && b_fd < 0 ? 0 : count_directory(counting, a_fd, b_fd);
}

/* Both lists are sorted: side by side. */
static int count_directory(struct counting *counting, int a_dir, int b_dir)
{
	autoarena struct arena arena = { 0 };
	struct text_list a = { 0 }, b = { 0 };
	int r = counting->depth++ >= DEPTH_MAX ? -ELOOP : list_names(&arena, &a, a_dir);
	size_t i = 0, k = 0;

	if (r >= 0)
		r = list_names(&arena, &b, b_dir);
	while (r >= 0 && (i < a.count || k < b.count)) {
		int order = i == a.count ? 1 : k == b.count ? -1 : strcmp(a.items[i], b.items[k]);

		r = count_one(counting, order <= 0 ? a_dir : -EBADF, order >= 0 ? b_dir : -EBADF,
			      order <= 0 ? a.items[i] : b.items[k]);
		i += order <= 0;
		k += order >= 0;
	}
	counting->depth--;
	return r;
}

/* ---- packages ---- */

static const struct {
	const char *path, *name, *version;
} databases[] = {
	{ "/var/lib/dpkg/status", "Package: ", "Version: " },
	{ "/lib/apk/db/installed", "P:", "V:" },
};

/* "NAME VERSION" of each, sorted. */
static void read_packages(struct arena *arena, struct text_list *ret, int tree, size_t database)
{
	autoclose int fd = resolve_open_file(tree, databases[database].path);
	struct text_list lines = { 0 };
	const char *name = NULL;
	char *text;
	size_t size;

	if (fd < 0 || file_read_fd(arena, &text, &size, fd, LIST_MAX) < 0 ||
	    memchr(text, '\0', size) != NULL)
		return;
	text_split(arena, &lines, text, "\n");
	for (size_t i = 0; i < lines.count; i++) {
		const char *package = text_after(lines.items[i], databases[database].name);
		const char *version = text_after(lines.items[i], databases[database].version);

		if (package != NULL)
			name = package;
		if (version != NULL && name != NULL) {
			text_list_add(arena, ret, arena_format(arena, "%s %s", name, version));
			name = NULL;
		}
	}
	text_list_sort(ret);
}

static int by_name(const char *a, const char *b)
{
	size_t first = strcspn(a, " "), second = strcspn(b, " ");
	int order = memcmp(a, b, MIN(first, second));

	return order != 0 ? order : (first > second) - (first < second);
}

static void count_packages(struct counts *counts, const struct text_list *a,
			   const struct text_list *b)
{
	for (size_t i = 0, k = 0; i < a->count || k < b->count;) {
		int order = i == a->count   ? 1
			    : k == b->count ? -1
					    : by_name(a->items[i], b->items[k]);

		counts->removed += order < 0;
		counts->added += order > 0;
		counts->changed += order == 0 && !text_equal(a->items[i], b->items[k]);
		i += order <= 0;
		k += order >= 0;
	}
}

/* ---- both ---- */

static int open_tree(struct arena *arena, const char *path)
{
	autoclose int tree = view_tree(arena, path, false);

	return tree < 0 ? tree : fd_reopen(tree, O_RDONLY | O_DIRECTORY);
}

static const char *counts_text(struct arena *arena, const struct counts *counts)
{
	const struct {
		size_t count;
		const char *word;
	} parts[] = { { counts->added, "added" },
		      { counts->removed, "removed" },
		      { counts->changed, "changed" } };
	const char *text = "";

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		if (parts[i].count > 0)
			text = arena_format(arena, "%s%s%zu %s", text, *text != '\0' ? ", " : "",
					    parts[i].count, parts[i].word);
	return text;
}

static int count(struct arena *arena, void *context, const char **ret)
{
	struct counting *counting = context;
	autoclose int a = open_tree(arena, counting->paths[0]);
	autoclose int b = a < 0 ? a : open_tree(arena, counting->paths[1]);
	const char *packages;
	int r = b < 0 ? b : count_directory(counting, a, b);

	if (r < 0)
		return fail(r, "cannot compare '%s' with '%s'", counting->paths[0],
			    counting->paths[1]);
	for (size_t i = 0; i < ARRAY_SIZE(databases); i++) {
		struct text_list had = { 0 }, has = { 0 };

		read_packages(arena, &had, a, i);
		read_packages(arena, &has, b, i);
		count_packages(&counting->packages, &had, &has);
	}
	packages = counts_text(arena, &counting->packages);
	*ret = arena_format(arena, "files: %s%s%s", counts_text(arena, &counting->files),
			    *packages != '\0' ? "; packages: " : "", packages);
	return 0;
}

/* NULL: it is no tree, or gone. */
static const char *tree_of(struct arena *arena, const char *store, const char *digest)
{
	static const char *const suffixes[] = { "", MSTACK_SUFFIX };
	const char *hex = store_digest_name(digest);

	for (size_t i = 0; hex != NULL && i < ARRAY_SIZE(suffixes); i++) {
		const char *path = arena_format(arena, "%s/" STORE_TREES "/%s%s", store, hex,
						suffixes[i]);

		if (access(path, F_OK) == 0)
			return path;
	}
	return NULL;
}

int image_count(struct arena *arena, const char *const *environment, const char **ret,
		const char *path, const char *old, const char *new)
{
	struct counting counting = { .environment = environment };

	*ret = NULL;
	counting.paths[0] = tree_of(arena, path, old);
	counting.paths[1] = tree_of(arena, path, new);
	if (counting.paths[0] == NULL || counting.paths[1] == NULL)
		return 0;
	return program_as_owner(arena, environment, count, &counting, ret);
}

/* ---- what a machine changed ---- */

struct changes {
	const char *path;
	size_t files;
	uint64_t bytes;
	int depth;
};

/* What was removed is a file, too. */
static int add_change(int dir_fd, const char *name, unsigned char type, void *context)
{
	struct changes *changes = context;
	autoclose int fd = -EBADF;
	struct stat st;
	int r;

	if (type != DT_DIR) {
		if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return errno == ENOENT ? 0 : -errno;
		changes->files++;
		changes->bytes += (uint64_t)st.st_blocks * 512;
		return 0;
	}
	fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (++changes->depth > DEPTH_MAX)
		return -ELOOP;
	r = dir_walk(fd, add_change, changes);
	changes->depth--;
	return r;
}

static int count_changes(struct arena *arena, void *context, const char **ret)
{
	struct changes *changes = context;
	autoclose int fd = -EBADF;
	struct mstack stack;
	int r = mstack_read(arena, &stack, changes->path);

	if (r < 0 || stack.upper == NULL)
		return r;
	fd = open(stack.upper, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return 0;
	r = fd < 0 ? -errno : dir_walk(fd, add_change, changes);
	if (r < 0)
		return fail(r, "cannot look through '%s'", stack.upper);
	if (changes->files > 0)
		*ret = arena_format(arena, "%zu %s (%s)", changes->files,
				    changes->files == 1 ? "file" : "files",
				    table_size_text(arena, changes->bytes));
	return 0;
}

int image_count_changes(struct arena *arena, const char *const *environment, const char **ret,
			const char *root)
{
	struct changes changes = { .path = root };

	*ret = NULL;
	return text_ends(root, MSTACK_SUFFIX)
		       ? program_as_owner(arena, environment, count_changes, &changes, ret)
		       : 0;
}
