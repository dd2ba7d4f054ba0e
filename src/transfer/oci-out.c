#include "transfer/oci-out.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/path.h"
#include "base/text.h"
#include "image/blob.h"
#include "image/image.h"
#include "image/mstack.h"
#include "image/references.h"
#include "image/view.h"
#include "io/dir.h"
#include "io/fd.h"
#include "transfer/archive.h"
#include "transfer/job.h"
#include "transfer/oci-machine.h"
#include "transfer/oci-read.h"

struct maker {
	struct arena *arena;
	const struct oci_out_wish *wish;
	struct oci_out out;
	struct mstack stack;
	struct reference *references; /* all that the store knows */
	size_t reference_count;
	const char *part; /* what is packed just now */
};

#define BLOB_EMPTY                                     \
	(struct oci_out_blob)                          \
	{                                              \
		.fd = -EBADF, .part = STORE_PART_EMPTY \
	}

static int look_at_size(struct oci_out_blob *blob)
{
	struct stat st;

	if (fstat(blob->fd, &st) < 0)
		return fail(-errno, "cannot look at a part of an image");
	blob->blob.size = (uint64_t)st.st_size;
	return 0;
}

/* ---- layers as they came ---- */

static int read_media(struct oci_out_blob *blob)
{
	unsigned char first[DECODE_MAGIC_MAX] = { 0 };
	ssize_t n = pread(blob->fd, first, sizeof(first), 0);

	if (n < 0)
		return fail(-errno, "cannot read a part of an image");
	switch (compression_detect(first, (size_t)n)) {
	case COMPRESSION_NONE: blob->blob.media = OCI_TAR; return 1;
	case COMPRESSION_GZ: blob->blob.media = OCI_TAR_GZIP; return 1;
	case COMPRESSION_ZST: blob->blob.media = OCI_TAR_ZSTD; return 1;
	default: return 0; /* no image may have that */
	}
}

/* 1: what the layer ID was unpacked from is in the store. */
static int find_kept(struct maker *maker, struct oci_out_blob *ret, const char *id)
{
	for (size_t i = 0; i < maker->reference_count; i++) {
		const struct reference *reference = &maker->references[i];

		for (size_t k = 0; k < reference->blobs.count && k < reference->layers.count; k++) {
			int r;

			if (strcmp(reference->layers.items[k], id) != 0 ||
			    digest_parse(&ret->blob.digest, reference->blobs.items[k]) < 0)
				continue;
			ret->fd = blob_find(maker->wish->store, ret->blob.digest.text);
			if (ret->fd == -ENOENT)
				continue;
			r = ret->fd < 0 ? ret->fd : read_media(ret);
			if (r > 0)
				r = look_at_size(ret);
			return r < 0 ? r : digest_parse(&ret->id, id) >= 0;
		}
	}
	return 0;
}

/* A layer's digest by where it lies; NULL: it is not in the store. */
static const char *layer_digest(struct maker *maker, const char *path)
{
	char target[PATH_MAX];
	ssize_t n = readlink(path, target, sizeof(target) - 1);
	const char *digest, *rest;

	if (n <= 0)
		return NULL;
	target[n] = '\0';
	rest = text_after(target, maker->wish->store->path);
	rest = rest == NULL ? NULL : text_after(rest, "/" STORE_LAYERS "/");
	if (rest == NULL)
		return NULL;
	digest = arena_format(maker->arena, "sha256:%s", rest);
	return store_digest_name(digest) == NULL ? NULL : digest;
}

/* ---- layers that are packed ---- */

static void hear_progress(void *context, uint64_t done, uint64_t total)
{
	struct maker *maker = context;

	if (maker->wish->job != NULL)
		job_progress(maker->wish->job, maker->part, done, total);
}

static void hear_notice(void *context, const char *sentence)
{
	autoarena struct arena arena = { 0 };

	(void)context;
	log_notice("%s", text_printable(&arena, sentence));
}

