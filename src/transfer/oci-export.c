/* An image as files: an OCI layout, an archive of one, or a docker-archive (transfer/oci-out). */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/text.h"
#include "format/json-out.h"
#include "image/blob.h"
#include "io/fd.h"
#include "io/file.h"
#include "transfer/archive.h"
#include "transfer/job.h"
#include "transfer/oci-out.h"
#include "transfer/stream.h"
#include "transfer/worker.h"

struct writer {
	struct arena *arena;
	const struct oci_out *out;
	const char *tag;
	int directory;
	struct job *job;
};

/* ---- files ---- */

static int make_file(const struct writer *writer, const char *name)
{
	int fd = openat(writer->directory, name,
			O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);

	return fd < 0 ? fail(-errno, "cannot make '%s' in the image", name) : fd;
}

static int write_text(const struct writer *writer, const char *name, const char *text)
{
	autoclose int fd = make_file(writer, name);
	int r = fd < 0 ? fd : fd_write_all(fd, text, strlen(text));

	if (fd < 0)
		return fd;
	return r < 0 ? fail(r, "cannot write '%s' of the image", name) : 0;
}

static int copy_blob(const struct writer *writer, const char *name, const struct oci_out_blob *blob)
{
	autoclose int fd = make_file(writer, name);
	int r;

	if (fd < 0)
		return fd;
	r = lseek(blob->fd, 0, SEEK_SET) < 0 ? -errno : file_copy_fd(fd, blob->fd);
	return r < 0 ? fail(r, "cannot write '%s' of the image", name) : 0;
}

static int make_directory(const struct writer *writer, const char *name)
{
	if (mkdirat(writer->directory, name, 0755) < 0 && errno != EEXIST)
		return fail(-errno, "cannot make the directory '%s' in the image", name);
	return 0;
}

static void tell(const struct writer *writer, size_t done)
{
	if (writer->job != NULL)
		job_progress(writer->job, "write", done, writer->out->layer_count + 1);
}

/* ---- OCI layout ---- */

static int put_blob(const struct writer *writer, const struct oci_out_blob *blob)
{
	return copy_blob(writer,
			 arena_format(writer->arena, "blobs/sha256/%s",
				      digest_hex(&blob->blob.digest)),
			 blob);
}

static const char *index_text(const struct writer *writer)
{
	const struct oci_out *out = writer->out;
	const char *colon = strrchr(writer->tag, ':');
	struct json_out json;

	json_out_init(&json, writer->arena, false);
	json_out_begin_object(&json, NULL);
	json_out_unsigned(&json, "schemaVersion", 2);
	json_out_text(&json, "mediaType", oci_media_name(OCI_INDEX, false));
	json_out_begin_array(&json, "manifests");
	json_out_begin_object(&json, NULL);
	json_out_text(&json, "mediaType", oci_media_name(OCI_MANIFEST, out->docker));
	json_out_text(&json, "digest", out->manifest.blob.digest.text);
	json_out_unsigned(&json, "size", out->manifest.blob.size);
	json_out_begin_object(&json, "annotations");
	json_out_text(&json, "org.opencontainers.image.ref.name",
		      colon == NULL ? writer->tag : colon + 1);
	json_out_end_object(&json);
	json_out_end_object(&json);
	json_out_end_array(&json);
	json_out_end_object(&json);
	return json_out_done(&json);
}

static int write_layout(const struct writer *writer)
{
	const struct oci_out *out = writer->out;
	int r = make_directory(writer, "blobs");

	if (r >= 0)
		r = make_directory(writer, "blobs/sha256");
	for (size_t i = 0; i < out->layer_count && r >= 0; i++) {
		tell(writer, i);
		r = put_blob(writer, &out->layers[i]);
	}
	if (r >= 0)
		r = put_blob(writer, &out->config);
	if (r >= 0)
		r = put_blob(writer, &out->manifest);
	if (r >= 0)
		r = write_text(writer, "oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}\n");
	return r < 0 ? r : write_text(writer, "index.json", index_text(writer));
}

/* ---- docker-archive ---- */

