/* What a machine that becomes an image says of itself (transfer/oci-out). */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "format/json-out.h"
#include "io/fd.h"
#include "io/file.h"
#include "transfer/json-in.h"
#include "transfer/oci-out.h"
#include "transfer/worker.h"

struct editing {
	int old, output;
	const struct oci_out_blob *layers;
	size_t count;
	const char *architecture;
	bool has_init;
};

/* ---- inside ---- */

static int read_old(struct arena *arena, json_t **ret, int fd)
{
	size_t size;
	char *text;
	int r;

	if (fd < 0) {
		*ret = json_object();
		return *ret == NULL ? fail(-ENOMEM, "cannot make a configuration") : 0;
	}
	r = file_read_fd(arena, &text, &size, fd, OCI_DOCUMENT_MAX);
	if (r >= 0)
		r = json_in_parse(ret, text, size, OCI_DOCUMENT_MAX, OCI_DEPTH_MAX);
	if (r < 0)
		return fail(r, "cannot read what the image says of itself");
	if (json_is_object(*ret))
		return 0;
	json_decref(*ret);
	return fail_input("cannot use what the image says of itself: it is no object");
}

static int set_text(json_t *top, const char *key, const char *text)
{
	if (json_object_get(top, key) != NULL || *text == '\0')
		return 0;
	return json_object_set_new(top, key, json_string(text));
}

/* What was done to make other layers is no longer what it says. */
static int set_layers(json_t *top, const struct editing *editing)
{
	json_t *ids = json_array(), *system = json_object();
	int r = 0;

	for (size_t i = 0; i < editing->count && r >= 0; i++)
		r = json_array_append_new(ids, json_string(editing->layers[i].id.text));
	if (r >= 0)
		r = json_object_set_new(system, "type", json_string("layers"));
	if (r >= 0)
		r = json_object_set_new(system, "diff_ids", ids);
	else
		json_decref(ids);
	if (r >= 0)
		r = json_object_set_new(top, "rootfs", system);
	else
		json_decref(system);
	json_object_del(top, "history");
	return r;
}

static int set_all(json_t *top, const struct editing *editing)
{
	int r = set_text(top, "architecture", editing->architecture);

	if (r >= 0)
		r = set_text(top, "os", "linux");
	if (r >= 0)
		r = set_layers(top, editing);
	if (r >= 0 && editing->old < 0 && editing->has_init)
		r = json_object_set_new(top, "config", json_pack("{s:[s]}", "Cmd", "/sbin/init"));
	return r;
}

static int edit(struct worker_side *side, void *context)
{
	const struct editing *editing = context;
	autoarena struct arena arena = { 0 };
	char *text = NULL;
	json_t *top;
	int r = read_old(&arena, &top, editing->old);

	(void)side;
	if (r < 0)
		return r;
	if (set_all(top, editing) >= 0)
		text = json_dumps(top, JSON_COMPACT);
	json_decref(top);
	r = text == NULL ? -ENOMEM : fd_write_all(editing->output, text, strlen(text));
	free(text);
	return r < 0 ? fail(r, "cannot write what the image says of itself") : 0;
}

/* ---- outside ---- */

int oci_out_config(struct arena *arena, int *ret_fd, int old, const struct oci_out_blob *layers,
		   size_t count, bool has_init)
{
	autoclose int output = memfd_create("config", MFD_CLOEXEC);
	const int fds[] = { output, old };
	struct oci_wanted here;
	struct utsname host;
	struct editing editing = {
		.old = old,
		.output = output,
		.layers = layers,
		.count = count,
		.has_init = has_init,
	};
	struct worker_request request = {
		.name = "write-image",
		.run = edit,
		.context = &editing,
		.view = WORKER_SEES_NOTHING,
		.tree_fd = -EBADF,
		.fds = fds,
		.fd_count = old < 0 ? 1 : 2,
	};
	int r;

	(void)arena;
	if (output < 0)
		return fail(-errno, "cannot make a file for what the image says of itself");
	if (uname(&host) < 0)
		host.machine[0] = '\0';
	oci_wanted_for(&here, host.machine);
	editing.architecture = here.architecture;
	r = worker_run(&request, NULL);
	if (r < 0)
		return r;
	*ret_fd = take_fd(&output);
	return 0;
}

static void describe(struct json_out *json, const char *key, const struct oci_blob *blob)
{
	json_out_begin_object(json, key);
	json_out_text(json, "mediaType", oci_media_name(blob->media, false));
	json_out_text(json, "digest", blob->digest.text);
	json_out_unsigned(json, "size", blob->size);
	json_out_end_object(json);
}

int oci_out_manifest(struct arena *arena, int *ret_fd, const struct oci_out *out)
{
	autoclose int fd = memfd_create("manifest", MFD_CLOEXEC);
	struct json_out json;
	const char *text;
	int r;

	json_out_init(&json, arena, false);
	json_out_begin_object(&json, NULL);
	json_out_unsigned(&json, "schemaVersion", 2);
	json_out_text(&json, "mediaType", oci_media_name(OCI_MANIFEST, false));
	describe(&json, "config", &out->config.blob);
	json_out_begin_array(&json, "layers");
	for (size_t i = 0; i < out->layer_count; i++)
		describe(&json, NULL, &out->layers[i].blob);
	json_out_end_array(&json);
	json_out_end_object(&json);
	text = json_out_done(&json);
	r = fd < 0 ? -errno : fd_write_all(fd, text, strlen(text));
	if (r < 0)
		return fail(r, "cannot write the image's manifest");
	*ret_fd = take_fd(&fd);
	return 0;
}
