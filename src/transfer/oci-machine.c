#include "transfer/oci-machine.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/path.h"
#include "image/layers.h"
#include "image/mstack.h"
#include "image/places.h"
#include "io/fd.h"
#include "io/file.h"
#include "kernel/resolve.h"
#include "transfer/oci-settings.h"

/* A link may lead to a place that another layer has; then the program is asked for there. */
static const char *const inits[] = {
	"usr/lib/systemd/systemd",
	"lib/systemd/systemd",
	"sbin/init",
	"usr/sbin/init",
};

/* 1: it is there; 0: this layer does not say; -ENOENT: it takes it away. */
static int has_program(int layer, const char *path)
{
	struct stat st;
	autoclose int fd = resolve_open(layer, path, O_PATH);

	if (fd < 0 && fd != -ENOENT)
		return 0;
	if (fd < 0) {
		/* A link whose end is in another layer, maybe. */
		autoclose int link = resolve_open(layer, path, O_PATH | O_NOFOLLOW);

		return link >= 0 && fstat(link, &st) == 0 && S_ISLNK(st.st_mode);
	}
	if (fstat(fd, &st) < 0)
		return 0;
	if (S_ISCHR(st.st_mode) && st.st_rdev == 0)
		return -ENOENT;
	return S_ISREG(st.st_mode) && (st.st_mode & 0111) != 0;
}

bool oci_has_init(const int *layers, size_t count)
{
	for (size_t i = 0; i < ARRAY_SIZE(inits); i++)
		for (size_t layer = count; layer-- > 0;) {
			int r = layers[layer] < 0 ? 0 : has_program(layers[layer], inits[i]);

			if (r > 0)
				return true;
			if (r < 0)
				break;
		}
	return false;
}

/* The layers that can be seen. */
struct seen {
	int *fds;
	size_t count;
	struct text_list paths;
};

/* A layer that hides the top itself hides all below it. Of tops an overlay does not look for that
 * mark. */
static size_t find_lowest(const int *layers, size_t count)
{
	char value;

	for (size_t i = count; i-- > 1;)
		if (layers[i] >= 0 && fgetxattr(layers[i], "user.overlay.opaque", &value, 1) == 1 &&
		    value == 'y')
			return i;
	return 0;
}

/* Some layers are there twice, with one lease. */
static void open_layers(struct arena *arena, struct seen *ret, const struct store *store,
			const struct oci_image *image)
{
	size_t count = image->config.layer_count, lowest;
	int *fds = arena_take_array(arena, count, sizeof(*fds));

	*ret = (struct seen){ .count = 0 };
	for (size_t i = 0; i < count; i++) {
		fds[i] = image->layers[i].fd;
		for (size_t k = 0; k < i && fds[i] < 0; k++)
			if (digest_equal(&image->config.layers[k], &image->config.layers[i]))
				fds[i] = fds[k];
	}
	lowest = find_lowest(fds, count);
	for (size_t i = lowest; i < count; i++)
		text_list_add(arena, &ret->paths,
			      layer_path(arena, store, image->config.layers[i].text));
	ret->fds = fds + lowest;
	ret->count = count - lowest;
}

static int make_stack(struct publish *publish, const struct seen *layers,
		      const struct publish_request *target)
{
	int r = mstack_fill(publish_fd(publish), &layers->paths, layers->fds[layers->count - 1],
			    target->read_only);

	return r < 0 ? fail(r, "cannot make image '%s' of its layers", target->name) : 0;
}

static int write_sides(struct arena *arena, struct publish *publish, const struct oci_image *image,
		       const struct seen *layers)
{
	struct text_list notes = { 0 };
	char *settings, *config;
	size_t size;
	int r = oci_settings(arena, &settings, &notes, &image->config,
			     oci_has_init(layers->fds, layers->count));

	if (r < 0)
		return r;
	for (size_t i = 0; i < notes.count; i++)
		log_info("the image says %s, which takes no effect", notes.items[i]);
	if (lseek(image->config_part.fd, 0, SEEK_SET) < 0)
		r = -errno;
	else
		r = file_read_fd(arena, &config, &size, image->config_part.fd, OCI_DOCUMENT_MAX);
	if (r < 0)
		return fail(r, "cannot read what the image says of itself");
	r = publish_side(publish, ".oci-config", config, size);
	return r < 0 ? r : publish_side(publish, ".nspawn", settings, strlen(settings));
}

/* ---- the working directory ---- */

#define DEPTH_MAX 32

