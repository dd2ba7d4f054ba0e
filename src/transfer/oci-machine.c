#include "transfer/oci-machine.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
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

/* Some layers are there twice, with one lease. */
static int open_layers(struct arena *arena, int **ret, struct text_list *ret_paths,
		       const struct store *store, const struct oci_image *image)
{
	size_t count = image->config.layer_count;
	int *fds = arena_take_array(arena, count, sizeof(*fds));

	for (size_t i = 0; i < count; i++) {
		const char *digest = image->config.layers[i].text;

		fds[i] = image->layers[i].fd;
		for (size_t k = 0; k < i && fds[i] < 0; k++)
			if (digest_equal(&image->config.layers[k], &image->config.layers[i]))
				fds[i] = fds[k];
		text_list_add(arena, ret_paths, layer_path(arena, store, digest));
	}
	*ret = fds;
	return 0;
}

static int make_stack(struct publish *publish, const struct text_list *paths, int top,
		      const struct publish_request *target)
{
	int r = mstack_fill(publish_fd(publish), paths, top, target->read_only);

	return r < 0 ? fail(r, "cannot make image '%s' of its layers", target->name) : 0;
}

static int write_sides(struct arena *arena, struct publish *publish, const struct oci_image *image,
		       const int *layers)
{
	struct text_list notes = { 0 };
	char *settings, *config;
	size_t size;
	int r = oci_settings(arena, &settings, &notes, &image->config,
			     oci_has_init(layers, image->config.layer_count));

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

int oci_machine(struct arena *arena, const struct store *store, const struct oci_image *image,
		const struct publish_request *target)
{
	struct publish_request request = *target;
	struct publish publish = PUBLISH_EMPTY;
	struct text_list paths = { 0 };
	int *layers, r;

	request.suffix = MSTACK_SUFFIX;
	request.kind = PUBLISH_TREE;
	request.plain = true;
	r = open_layers(arena, &layers, &paths, store, image);
	if (r >= 0)
		r = publish_begin(arena, &publish, &request);
	if (r < 0)
		return r;
	r = make_stack(&publish, &paths, layers[paths.count - 1], &request);
	if (r >= 0)
		r = place_add(arena, store, path_simplify(arena, request.pool), &paths);
	if (r >= 0)
		r = write_sides(arena, &publish, image, layers);
	if (r >= 0)
		r = publish_commit(&publish);
	publish_abort(&publish);
	return r;
}