static int pack(struct maker *maker, struct oci_out_blob *ret, const char *path, const char *part)
{
	struct archive_listener listener = { hear_progress, hear_notice, maker };
	autoclose int tree = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct archive_result result;
	int r;

	if (tree < 0)
		return fail(-errno, "cannot open '%s'", path);
	r = blob_begin(maker->wish->store, &ret->part);
	if (r < 0)
		return r;
	maker->part = part;
	r = archive_export_layer(tree, ret->part.fd, COMPRESSION_GZ, &result, &listener);
	if (r >= 0)
		r = digest_make(&ret->blob.digest, DIGEST_SHA256, result.stream.digest_in,
				STREAM_DIGEST);
	if (r >= 0)
		r = digest_make(&ret->id, DIGEST_SHA256, result.stream.digest_out, STREAM_DIGEST);
	if (r < 0)
		return r;
	ret->fd = fd_duplicate(ret->part.fd);
	if (ret->fd < 0)
		return fail(ret->fd, "cannot read what was packed");
	ret->blob.media = OCI_TAR_GZIP;
	return look_at_size(ret);
}

static int add_layer(struct maker *maker, const char *path, const char *digest)
{
	struct oci_out *out = &maker->out;
	struct oci_out_blob *layer = &out->layers[out->layer_count++];
	const char *part;
	int r = 0;

	*layer = BLOB_EMPTY;
	if (digest != NULL)
		r = find_kept(maker, layer, digest);
	if (r != 0)
		return MIN(r, 0);
	fd_close(&layer->fd);
	part = arena_format(maker->arena, "layer %zu: pack", out->layer_count);
	return pack(maker, layer, path, part);
}

static int found_one(int dir_fd, const char *name, unsigned char type, void *context)
{
	(void)dir_fd;
	(void)name;
	(void)type;
	(void)context;
	return 1;
}

