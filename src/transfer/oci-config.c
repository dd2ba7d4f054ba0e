/* The configuration of an image, as far as somebody may want it (transfer/oci-document). */
#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/macros.h"
#include "transfer/json-in.h"
#include "transfer/oci-document.h"

/* Keys of "config" that are read here. */
static const char *const known[] = {
	"Entrypoint", "Cmd", "Env", "User", "WorkingDir", "StopSignal", "Volumes", "ExposedPorts",
};

static int read_layers(struct arena *arena, struct oci_config *ret, const json_t *top)
{
	const json_t *system = json_object_get(top, "rootfs");
	const json_t *list = json_object_get(system, "diff_ids"), *id;
	size_t i;

	if (!json_is_array(list) || json_array_size(list) > OCI_LAYERS_MAX)
		return fail_input("cannot use the image: its configuration has no proper list of "
				  "layers");
	ret->layers = arena_take_array(arena, json_array_size(list), sizeof(*ret->layers));
	json_array_foreach(list, i, id)
	{
		const char *text = json_string_value(id);
		struct digest *digest = &ret->layers[ret->layer_count++];

		if (text == NULL || digest_parse(digest, text) < 0 || digest->kind != DIGEST_SHA256)
			return fail_input("cannot use the image: '%.100s' is no digest of a layer "
					  "(sha256: and 64 digits)",
					  text == NULL ? "" : text);
	}
	return 0;
}

static int read_text(struct arena *arena, const char **ret, const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	*ret = "";
	if (value == NULL || json_is_null(value))
		return 0;
	if (!json_is_string(value) || json_string_length(value) > OCI_TEXT_MAX)
		return fail_input("cannot use the image: '%s' of its configuration is no text",
				  key);
	*ret = arena_text(arena, json_string_value(value));
	return 0;
}

/* Old builders wrote one text where a list belongs; a shell would have split it. */
static int read_list(struct arena *arena, struct text_list *ret, const json_t *object,
		     const char *key)
{
	int r = json_in_texts(arena, ret, json_object_get(object, key), OCI_ENTRIES_MAX,
			      OCI_TEXT_MAX);

	return r < 0 ? fail_input("cannot use the image: '%s' of its configuration is no list of "
				  "texts",
				  key)
		     : 0;
}

static int read_keys(struct arena *arena, struct text_list *ret, const json_t *object,
		     const char *key)
{
	int r = json_in_keys(arena, ret, json_object_get(object, key), OCI_ENTRIES_MAX,
			     OCI_TEXT_MAX);

	return r < 0 ? fail_input("cannot use the image: '%s' of its configuration is no set of "
				  "texts",
				  key)
		     : 0;
}

static void note_ignored(struct arena *arena, struct oci_config *ret, const json_t *config)
{
	struct text_list keys = { 0 };

	if (json_in_keys(arena, &keys, config, OCI_ENTRIES_MAX, 64) < 0)
		return;
	for (size_t i = 0; i < keys.count; i++) {
		bool is_known = false;

		for (size_t k = 0; k < ARRAY_SIZE(known); k++)
			is_known = is_known || strcmp(known[k], keys.items[i]) == 0;
		if (!is_known)
			text_list_add(arena, &ret->ignored, keys.items[i]);
	}
}

static int read_run(struct arena *arena, struct oci_config *ret, const json_t *config)
{
	int r;

	if (config != NULL && !json_is_null(config) && !json_is_object(config))
		return fail_input("cannot use the image: 'config' of its configuration is no "
				  "object");
	r = read_list(arena, &ret->entrypoint, config, "Entrypoint");
	if (r >= 0)
		r = read_list(arena, &ret->command, config, "Cmd");
	if (r >= 0)
		r = read_list(arena, &ret->environment, config, "Env");
	if (r >= 0)
		r = read_keys(arena, &ret->volumes, config, "Volumes");
	if (r >= 0)
		r = read_keys(arena, &ret->ports, config, "ExposedPorts");
	if (r >= 0)
		r = read_text(arena, &ret->user, config, "User");
	if (r >= 0)
		r = read_text(arena, &ret->directory, config, "WorkingDir");
	if (r >= 0)
		r = read_text(arena, &ret->signal, config, "StopSignal");
	note_ignored(arena, ret, config);
	return r;
}

int oci_parse_config(struct arena *arena, struct oci_config *ret, const char *text, size_t size)
{
	struct oci_config read = { 0 };
	json_t *top;
	int r = json_in_parse(&top, text, size, OCI_DOCUMENT_MAX, OCI_DEPTH_MAX);

	if (r < 0)
		return fail_plain(r, "cannot use the image: its configuration is no JSON");
	r = json_is_object(top)
		    ? read_layers(arena, &read, top)
		    : fail_input("cannot use the image: its configuration is no object");
	if (r >= 0)
		r = read_text(arena, &read.architecture, top, "architecture");
	if (r >= 0)
		r = read_text(arena, &read.os, top, "os");
	if (r >= 0 && *read.os != '\0' && strcmp(read.os, "linux") != 0)
		r = fail_input("cannot use the image: it is for '%.40s', not for linux", read.os);
	if (r >= 0)
		r = read_run(arena, &read, json_object_get(top, "config"));
	json_decref(top);
	if (r >= 0)
		*ret = read;
	return r;
}
