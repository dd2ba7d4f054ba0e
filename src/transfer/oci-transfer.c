#include "transfer/oci-transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/text.h"
#include "image/references.h"
#include "io/fd.h"
#include "transfer/archive.h"
#include "transfer/job.h"
#include "transfer/oci-read.h"

/* An archive of an archive: layers in it are compressed already, or will not be large. */
#define ARCHIVE_FILES_MAX 4096

/* Without what others were making that were killed. */
static int open_store(const struct oci_transfer *transfer, struct store *ret)
{
	int r = store_open(transfer->arena, ret, transfer->scope, true);

	if (r >= 0 && store_sweep(ret) < 0) {
		log_warning("%s, going on without", fail_recorded()->text);
		fail_forget();
	}
	return r;
}

/* The next pull, and whoever sends the machine on, find it by this. */
static int note_reference(const struct oci_transfer *transfer, const struct store *store,
			  const struct oci_image *image, const char *name)
{
	struct reference reference = {
		.name = name,
		.manifest = image->manifest.text,
		.config = image->document.config.digest.text,
		.keep = transfer->keep,
	};

	if (image->manifest.text[0] == '\0')
		return 0;
	for (size_t i = 0; i < image->config.layer_count; i++) {
		text_list_add(transfer->arena, &reference.layers, image->config.layers[i].text);
		if (transfer->keep)
			text_list_add(transfer->arena, &reference.blobs,
				      image->document.layers[i].digest.text);
	}
	return reference_write(transfer->arena, store, &reference);
}

/* From what it says to a machine. */
static int bring(const struct oci_transfer *transfer, const struct store *store,
		 struct oci_source *source, struct job *job)
{
	struct oci_fill fill = {
		.store = store,
		.source = source,
		.job = job,
		.keep = transfer->keep,
		.lazy = transfer->target.lazy,
	};
	struct oci_image image;
	int r = oci_resolve(transfer->arena, &image, store, source);

	if (r < 0)
		return r;
	r = oci_fill(transfer->arena, &image, &fill);
	if (r >= 0 && source->ref != NULL)
		r = note_reference(transfer, store, &image, source->shown);
	if (r >= 0)
		r = oci_machine(transfer->arena, store, &image, &transfer->target);
	oci_image_done(&image);
	return r;
}

int oci_pull(struct job *job, void *context)
{
	const struct oci_transfer *transfer = context;
	struct registry registry = REGISTRY_EMPTY;
	struct oci_source source = {
		.registry = &registry,
		.ref = &transfer->ref,
		.directory = -EBADF,
		.shown = imageref_text(transfer->arena, &transfer->ref),
	};
	struct store store = STORE_EMPTY;
	int r = publish_check(transfer->arena, &transfer->target);

	if (r < 0)
		return r;
	oci_wanted_here(&source.wanted);
	r = open_store(transfer, &store);
	if (r >= 0)
		r = registry_open(transfer->arena, &registry, &transfer->ref, &transfer->login,
				  &transfer->trust, false, NULL);
	if (r >= 0)
		r = bring(transfer, &store, &source, job);
	registry_done(&registry);
	store_done(&store);
	return r;
}

/* ---- files ---- */