/* 1: the machine has written something. */
static int has_changes(const char *upper)
{
	autoclose int fd = -EBADF;
	int r;

	if (upper == NULL)
		return 0;
	fd = open(upper, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : fail(-errno, "cannot open '%s'", upper);
	r = dir_walk(fd, found_one, NULL);
	return r < 0 ? fail(r, "cannot read '%s'", upper) : r;
}

/* *RET_IDS: of all layers as they lie in the store, if nothing else is there. */
static int add_stack(struct maker *maker, struct text_list *ret_ids)
{
	const struct text_list *layers = &maker->stack.layers;
	int changed = has_changes(maker->stack.upper), r = changed;
	bool known = changed == 0;

	maker->out.layers = arena_take_array(maker->arena, layers->count + 1,
					     sizeof(*maker->out.layers));
	for (size_t i = 0; i < layers->count && r >= 0; i++) {
		const char *digest = layer_digest(maker, layers->items[i]);

		known = known && digest != NULL;
		if (digest != NULL)
			text_list_add(maker->arena, ret_ids, arena_text(maker->arena, digest));
		r = add_layer(maker, layers->items[i], digest);
	}
	if (r >= 0 && changed > 0)
		r = add_layer(maker, maker->stack.upper, NULL);
	if (!known)
		text_list_clear(ret_ids);
	return MIN(r, 0);
}

/* ---- what it says of itself ---- */

static bool is_as_it_came(const struct maker *maker, const struct reference *reference)
{
	if (reference->blobs.count != maker->out.layer_count)
		return false;
	for (size_t i = 0; i < reference->blobs.count; i++)
		if (strcmp(reference->blobs.items[i], maker->out.layers[i].blob.digest.text) != 0)
			return false;
	return true;
}

/* 1: manifest and configuration are those that it came with. */
static int find_said(struct maker *maker, const struct text_list *ids)
{
	struct oci_out *out = &maker->out;
	struct oci_wanted wanted = { .architecture = "", .variant = "" };
	struct oci_document document;
	struct reference reference;
	int r;

	if (ids->count == 0)
		return 0;
	r = reference_of_layers(maker->arena, &reference, maker->wish->store, ids);
	if (r == -ENOENT || (r >= 0 && !is_as_it_came(maker, &reference)))
		return 0;
	if (r < 0)
		return r;
	out->manifest.fd = blob_find(maker->wish->store, reference.manifest);
	out->config.fd = blob_find(maker->wish->store, reference.config);
	if (out->manifest.fd < 0 || out->config.fd < 0) {
		fd_close(&out->manifest.fd);
		fd_close(&out->config.fd);
		return 0;
	}
	r = oci_read_document(maker->arena, &document, out->manifest.fd, NULL, &wanted);
	if (r < 0)
		return r;
	out->docker = document.docker;
	return 1;
}

static int make_config(struct maker *maker, int top)
{
	const char *parent = path_parent(maker->arena, maker->wish->image->path);
	const char *path = path_join(maker->arena, parent,
				     arena_format(maker->arena, "%s.oci-config",
						  maker->wish->name));
	autoclose int old = open(path, O_RDONLY | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC);

	if (old < 0 && errno != ENOENT)
		return fail(-errno, "cannot open '%s'", path);
	return oci_out_config(maker->arena, &maker->out.config.fd, old, maker->out.layers,
			      maker->out.layer_count, oci_has_init(&top, 1));
}

static int say(struct maker *maker, const struct text_list *ids, int top)
{
	struct oci_out *out = &maker->out;
	int r = find_said(maker, ids);
	bool made = r == 0;

	if (made)
		r = make_config(maker, top);
	if (r >= 0)
		r = oci_hash(&out->config.blob.digest, out->config.fd);
	if (r >= 0)
		r = look_at_size(&out->config);
	out->config.blob.media = OCI_CONFIG;
	if (r >= 0 && made)
		r = oci_out_manifest(maker->arena, &out->manifest.fd, out);
	if (r >= 0)
		r = oci_hash(&out->manifest.blob.digest, out->manifest.fd);
	if (r >= 0)
		r = look_at_size(&out->manifest);
	out->manifest.blob.media = OCI_MANIFEST;
	return r;
}

/* ---- */

static int make_stack(struct maker *maker)
{
	struct text_list ids = { 0 };
	int r = mstack_read(maker->arena, &maker->stack, maker->wish->image->path);

	if (r < 0)
		return r;
	maker->out.hold_count = view_hold(maker->out.holds, &maker->stack);
	r = references_list(maker->arena, &maker->references, &maker->reference_count,
			    maker->wish->store);
	if (r >= 0)
		r = add_stack(maker, &ids);
	return r < 0 ? r : say(maker, &ids, -EBADF);
}

static int make_tree(struct maker *maker)
{
	const struct text_list none = { 0 };
	const char *path = maker->wish->image->path;
	autoclose int top = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (top < 0)
		return fail(-errno, "cannot open image '%s'", path);
	maker->out.layers = arena_take_array(maker->arena, 1, sizeof(*maker->out.layers));
	r = add_layer(maker, path, NULL);
	return r < 0 ? r : say(maker, &none, top);
}

int oci_out(struct arena *arena, struct oci_out *ret, const struct oci_out_wish *wish)
{
	struct maker maker = {
		.arena = arena,
		.wish = wish,
		.out = { .manifest = BLOB_EMPTY, .config = BLOB_EMPTY },
	};
	autoclose int seen = -EBADF;
	int r;

	if (wish->image->kind != FIND_DIRECTORY && wish->image->kind != FIND_MSTACK)
		return fail_plain(-EMEDIUMTYPE,
				  "cannot make an OCI image of '%s': it is a disk image (try "
				  "export-raw)",
				  wish->name);
	seen = open(wish->image->path, O_PATH | O_CLOEXEC);
	r = wish->image->kind == FIND_MSTACK ? make_stack(&maker) : make_tree(&maker);
	if (r >= 0)
		r = image_still_there(arena, seen, wish->name);
	if (r < 0) {
		oci_out_done(&maker.out);
		return r;
	}
	*ret = maker.out;
	return 0;
}

static void blob_done(struct oci_out_blob *blob)
{
	fd_close(&blob->fd);
	store_part_done(&blob->part);
}

void oci_out_done(struct oci_out *out)
{
	blob_done(&out->manifest);
	blob_done(&out->config);
	for (size_t i = 0; i < out->layer_count; i++)
		blob_done(&out->layers[i]);
	for (int i = 0; i < out->hold_count; i++)
		fd_close(&out->holds[i]);
	out->layer_count = 0;
	out->hold_count = 0;
}
