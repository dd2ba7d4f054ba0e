#include "transfer/oci-document.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>
#include <strings.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/macros.h"
#include "base/path.h"
#include "base/text.h"
#include "transfer/json-in.h"

#define REF_NAME "org.opencontainers.image.ref.name"
#define OTHER_NAME "io.containerd.image.name"

/* ---- media types ---- */

static const struct {
	const char *name;
	enum oci_media media;
	bool docker;
} types[] = {
	{ "application/vnd.oci.image.index.v1+json", OCI_INDEX, false },
	{ "application/vnd.docker.distribution.manifest.list.v2+json", OCI_INDEX, true },
	{ "application/vnd.oci.image.manifest.v1+json", OCI_MANIFEST, false },
	{ "application/vnd.docker.distribution.manifest.v2+json", OCI_MANIFEST, true },
	{ "application/vnd.oci.image.config.v1+json", OCI_CONFIG, false },
	{ "application/vnd.docker.container.image.v1+json", OCI_CONFIG, true },
	{ "application/vnd.oci.image.layer.v1.tar", OCI_TAR, false },
	{ "application/vnd.oci.image.layer.v1.tar+gzip", OCI_TAR_GZIP, false },
	{ "application/vnd.oci.image.layer.v1.tar+zstd", OCI_TAR_ZSTD, false },
	{ "application/vnd.docker.image.rootfs.diff.tar", OCI_TAR, true },
	{ "application/vnd.docker.image.rootfs.diff.tar.gzip", OCI_TAR_GZIP, true },
	{ "application/vnd.docker.image.rootfs.diff.tar.zstd", OCI_TAR_ZSTD, true },
};

enum oci_media oci_media_of(const char *name, bool *ret_docker)
{
	size_t length = strcspn(name, "; \t");

	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (strlen(types[i].name) == length &&
		    strncasecmp(types[i].name, name, length) == 0) {
			if (ret_docker != NULL)
				*ret_docker = types[i].docker;
			return types[i].media;
		}
	return OCI_UNKNOWN;
}

const char *oci_media_name(enum oci_media media, bool docker)
{
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (types[i].media == media && types[i].docker == docker)
			return types[i].name;
	return "";
}

/* ---- architectures ---- */

void oci_wanted_for(struct oci_wanted *ret, const char *machine)
{
	static const struct {
		const char *machine, *architecture, *variant;
	} names[] = {
		{ "x86_64", "amd64", "" },
		{ "i386", "386", "" },
		{ "i486", "386", "" },
		{ "i586", "386", "" },
		{ "i686", "386", "" },
		{ "aarch64", "arm64", "v8" },
		{ "armv5tel", "arm", "v5" },
		{ "armv6l", "arm", "v6" },
		{ "armv7l", "arm", "v7" },
		{ "armv8l", "arm", "v7" },
		{ "ppc64le", "ppc64le", "" },
		{ "ppc64", "ppc64", "" },
		{ "s390x", "s390x", "" },
		{ "riscv64", "riscv64", "" },
		{ "loongarch64", "loong64", "" },
	};

	ret->architecture = ret->variant = "";
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(names[i].machine, machine) == 0) {
			ret->architecture = names[i].architecture;
			ret->variant = names[i].variant;
		}
}

/* How well a platform fits; 0: not at all. 32-bit ARM runs what was made for less. */
static int fit(const json_t *platform, const struct oci_wanted *wanted)
{
	const char *variant;

	if (platform == NULL)
		return 1;
	if (strcmp(json_in_text(platform, "os"), "linux") != 0 ||
	    strcmp(json_in_text(platform, "architecture"), wanted->architecture) != 0)
		return 0;
	variant = json_in_text(platform, "variant");
	if (strcmp(wanted->architecture, "amd64") == 0 && strcmp(variant, "v1") == 0)
		variant = ""; /* what all of them are */
	if (strcmp(variant, wanted->variant) == 0)
		return 100;
	if (*variant == '\0')
		return 50;
	if (*wanted->variant == '\0') /* amd64 with "v3" wants more than we know of */
		return 0;
	if (strcmp(wanted->architecture, "arm") == 0 && strlen(variant) == 2 &&
	    strcmp(variant, wanted->variant) < 0)
		return 50 + variant[1] - '0';
	return 0;
}

/* ---- descriptors ---- */

static int read_blob(struct oci_blob *ret, const json_t *blob, const char *what)
{
	const char *name = json_in_text(blob, "mediaType"), *text = json_in_text(blob, "digest");
	const json_t *size = json_object_get(blob, "size"), *urls = json_object_get(blob, "urls");

	if (!json_is_object(blob))
		return fail_input("cannot use the image: it has no proper %s", what);
	ret->media = oci_media_of(name, NULL);
	if (digest_parse(&ret->digest, text) < 0)
		return fail_input("cannot use the image: the digest '%.100s' of its %s is none "
				  "(sha256: and 64 digits)",
				  text, what);
	if (ret->digest.kind != DIGEST_SHA256)
		return fail_input("cannot use the image: the digest of its %s is '%s' (sha256: is "
				  "understood)",
				  what, digest_words[ret->digest.kind]);
	if (!json_is_integer(size) || json_integer_value(size) < 0 ||
	    (uint64_t)json_integer_value(size) > OCI_BLOB_MAX)
		return fail_input("cannot use the image: the size of its %s is none", what);
	ret->size = (uint64_t)json_integer_value(size);
	if (urls != NULL && json_array_size(urls) > 0)
		return fail_input("cannot use the image: its %s is to be fetched from elsewhere, "
				  "which only the image says",
				  what);
	return 0;
}