struct way {
	char *names[DEPTH_MAX];
	struct stat there[DEPTH_MAX]; /* of the first KNOWN, in the topmost layer */
	size_t count, known;
};

/* What a directory in the upper one would have to have as well. */
static bool has_attributes(int layer, const char *path)
{
	autoclose int fd = openat(layer, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 || flistxattr(fd, NULL, 0) > 0;
}

/* 1: a directory; 0: in no layer; else something that is left alone. Layers do not change, and all
 * that leads there was looked at in each of them before: no link is followed. */
static int look_for(struct stat *ret, const int *layers, size_t count, const char *path)
{
	int found = 0;

	for (size_t layer = count; layer-- > 0;) {
		struct stat st;

		if (layers[layer] < 0)
			return -ENOENT;
		if (fstatat(layers[layer], path, &st, AT_SYMLINK_NOFOLLOW) < 0) {
			if (errno != ENOENT)
				return -errno;
			continue;
		}
		if (!S_ISDIR(st.st_mode) || has_attributes(layers[layer], path))
			return -ENOTDIR;
		if (!found)
			*ret = st;
		found = 1;
	}
	return found;
}

/* Whether it is missing for certain, with no link or whiteout on the way. */
static bool is_missing(struct arena *arena, struct way *ret, const int *layers, size_t count,
		       const char *path)
{
	char *rest, *copy = arena_text(arena, path);
	const char *at = "";

	*ret = (struct way){ .count = 0 };
	for (char *name = strtok_r(copy, "/", &rest); name != NULL;
	     name = strtok_r(NULL, "/", &rest)) {
		int r = 0;

		if (ret->count == DEPTH_MAX || !path_is_file_name(name))
			return false;
		at = arena_format(arena, "%s%s%s", at, *at ? "/" : "", name);
		if (ret->known == ret->count)
			r = look_for(&ret->there[ret->known], layers, count, at);
		if (r < 0)
			return false;
		ret->known += r > 0;
		ret->names[ret->count++] = name;
	}
	return ret->known < ret->count;
}

static int make_way(int upper, const struct way *way)
{
	autoclose int at = fd_duplicate(upper);

	for (size_t i = 0; i < way->count && at >= 0; i++) {
		const struct stat *st = i < way->known ? &way->there[i] : NULL;
		int fd, r = mkdirat(at, way->names[i], 0700);

		fd = r < 0 ? -1
			   : openat(at, way->names[i],
				    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			return -errno;
		fd_close(&at);
		at = fd;
		if (st != NULL && fchown(at, st->st_uid, st->st_gid) < 0 && errno != EPERM)
			return -errno;
		if (fchmod(at, st != NULL ? st->st_mode & 07777 : 0755) < 0)
			return -errno;
	}
	return at < 0 ? at : 0;
}

/* Images name one that none of their layers has; other programs make it, too. */
static int make_working_directory(struct arena *arena, const struct publish *publish,
				  const struct oci_config *config, const struct seen *layers)
{
	struct way *way = arena_take(arena, sizeof(*way));
	autoclose int upper = -EBADF;
	int r;

	if (!is_missing(arena, way, layers->fds, layers->count,
			path_simplify(arena, config->directory)))
		return 0;
	upper = openat(publish_fd(publish), "rw/data",
		       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (upper < 0 && errno == ENOENT) /* it is read-only */
		return 0;
	r = upper < 0 ? -errno : make_way(upper, way);
	return r < 0 ? fail(r, "cannot make the working directory '%s'", config->directory) : 0;
}

int oci_machine(struct arena *arena, const struct store *store, const struct oci_image *image,
		const struct publish_request *target)
{
	struct publish_request request = *target;
	struct publish publish = PUBLISH_EMPTY;
	struct seen layers;
	int r;

	request.suffix = MSTACK_SUFFIX;
	request.kind = PUBLISH_TREE;
	request.plain = true;
	open_layers(arena, &layers, store, image);
	r = publish_begin(arena, &publish, &request);
	if (r < 0)
		return r;
	r = make_stack(&publish, &layers, &request);
	if (r >= 0)
		r = place_add(arena, store, path_simplify(arena, request.pool), &layers.paths);
	if (r >= 0)
		r = write_sides(arena, &publish, image, &layers);
	if (r >= 0)
		r = make_working_directory(arena, &publish, &image->config, &layers);
	if (r >= 0)
		r = publish_commit(&publish);
	publish_abort(&publish);
	return r;
}