static bool is_there(int directory, const char *name)
{
	struct stat st;

	return fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static int bring_directory(const struct oci_transfer *transfer, const struct store *store,
			   int directory, struct job *job)
{
	struct oci_source source = {
		.directory = directory,
		.shown = transfer->shown,
		.digest = transfer->digest,
	};

	if (!is_there(directory, "index.json")) {
		source.docker = true;
		if (!is_there(directory, "manifest.json"))
			return fail_input("cannot use '%s': it is neither an OCI layout nor a "
					  "docker-archive (there is no index.json and no "
					  "manifest.json)",
					  transfer->shown);
	}
	if (source.docker && source.digest.text[0] != '\0')
		return fail_input("cannot tell whether the image in '%s' is '%s': a docker-archive "
				  "has no digest",
				  transfer->shown, source.digest.text);
	oci_wanted_here(&source.wanted);
	source.wanted.name = transfer->name;
	return bring(transfer, store, &source, job);
}

static void log_notice_of(void *context, const char *sentence)
{
	autoarena struct arena arena = { 0 };

	(void)context;
	log_notice("%s", text_printable(&arena, sentence));
}

/* What is in an archive lies hidden in the store meanwhile. */
static int bring_archive(const struct oci_transfer *transfer, const struct store *store,
			 struct job *job)
{
	struct archive_listener listener = { .notice = log_notice_of };
	struct archive_wish wish = {
		.name = transfer->shown,
		.files_max = ARCHIVE_FILES_MAX,
		.no_devices = true,
	};
	struct store_part part = STORE_PART_EMPTY;
	struct archive_result result;
	int r = store_begin(store, &part, STORE_BLOBS, true);

	if (r < 0)
		return fail(r, "cannot make a directory in the store '%s'", store->path);
	if (job != NULL)
		job_progress(job, "archive", 0, 0);
	r = archive_import_tar(transfer->input, part.fd, &wish, &result, &listener);
	if (r >= 0)
		r = bring_directory(transfer, store, part.fd, job);
	store_part_done(&part);
	return r;
}

int oci_import(struct job *job, void *context)
{
	const struct oci_transfer *transfer = context;
	struct store store = STORE_EMPTY;
	struct stat st;
	int r = publish_check(transfer->arena, &transfer->target);

	if (r < 0)
		return r;
	if (fstat(transfer->input, &st) < 0)
		return fail(-errno, "cannot look at '%s'", transfer->shown);
	r = open_store(transfer, &store);
	if (r >= 0)
		r = S_ISDIR(st.st_mode) ? bring_directory(transfer, &store, transfer->input, job)
					: bring_archive(transfer, &store, job);
	store_done(&store);
	return r;
}

/* ---- out ---- */

static int make_out(const struct oci_transfer *transfer, struct oci_out *ret, struct store *store,
		    struct job *job)
{
	struct oci_out_wish wish = {
		.store = store,
		.image = &transfer->image,
		.name = transfer->local,
		.job = job,
	};
	int r = open_store(transfer, store);

	return r < 0 ? r : oci_out(transfer->arena, ret, &wish);
}

/* What is there already is not sent. */
static int send_blob(const struct oci_transfer *transfer, struct registry *registry,
		     const struct oci_out_blob *blob, struct job *job)
{
	struct registry_question question = { .size = blob->blob.size };
	char part[JOB_PART_ROOM];
	struct registry_answer answer;
	int r;

	snprintf(part, sizeof(part), "%.12s", digest_hex(&blob->blob.digest));
	memcpy(question.reference, blob->blob.digest.text, DIGEST_ROOM);
	question.verb = REGISTRY_HAS_BLOB;
	r = registry_ask(registry, &answer, &question, -EBADF);
	if (r < 0)
		return r;
	if (answer.status == 404) {
		if (job != NULL)
			job_progress(job, part, 0, blob->blob.size);
		question.verb = REGISTRY_PUT_BLOB;
		r = registry_ask(registry, &answer, &question, blob->fd);
	} else {
		log_debug("'%s' is at '%s' already", part, transfer->ref.registry);
	}
	if (r >= 0 && job != NULL)
		job_progress(job, part, blob->blob.size, blob->blob.size);
	return r;
}

static int send_all(const struct oci_transfer *transfer, struct registry *registry,
		    const struct oci_out *out, struct job *job)
{
	struct registry_question question = {
		.verb = REGISTRY_PUT_MANIFEST,
		.size = out->manifest.blob.size,
	};
	const char *type = oci_media_name(OCI_MANIFEST, out->docker);
	const char *name = transfer->ref.tag;
	struct registry_answer answer;
	int r = 0;

	for (size_t i = 0; i < out->layer_count && r >= 0; i++) {
		r = send_blob(transfer, registry, &out->layers[i], job);
		if (r >= 0 && job != NULL)
			job_progress(job, NULL, i + 1, out->layer_count + 1);
	}
	if (r >= 0)
		r = send_blob(transfer, registry, &out->config, job);
	if (r < 0)
		return r;
	memcpy(question.reference, name, strlen(name) + 1);
	memcpy(question.type, type, strlen(type) + 1);
	return registry_ask(registry, &answer, &question, out->manifest.fd);
}

int oci_push(struct job *job, void *context)
{
	const struct oci_transfer *transfer = context;
	struct registry registry = REGISTRY_EMPTY;
	struct store store = STORE_EMPTY;
	struct oci_out out;
	int r = make_out(transfer, &out, &store, job);

	if (r < 0) {
		store_done(&store);
		return r;
	}
	r = registry_open(transfer->arena, &registry, &transfer->ref, &transfer->login,
			  &transfer->trust, true, NULL);
	if (r >= 0)
		r = send_all(transfer, &registry, &out, job);
	if (r >= 0)
		log_info("'%s' is '%s@%s'", transfer->local,
			 imageref_text(transfer->arena, &transfer->ref),
			 out.manifest.blob.digest.text);
	registry_done(&registry);
	oci_out_done(&out);
	store_done(&store);
	return r;
}

/* Images are called by small letters. */
static const char *tag_of(const struct oci_transfer *transfer)
{
	char *tag = arena_format(transfer->arena, "%s:latest", transfer->local);

	for (char *at = tag; *at != '\0'; at++)
		if (*at >= 'A' && *at <= 'Z')
			*at = (char)(*at - 'A' + 'a');
	return tag;
}

int oci_export(struct job *job, void *context)
{
	const struct oci_transfer *transfer = context;
	struct store store = STORE_EMPTY;
	struct oci_out out;
	int r = make_out(transfer, &out, &store, job);

	if (r >= 0) {
		r = oci_export_image(transfer->arena, &out, &store, transfer->form,
				     transfer->output, tag_of(transfer), job);
		oci_out_done(&out);
	}
	store_done(&store);
	if (r >= 0 && syncfs(transfer->output) < 0 && errno != EINVAL && errno != EROFS)
		r = fail(-errno, "cannot write the export of '%s'", transfer->local);
	if (r < 0 && transfer->made != NULL)
		(void)unlink(transfer->made);
	return r;
}
