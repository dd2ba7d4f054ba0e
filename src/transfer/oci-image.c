#include "transfer/oci-image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/text.h"
#include "format/imageref.h"
#include "image/blob.h"
#include "io/fd.h"
#include "io/file.h"
#include "kernel/resolve.h"
#include "transfer/oci-read.h"
#include "transfer/registry.h"

#define ROUNDS_MAX 4 /* an index of a layout, one of the image, its manifest */

/* ---- files of a directory ---- */

int oci_source_open(const struct oci_source *source, const char *path)
{
	autoclose int place = resolve_open(source->directory, path, O_PATH);
	struct stat st;
	int fd;

	if (place < 0)
		return fail(place, "cannot open '%s' in '%s'", path, source->shown);
	if (fstat(place, &st) < 0)
		return fail(-errno, "cannot look at '%s' in '%s'", path, source->shown);
	/* Before it is opened: that alone makes some devices do something. */
	if (!S_ISREG(st.st_mode))
		return fail_input("cannot use '%s' in '%s': it is no file", path, source->shown);
	fd = fd_reopen(place, O_RDONLY);
	return fd < 0 ? fail(fd, "cannot open '%s' in '%s'", path, source->shown) : fd;
}

int oci_source_open_blob(const struct oci_source *source, const struct digest *digest)
{
	char path[DIGEST_ROOM + 16];

	snprintf(path, sizeof(path), "blobs/%s/%s", digest_words[digest->kind], digest_hex(digest));
	return oci_source_open(source, path);
}

/* ---- documents ---- */