static bool is_named(const json_t *entry, const char *name)
{
	const json_t *notes = json_object_get(entry, "annotations");

	return name == NULL || strcmp(json_in_text(notes, REF_NAME), name) == 0 ||
	       strcmp(json_in_text(notes, OTHER_NAME), name) == 0;
}

static bool is_image(const json_t *entry)
{
	enum oci_media media = oci_media_of(json_in_text(entry, "mediaType"), NULL);

	return media == OCI_INDEX || media == OCI_MANIFEST;
}

static int refuse_choice(const struct oci_wanted *wanted, size_t named)
{
	if (wanted->name != NULL && named == 0)
		return fail_input("cannot find an image '%.128s' in there", wanted->name);
	if (named == 0)
		return fail_input("cannot use the image: its index is empty");
	return fail_input("cannot use the image: there is none for linux on '%s'",
			  wanted->architecture);
}

static int choose(struct oci_document *ret, const json_t *index, const struct oci_wanted *wanted)
{
	const json_t *list = json_object_get(index, "manifests"), *entry, *best = NULL;
	size_t i, named = 0, equal = 0;
	int found = 0;

	if (!json_is_array(list) || json_array_size(list) > OCI_ENTRIES_MAX)
		return fail_input("cannot use the image: its index has no proper list");
	json_array_foreach(list, i, entry)
	{
		int fits;

		if (!is_image(entry) || !is_named(entry, wanted->name))
			continue;
		named++;
		fits = fit(json_object_get(entry, "platform"), wanted);
		if (fits == 0 || fits < found)
			continue;
		equal = fits > found ? 1 : equal + 1;
		found = fits;
		best = entry;
	}
	if (best == NULL)
		return refuse_choice(wanted, named);
	/* A list of a registry tells by platform; where there are none, names tell. */
	if (equal > 1 && json_object_get(best, "platform") == NULL)
		return fail_input("cannot choose: there are %zu images in there (try to name one)",
				  equal);
	ret->is_index = true;
	return read_blob(&ret->chosen, best, "manifest");
}

/* ---- documents ---- */

static int read_layers(struct arena *arena, struct oci_document *ret, const json_t *list)
{
	const json_t *layer;
	size_t i;

	if (!json_is_array(list))
		return fail_input("cannot use the image: its manifest has no list of layers");
	if (json_array_size(list) > OCI_LAYERS_MAX)
		return fail_input("cannot use the image: it has %zu layers (%d at most)",
				  json_array_size(list), OCI_LAYERS_MAX);
	ret->layers = arena_take_array(arena, json_array_size(list), sizeof(*ret->layers));
	json_array_foreach(list, i, layer)
	{
		struct oci_blob *blob = &ret->layers[ret->layer_count++];
		int r = read_blob(blob, layer, "layer");

		if (r < 0)
			return r;
		if (blob->media < OCI_TAR)
			return fail_input("cannot use the image: layer %zu is of the type '%.100s' "
					  "(tar, tar+gzip and tar+zstd are understood)",
					  i + 1, json_in_text(layer, "mediaType"));
	}
	return 0;
}

static int read_manifest(struct arena *arena, struct oci_document *ret, const json_t *manifest)
{
	int r = read_blob(&ret->config, json_object_get(manifest, "config"), "configuration");

	if (r < 0)
		return r;
	if (ret->config.media != OCI_CONFIG)
		return fail_input("cannot use this: it is no image of a machine, but holds "
				  "'%.100s'",
				  json_in_text(json_object_get(manifest, "config"), "mediaType"));
	if (ret->config.size > OCI_DOCUMENT_MAX)
		return fail_input("cannot use the image: its configuration is too large");
	return read_layers(arena, ret, json_object_get(manifest, "layers"));
}

