#include "transfer/oci-transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/text.h"
#include "image/references.h"
#include "io/fd.h"
#include "transfer/archive.h"
#include "transfer/job.h"

/* An archive of an archive: layers in it are compressed already, or will not be large. */
#define ARCHIVE_FILES_MAX 4096

static void want_this_host(struct oci_source *source, const char *name)
{
	struct utsname host;

	if (uname(&host) < 0)
		host.machine[0] = '\0';
	oci_wanted_for(&source->wanted, host.machine);
	source->wanted.name = name;
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
	want_this_host(&source, NULL);
	r = store_open(transfer->arena, &store, transfer->scope, true);
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
	struct oci_source source = { .directory = directory, .shown = transfer->shown };

	if (!is_there(directory, "index.json")) {
		source.docker = true;
		if (!is_there(directory, "manifest.json"))
			return fail_input("cannot use '%s': it is neither an OCI layout nor a "
					  "docker-archive (there is no index.json and no "
					  "manifest.json)",
					  transfer->shown);
	}
	want_this_host(&source, transfer->name);
	return bring(transfer, store, &source, job);
}

static void log_notice_of(void *context, const char *sentence)
{
	struct arena *arena = context;

	log_notice("%s", text_printable(arena, sentence));
}

/* What is in an archive lies hidden in the store meanwhile. */
static int bring_archive(const struct oci_transfer *transfer, const struct store *store,
			 struct job *job)
{
	struct archive_listener listener = { .notice = log_notice_of, .context = transfer->arena };
	struct archive_wish wish = { .name = transfer->shown, .files_max = ARCHIVE_FILES_MAX };
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
	r = store_open(transfer->arena, &store, transfer->scope, true);
	if (r >= 0)
		r = S_ISDIR(st.st_mode) ? bring_directory(transfer, &store, transfer->input, job)
					: bring_archive(transfer, &store, job);
	store_done(&store);
	return r;
}