static int fetch(struct oci_source *source, const struct digest *digest, uint64_t size_max,
		 bool manifest, int fd, char type[REGISTRY_TYPE_ROOM])
{
	struct registry_question question = {
		.verb = manifest ? REGISTRY_GET_MANIFEST : REGISTRY_GET_BLOB,
		.size = size_max,
	};
	struct registry_question over = { .verb = REGISTRY_NOTHING };
	const char *name = digest != NULL ? digest->text : source->ref->tag;
	autoclose int scratch = memfd_create("document", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct registry_answer answer;
	int r;

	if (scratch < 0)
		return fail(-errno, "cannot make a file for a document");
	memcpy(question.reference, name, strlen(name) + 1);
	r = registry_ask(source->registry, &answer, &question, scratch);
	if (r >= 0 && !manifest)
		r = registry_put(source->registry, &over, -EBADF);
	if (r < 0)
		return r;
	memcpy(type, answer.type, REGISTRY_TYPE_ROOM);
	r = oci_seal(scratch);
	if (r < 0)
		return r;
	r = file_copy_fd(fd, scratch);
	return r < 0 ? fail(r, "cannot keep what was fetched") : 0;
}

static int copy_file(struct oci_source *source, int from, int to)
{
	struct stat st;
	int r;

	if (fstat(from, &st) < 0 || st.st_size > OCI_DOCUMENT_MAX)
		return fail_input("cannot use '%s': a document in it is too large (%d MiB at most)",
				  source->shown, OCI_DOCUMENT_MAX >> 20);
	r = file_copy_fd(to, from);
	return r < 0 ? fail(r, "cannot copy a document of '%s'", source->shown) : 0;
}

static int get_document(struct oci_source *source, const struct digest *digest, uint64_t size,
			bool manifest, int fd, char type[REGISTRY_TYPE_ROOM])
{
	autoclose int from = -EBADF;

	type[0] = '\0';
	if (source->registry != NULL)
		return fetch(source, digest, size, manifest, fd, type);
	from = digest != NULL ? oci_source_open_blob(source, digest)
			      : oci_source_open(source, "index.json");
	return from < 0 ? from : copy_file(source, from, fd);
}

/* In the store, under its digest. DIGEST "": it is what the bytes say. SIZE_KNOWN: they have to be
 * as many. Only an index is not kept. */
static int take_document(struct store_part *ret, const struct store *store,
			 struct oci_source *source, struct digest *digest, uint64_t size,
			 bool size_known, bool manifest, char type[REGISTRY_TYPE_ROOM])
{
	const struct digest *wanted = digest->text[0] != '\0' ? digest : NULL;
	struct store_part part = STORE_PART_EMPTY;
	struct stat st;
	int r;

	if (wanted != NULL && size_known && size > OCI_DOCUMENT_MAX)
		return fail_input("cannot use the image: a document of it is too large");
	r = blob_begin(store, &part);
	if (r < 0)
		return r;
	r = get_document(source, wanted, size_known ? size : OCI_DOCUMENT_MAX, manifest, part.fd,
			 type);
	if (r >= 0 && fstat(part.fd, &st) < 0)
		r = fail(-errno, "cannot look at a document");
	if (r >= 0)
		r = wanted == NULL
			    ? oci_hash(digest, part.fd)
			    : oci_verify(part.fd, digest, size_known ? size : (uint64_t)st.st_size,
					 manifest ? "manifest" : "configuration");
	if (r < 0) {
		store_part_done(&part);
		return r;
	}
	*ret = part;
	return 0;
}

/* ---- an image with a manifest ---- */

static int find_manifest(struct arena *arena, struct oci_image *image, const struct store *store,
			 struct oci_source *source)
{
	struct digest digest = { 0 };
	uint64_t size = 0;
	bool size_known = false, found = source->digest.text[0] == '\0';

	if (source->ref != NULL)
		digest = source->ref->digest;
	for (int round = 0; round < ROUNDS_MAX; round++) {
		struct oci_document document;
		char type[REGISTRY_TYPE_ROOM];
		int r = take_document(&image->manifest_part, store, source, &digest, size,
				      size_known, true, type);

		if (r < 0)
			return r;
		r = oci_read_document(arena, &document, image->manifest_part.fd, type,
				      &source->wanted);
		if (r < 0)
			return r;
		found = found || text_equal(digest.text, source->digest.text);
		if (!document.is_index && !found)
			return fail_plain(-EBADMSG,
					  "cannot use '%s': the image in it is '%s', and "
					  "not '%s'",
					  source->shown, digest.text, source->digest.text);
		if (!document.is_index) {
			image->document = document;
			image->manifest = digest;
			return blob_commit(&image->manifest_part, digest.text);
		}
		store_part_done(&image->manifest_part);
		digest = document.chosen.digest;
		size = document.chosen.size;
		size_known = true;
		/* It was found by name, if at all; what is below may be called otherwise. */
		source->wanted.name = NULL;
	}
	return fail_input("cannot use the image '%s': there is an index in an index in an index",
			  source->shown);
}

static int find_config(struct arena *arena, struct oci_image *image, const struct store *store,
		       struct oci_source *source)
{
	struct oci_blob *blob = &image->document.config;
	char type[REGISTRY_TYPE_ROOM];
	int r, fd = blob_find(store, blob->digest.text);

	if (fd >= 0)
		image->config_part = (struct store_part){ .room_fd = -EBADF, .fd = fd };
	else if (fd != -ENOENT)
		return fd;
	else {
		r = take_document(&image->config_part, store, source, &blob->digest, blob->size,
				  true, false, type);
		if (r >= 0)
			r = blob_commit(&image->config_part, blob->digest.text);
		if (r < 0)
			return r;
	}
	return oci_read_config(arena, &image->config, image->config_part.fd);
}

/* ---- an image of a docker-archive ---- */

static int resolve_archive(struct arena *arena, struct oci_image *image, const struct store *store,
			   struct oci_source *source)
{
	autoclose int manifest = oci_source_open(source, "manifest.json"), config = -EBADF;
	struct oci_document *document = &image->document;
	struct oci_archive archive;
	struct stat st;
	int r = manifest < 0 ? manifest
			     : oci_read_archive(arena, &archive, manifest, &source->wanted);

	if (r < 0)
		return r;
	config = oci_source_open(source, archive.config);
	if (config < 0)
		return config;
	r = blob_begin(store, &image->config_part);
	if (r >= 0)
		r = copy_file(source, config, image->config_part.fd);
	if (r >= 0)
		r = oci_hash(&document->config.digest, image->config_part.fd);
	if (r >= 0 && fstat(image->config_part.fd, &st) < 0)
		r = fail(-errno, "cannot look at a document");
	if (r >= 0)
		r = oci_read_config(arena, &image->config, image->config_part.fd);
	if (r >= 0)
		r = blob_commit(&image->config_part, document->config.digest.text);
	if (r < 0)
		return r;
	document->config.size = (uint64_t)st.st_size;
	document->config.media = OCI_CONFIG;
	document->docker = true;
	document->layers = arena_take_array(arena, archive.layers.count + 1,
					    sizeof(struct oci_blob));
	document->layer_count = archive.layers.count;
	image->paths = archive.layers;
	return 0;
}

/* ---- both ---- */

static int check(struct oci_image *image, const struct oci_source *source)
{
	const char *architecture = image->config.architecture;

	if (image->config.layer_count != image->document.layer_count)
		return fail_input("cannot use the image '%s': it has %zu layers, and says that it "
				  "has %zu",
				  source->shown, image->document.layer_count,
				  image->config.layer_count);
	if (image->config.layer_count == 0)
		return fail_input("cannot use the image '%s': it has no layers", source->shown);
	if (*architecture != '\0' && strcmp(architecture, source->wanted.architecture) != 0) {
		autoarena struct arena arena = { 0 };

		log_warning("'%s' is for '%s', and this host is '%s'", source->shown,
			    text_printable(&arena, arena_format(&arena, "%.40s", architecture)),
			    source->wanted.architecture);
	}
	return 0;
}

int oci_resolve(struct arena *arena, struct oci_image *ret, const struct store *store,
		struct oci_source *source)
{
	struct oci_image image = {
		.manifest_part = STORE_PART_EMPTY,
		.config_part = STORE_PART_EMPTY,
	};
	int r;

	if (source->docker)
		r = resolve_archive(arena, &image, store, source);
	else {
		r = find_manifest(arena, &image, store, source);
		if (r >= 0)
			r = find_config(arena, &image, store, source);
	}
	if (r >= 0)
		r = check(&image, source);
	if (r < 0) {
		oci_image_done(&image);
		return r;
	}
	*ret = image;
	return 0;
}

void oci_image_done(struct oci_image *image)
{
	store_part_done(&image->manifest_part);
	store_part_done(&image->config_part);
	for (size_t i = 0; i < image->document.layer_count; i++) {
		if (image->layers != NULL)
			store_part_done(&image->layers[i]);
		if (image->blobs != NULL)
			store_part_done(&image->blobs[i]);
	}
	image->layers = image->blobs = NULL;
}