struct decompressing {
	int input, output;
};

static int decompress(struct worker_side *side, void *context)
{
	const struct decompressing *files = context;
	const struct stream_wish wish = { .name = "a layer" };
	autostream struct stream *stream = NULL;
	int r = stream_open(&stream, files->input, &wish);

	(void)side;
	while (r >= 0) {
		const void *data;
		ssize_t n = stream_take(stream, &data, (size_t)1 << 20);

		if (n <= 0)
			return (int)n;
		r = fd_write_all(files->output, data, (size_t)n);
		if (r < 0)
			r = fail(r, "cannot write a layer");
	}
	return r;
}

/* Layers of such archives are not compressed. */
static int put_layer(const struct writer *writer, const char *name, const struct oci_out_blob *blob)
{
	autoclose int fd = make_file(writer, name);
	struct decompressing files = { .input = blob->fd, .output = fd };
	const int fds[] = { blob->fd, fd };
	struct worker_request request = {
		.name = "decompress",
		.run = decompress,
		.context = &files,
		.view = WORKER_SEES_NOTHING,
		.tree_fd = -EBADF,
		.fds = fds,
		.fd_count = 2,
	};

	if (fd < 0)
		return fd;
	if (lseek(blob->fd, 0, SEEK_SET) < 0)
		return fail(-errno, "cannot read a layer");
	return worker_run(&request, NULL);
}

static const char *list_text(const struct writer *writer, const char *config)
{
	const struct oci_out *out = writer->out;
	struct json_out json;

	json_out_init(&json, writer->arena, false);
	json_out_begin_array(&json, NULL);
	json_out_begin_object(&json, NULL);
	json_out_text(&json, "Config", config);
	json_out_begin_array(&json, "RepoTags");
	json_out_text(&json, NULL, writer->tag);
	json_out_end_array(&json);
	json_out_begin_array(&json, "Layers");
	for (size_t i = 0; i < out->layer_count; i++)
		json_out_text(&json, NULL,
			      arena_format(writer->arena, "%s.tar",
					   digest_hex(&out->layers[i].id)));
	json_out_end_array(&json);
	json_out_end_object(&json);
	json_out_end_array(&json);
	return json_out_done(&json);
}

static int write_docker(const struct writer *writer)
{
	const struct oci_out *out = writer->out;
	const char *config = arena_format(writer->arena, "%s.json",
					  digest_hex(&out->config.blob.digest));
	int r = 0;

	for (size_t i = 0; i < out->layer_count && r >= 0; i++) {
		tell(writer, i);
		r = put_layer(writer,
			      arena_format(writer->arena, "%s.tar", digest_hex(&out->layers[i].id)),
			      &out->layers[i]);
	}
	if (r >= 0)
		r = copy_blob(writer, config, &out->config);
	return r < 0 ? r : write_text(writer, "manifest.json", list_text(writer, config));
}

/* ---- */

/* What is archived lies hidden in the store meanwhile. */
static int write_archive(struct writer *writer, const struct store *store, bool docker, int output)
{
	struct store_part part = STORE_PART_EMPTY;
	struct archive_result result;
	int r = store_begin(store, &part, STORE_BLOBS, true);

	if (r < 0)
		return fail(r, "cannot make a directory in the store '%s'", store->path);
	writer->directory = part.fd;
	r = docker ? write_docker(writer) : write_layout(writer);
	if (r >= 0)
		r = archive_export_tar(part.fd, output, COMPRESSION_NONE, false, &result, NULL);
	if (r >= 0)
		tell(writer, writer->out->layer_count + 1);
	store_part_done(&part);
	return r;
}

int oci_export_image(struct arena *arena, const struct oci_out *out, const struct store *store,
		     enum oci_form form, int output, const char *tag, struct job *job)
{
	struct writer writer = {
		.arena = arena,
		.out = out,
		.tag = tag,
		.directory = output,
		.job = job,
	};

	if (form != OCI_FORM_LAYOUT)
		return write_archive(&writer, store, form == OCI_FORM_DOCKER, output);
	return write_layout(&writer);
}