/* What the server said, what the document says, and what is in it, must be the same. */
static int judge_kind(bool *ret_index, bool *ret_docker, const json_t *top, const char *served)
{
	const char *own = json_in_text(top, "mediaType");
	bool index = json_object_get(top, "manifests") != NULL, docker = false;
	bool manifest = json_object_get(top, "layers") != NULL ||
			json_object_get(top, "config") != NULL ||
			json_object_get(top, "fsLayers") != NULL;
	const char *names[] = { served, own };

	if (json_integer_value(json_object_get(top, "schemaVersion")) != 2 ||
	    json_object_get(top, "fsLayers") != NULL)
		return fail_input("cannot use the image: its manifest is of an old kind (schema 2 "
				  "is understood)");
	if (index == manifest)
		return fail_input(index ? "cannot use the image: its manifest is an index as well"
					: "cannot use the image: this is neither a manifest nor an "
					  "index");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		enum oci_media media;

		if (text_empty(names[i]) || (i == 0 && text_after(names[i], "application/json")))
			continue;
		media = oci_media_of(names[i], &docker);
		if (media != (index ? OCI_INDEX : OCI_MANIFEST))
			return fail_input("cannot use the image: it is %s, but called '%.100s'",
					  index ? "an index" : "a manifest", names[i]);
	}
	*ret_index = index;
	*ret_docker = docker;
	return 0;
}

int oci_parse_document(struct arena *arena, struct oci_document *ret, const char *text, size_t size,
		       const char *served, const struct oci_wanted *wanted)
{
	struct oci_document read = { 0 };
	json_t *top;
	bool index;
	int r = json_in_parse(&top, text, size, OCI_DOCUMENT_MAX, OCI_DEPTH_MAX);

	if (r < 0)
		return fail_plain(r, "cannot use the image: its manifest is no JSON");
	r = json_is_object(top) ? judge_kind(&index, &read.docker, top, served)
				: fail_input("cannot use the image: its manifest is no object");
	if (r >= 0)
		r = index ? choose(&read, top, wanted) : read_manifest(arena, &read, top);
	json_decref(top);
	if (r >= 0)
		*ret = read;
	return r;
}

/* ---- docker-archive ---- */

bool oci_is_path(const char *path)
{
	size_t length = strlen(path);

	if (length == 0 || length > 512 || path_is_absolute(path) || !path_is_normal(path))
		return false;
	for (size_t i = 0; i < length; i++)
		if (path[i] <= ' ' || path[i] >= 127)
			return false;
	return true;
}

/* "demo:1", "1", or all of "registry.example.com/path/demo:1". */
static bool is_tag(const char *tag, const char *name)
{
	size_t length = strlen(tag), end = strlen(name);

	return end > 0 && text_ends(tag, name) &&
	       (length == end || tag[length - end - 1] == '/' || tag[length - end - 1] == ':');
}

static bool has_tag(const json_t *entry, const char *name)
{
	const json_t *list = json_object_get(entry, "RepoTags"), *tag;
	size_t i;

	json_array_foreach(list, i, tag)
	{
		const char *text = json_string_value(tag);

		if (text != NULL && is_tag(text, name))
			return true;
	}
	return false;
}

static int read_archive(struct arena *arena, struct oci_archive *ret, const json_t *entry)
{
	const json_t *layers = json_object_get(entry, "Layers");
	int r;

	ret->config = arena_text(arena, json_in_text(entry, "Config"));
	r = json_in_texts(arena, &ret->layers, layers, OCI_LAYERS_MAX, OCI_TEXT_MAX);
	if (r >= 0 && json_object_get(entry, "RepoTags") != NULL)
		json_in_texts(arena, &ret->tags, json_object_get(entry, "RepoTags"),
			      OCI_ENTRIES_MAX, OCI_TEXT_MAX);
	if (r < 0 || !json_is_array(layers))
		return fail_input("cannot use the archive: its list of layers is none");
	if (!oci_is_path(ret->config))
		return fail_input("cannot use the archive: '%.100s' is no path in it", ret->config);
	for (size_t i = 0; i < ret->layers.count; i++)
		if (!oci_is_path(ret->layers.items[i]))
			return fail_input("cannot use the archive: '%.100s' is no path in it",
					  ret->layers.items[i]);
	return 0;
}

static int choose_archive(struct arena *arena, struct oci_archive *ret, const json_t *top,
			  const char *name)
{
	const json_t *entry, *found = NULL;
	size_t i, count = 0;

	if (!json_is_array(top) || json_array_size(top) > OCI_ENTRIES_MAX)
		return fail_input("cannot use the archive: its manifest.json is no list of images");
	json_array_foreach(top, i, entry) if (name == NULL || has_tag(entry, name))
	{
		found = entry;
		count++;
	}
	if (count == 0)
		return fail_input("cannot find an image%s%.128s%s in the archive", name ? " '" : "",
				  name ? name : "", name ? "'" : "");
	if (count > 1)
		return fail_input("cannot choose: there are %zu images in there (try to name one)",
				  count);
	return read_archive(arena, ret, found);
}

int oci_parse_archive(struct arena *arena, struct oci_archive *ret, const char *text, size_t size,
		      const struct oci_wanted *wanted)
{
	struct oci_archive read = { 0 };
	json_t *top;
	int r = json_in_parse(&top, text, size, OCI_DOCUMENT_MAX, OCI_DEPTH_MAX);

	if (r < 0)
		return fail_plain(r, "cannot use the archive: its manifest.json is no JSON");
	r = choose_archive(arena, &read, top, wanted->name);
	json_decref(top);
	if (r >= 0)
		*ret = read;
	return r;
}
