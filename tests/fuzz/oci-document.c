/* What images say of themselves: manifests, indexes, configurations, docker-archives; and the
 * settings that are made of it. */
#include <assert.h>
#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/text.h"
#include "fuzz.h"
#include "transfer/oci-document.h"
#include "transfer/oci-settings.h"

static void check_blob(const struct oci_blob *blob)
{
	struct digest digest;

	assert(digest_parse(&digest, blob->digest.text) == 0 && blob->size <= OCI_BLOB_MAX);
}

static void check_settings(struct arena *arena, const struct oci_config *config)
{
	struct text_list notes = {}, lines = {};
	char *text;

	if (oci_settings(arena, &text, &notes, config, true) < 0)
		return;
	assert(strlen(text) <= OCI_SETTINGS_MAX);
	text_split(arena, &lines, text, "\n");
	for (size_t i = 0; i < lines.count; i++) {
		const char *line = lines.items[i];

		assert(text_after(line, "Bind") == NULL && text_after(line, "Port") == NULL);
		assert(strchr(line, '%') == NULL || text_after(line, "Parameters=") != NULL ||
		       text_after(line, "Environment=") != NULL);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct oci_wanted wanted = { .architecture = "amd64", .variant = "" };
	const char *text = (const char *)data;
	autoarena struct arena arena = {};
	struct oci_document document;
	struct oci_archive archive;
	struct oci_config config;

	fail_forget();
	if (oci_parse_document(&arena, &document, text, size, NULL, &wanted) < 0)
		assert(fail_recorded()->text[0] != '\0');
	else if (document.is_index)
		check_blob(&document.chosen);
	else
		for (size_t i = 0; i < document.layer_count; i++)
			check_blob(&document.layers[i]);
	if (oci_parse_config(&arena, &config, text, size) == 0)
		check_settings(&arena, &config);
	if (oci_parse_archive(&arena, &archive, text, size, &wanted) == 0)
		for (size_t i = 0; i < archive.layers.count; i++)
			assert(oci_is_path(archive.layers.items[i]));
	return 0;
}
