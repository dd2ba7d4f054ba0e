#include "transfer/oci-document.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/macros.h"
#include "base/unit.h"

#define A "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define C "sha256:cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"

#define MANIFEST_TYPE "application/vnd.oci.image.manifest.v1+json"
#define INDEX_TYPE "application/vnd.oci.image.index.v1+json"
#define BLOB(type, digest) "{\"mediaType\":\"" type "\",\"size\":7,\"digest\":\"" digest "\"}"
#define CONFIG "\"config\":" BLOB("application/vnd.oci.image.config.v1+json", A)
#define LAYER(digest) BLOB("application/vnd.oci.image.layer.v1.tar+gzip", digest)
#define MANIFEST(more) "{\"schemaVersion\":2," CONFIG ",\"layers\":[" LAYER(B) "]" more "}"
#define ENTRY(digest, platform) \
	"{\"mediaType\":\"" MANIFEST_TYPE "\",\"size\":9,\"digest\":\"" digest "\"" platform "}"
#define PLATFORM(architecture, variant)                                    \
	",\"platform\":{\"os\":\"linux\",\"architecture\":\"" architecture \
	"\",\"variant\":\"" variant "\"}"
#define NAMED(name) ",\"annotations\":{\"org.opencontainers.image.ref.name\":\"" name "\"}"
#define INDEX(entries) "{\"schemaVersion\":2,\"manifests\":[" entries "]}"

static const struct oci_wanted amd64 = { .architecture = "amd64", .variant = "" };

static int parse(struct arena *arena, struct oci_document *ret, const char *text,
		 const char *served, const struct oci_wanted *wanted)
{
	fail_forget();
	return oci_parse_document(arena, ret, text, strlen(text), served, wanted);
}

START_TEST(a_manifest_is_a_configuration_and_layers)
{
	autoarena struct arena arena = { 0 };
	struct oci_document found;

	ck_assert_int_eq(parse(&arena, &found, MANIFEST(""), MANIFEST_TYPE, &amd64), 0);
	ck_assert(!found.is_index && !found.docker);
	ck_assert_str_eq(found.config.digest.text, A);
	ck_assert_uint_eq(found.layer_count, 1);
	ck_assert_str_eq(found.layers[0].digest.text, B);
	ck_assert_uint_eq(found.layers[0].size, 7);
	ck_assert_int_eq(found.layers[0].media, OCI_TAR_GZIP);
	ck_assert_int_eq(parse(&arena, &found, MANIFEST(""), NULL, &amd64), 0);
	ck_assert_int_eq(parse(&arena, &found, MANIFEST(",\"mediaType\":\"" MANIFEST_TYPE "\""),
			       MANIFEST_TYPE "; charset=utf-8", &amd64),
			 0);
}
END_TEST

START_TEST(an_index_chooses_by_platform)
{
	static const struct {
		const char *architecture, *variant, *digest;
	} cases[] = {
		{ "amd64", "", A },
		{ "arm", "v7", B },
		{ "arm", "v8", B },
		{ "arm64", "v8", C },
	};
	/* clang-format off */
	static const char text[] = "{\"schemaVersion\":2,\"manifests\":["
		ENTRY(C, PLATFORM("amd64", "v3")) ","
		ENTRY(A, PLATFORM("amd64", "")) ","
		ENTRY(B, PLATFORM("arm", "v6")) ","
		ENTRY(B, PLATFORM("arm", "v7")) ","
		ENTRY(C, PLATFORM("arm64", "")) ","
		ENTRY(C, PLATFORM("unknown", "")) "]}";
	/* clang-format on */
	struct oci_wanted wanted = { .architecture = "s390x", .variant = "" };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autoarena struct arena arena = { 0 };
		struct oci_document found;

		wanted.architecture = cases[i].architecture;
		wanted.variant = cases[i].variant;
		ck_assert_msg(parse(&arena, &found, text, INDEX_TYPE, &wanted) == 0, "%s",
			      fail_recorded()->text);
		ck_assert(found.is_index);
		ck_assert_str_eq(found.chosen.digest.text, cases[i].digest);
	}
	wanted.architecture = "s390x";
	ck_assert_int_eq(parse(NULL, &(struct oci_document){ 0 }, text, INDEX_TYPE, &wanted),
			 -EINVAL);
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "s390x"));
}
END_TEST

START_TEST(what_every_amd64_runs_may_be_called_so)
{
	static const char text[] = INDEX(
		ENTRY(C, PLATFORM("amd64", "v2")) "," ENTRY(A, PLATFORM("amd64", "v1")));
	autoarena struct arena arena = { 0 };
	struct oci_document found;

	ck_assert_int_eq(parse(&arena, &found, text, INDEX_TYPE, &amd64), 0);
	ck_assert_str_eq(found.chosen.digest.text, A);
}
END_TEST

START_TEST(an_index_without_platforms_chooses_by_name)
{
	static const char two[] = INDEX(ENTRY(A, NAMED("one")) "," ENTRY(B, NAMED("two")));
	autoarena struct arena arena = { 0 };
	struct oci_wanted wanted = amd64;
	struct oci_document found;

	ck_assert_int_eq(parse(&arena, &found, two, NULL, &wanted), -EINVAL);
	wanted.name = "two";
	ck_assert_int_eq(parse(&arena, &found, two, NULL, &wanted), 0);
	ck_assert_str_eq(found.chosen.digest.text, B);
	wanted.name = "three";
	ck_assert_int_eq(parse(&arena, &found, two, NULL, &wanted), -EINVAL);
	wanted.name = NULL;
	ck_assert_int_eq(parse(&arena, &found, INDEX(ENTRY(A, "")), NULL, &wanted), 0);
}
END_TEST

START_TEST(what_is_ambiguous_or_foreign_is_refused)
{
	static const struct {
		const char *text, *served, *why;
	} cases[] = {
		{ "", NULL, "JSON" },
		{ "[]", NULL, "object" },
		{ "{}", NULL, "schema" },
		{ "{\"schemaVersion\":1}", NULL, "schema" },
		{ "{\"schemaVersion\":2}", NULL, "neither" },
		{ "{\"schemaVersion\":2,\"fsLayers\":[],\"layers\":[]}", NULL, "schema" },
		{ MANIFEST(",\"manifests\":[]"), NULL, "as well" },
		{ MANIFEST(",\"layers\":[]"), NULL, "JSON" },
		{ MANIFEST(""), INDEX_TYPE, "called" },
		{ MANIFEST(""), "text/html", "called" },
		{ MANIFEST(",\"mediaType\":\"" INDEX_TYPE "\""), MANIFEST_TYPE, "called" },
		{ INDEX(ENTRY(A, "")), MANIFEST_TYPE, "called" },
		{ INDEX(""), NULL, "empty" },
		{ INDEX(ENTRY("sha256:../../x", "")), NULL, "digest" },
		{ INDEX(ENTRY("md5:d41d8cd98f00b204e9800998ecf8427e", "")), NULL, "digest" },
		{ "{\"schemaVersion\":2," CONFIG ",\"layers\":[" BLOB(
			  "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", B) "]}",
		  NULL, "nondistributable" },
		{ "{\"schemaVersion\":2," CONFIG ",\"layers\":[" BLOB("text/plain", B) "]}", NULL,
		  "text/plain" },
		{ "{\"schemaVersion\":2,\"config\":" BLOB("application/x", A) ",\"layers\":[]}",
		  NULL, "no image of a machine" },
		{ "{\"schemaVersion\":2," CONFIG ",\"layers\":[{\"mediaType\":\"application/"
		  "vnd.oci.image.layer.v1.tar\",\"size\":1,\"digest\":\"" B
		  "\",\"urls\":[\"https://example.com/x\"]}]}",
		  NULL, "elsewhere" },
		{ "{\"schemaVersion\":2," CONFIG ",\"layers\":[{\"mediaType\":\"application/"
		  "vnd.oci.image.layer.v1.tar\",\"size\":-1,\"digest\":\"" B "\"}]}",
		  NULL, "size" },
		{ "{\"schemaVersion\":2," CONFIG ",\"layers\":[{\"mediaType\":\"application/"
		  "vnd.oci.image.layer.v1.tar\",\"size\":\"1\",\"digest\":\"" B "\"}]}",
		  NULL, "size" },
		{ "{\"schemaVersion\":2," CONFIG ",\"layers\":{}}", NULL, "list" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autoarena struct arena arena = { 0 };
		struct oci_document found;

		ck_assert_msg(parse(&arena, &found, cases[i].text, cases[i].served, &amd64) < 0,
			      "%s", cases[i].text);
		ck_assert_msg(strstr(fail_recorded()->text, cases[i].why) != NULL, "%s: %s",
			      cases[i].text, fail_recorded()->text);
	}
}
END_TEST

START_TEST(depth_and_size_have_limits)
{
	autoarena struct arena arena = { 0 };
	struct oci_document found;
	size_t size = OCI_DOCUMENT_MAX + 2;
	char *text = malloc(size);

	memset(text, '[', 100000);
	ck_assert_int_lt(oci_parse_document(&arena, &found, text, 100000, NULL, &amd64), 0);
	memset(text, ' ', size);
	memcpy(text, MANIFEST(""), strlen(MANIFEST("")));
	ck_assert_int_lt(oci_parse_document(&arena, &found, text, size, NULL, &amd64), 0);
	ck_assert_int_eq(oci_parse_document(&arena, &found, text, size - 2, NULL, &amd64), 0);
	free(text);
}
END_TEST

static int parse_config(struct arena *arena, struct oci_config *ret, const char *text)
{
	fail_forget();
	return oci_parse_config(arena, ret, text, strlen(text));
}

START_TEST(a_configuration_says_what_is_run)
{
	static const char text[] =
		"{\"architecture\":\"amd64\",\"os\":\"linux\",\"rootfs\":{\"type\":\"layers\","
		"\"diff_ids\":[\"" A "\",\"" B "\"]},\"config\":{\"Entrypoint\":[\"/a\"],"
		"\"Cmd\":[\"b\",\"c d\"],\"Env\":[\"X=1\"],\"User\":\"u\",\"WorkingDir\":\"/w\","
		"\"StopSignal\":\"SIGQUIT\",\"Volumes\":{\"/v\":{}},\"ExposedPorts\":{\"80/"
		"tcp\":{}},"
		"\"Labels\":{\"a\":\"b\"}}}";
	autoarena struct arena arena = { 0 };
	struct oci_config found;

	ck_assert_int_eq(parse_config(&arena, &found, text), 0);
	ck_assert_uint_eq(found.layer_count, 2);
	ck_assert_str_eq(found.layers[1].text, B);
	ck_assert_str_eq(found.entrypoint.items[0], "/a");
	ck_assert_str_eq(found.command.items[1], "c d");
	ck_assert_str_eq(found.environment.items[0], "X=1");
	ck_assert_str_eq(found.user, "u");
	ck_assert_str_eq(found.directory, "/w");
	ck_assert_str_eq(found.signal, "SIGQUIT");
	ck_assert_str_eq(found.volumes.items[0], "/v");
	ck_assert_str_eq(found.ports.items[0], "80/tcp");
	ck_assert_uint_eq(found.ignored.count, 1);
	ck_assert_int_eq(
		parse_config(&arena, &found, "{\"rootfs\":{\"diff_ids\":[]},\"config\":null}"), 0);
}
END_TEST

START_TEST(a_configuration_that_is_none_is_refused)
{
	static const char *const bad[] = {
		"",
		"{}",
		"{\"rootfs\":{\"diff_ids\":[\"x\"]}}",
		"{\"rootfs\":{\"diff_ids\":[7]}}",
		"{\"rootfs\":{\"diff_ids\":[]},\"os\":\"windows\"}",
		"{\"rootfs\":{\"diff_ids\":[]},\"config\":[]}",
		"{\"rootfs\":{\"diff_ids\":[]},\"config\":{\"Cmd\":\"x\"}}",
		"{\"rootfs\":{\"diff_ids\":[]},\"config\":{\"Env\":[7]}}",
		"{\"rootfs\":{\"diff_ids\":[]},\"config\":{\"User\":7}}",
		"{\"rootfs\":{\"diff_ids\":[]},\"config\":{\"User\":\"a\\u0000b\"}}",
		"{\"rootfs\":{\"diff_ids\":[]},\"config\":{\"Volumes\":[\"/v\"]}}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		autoarena struct arena arena = { 0 };
		struct oci_config found;

		ck_assert_msg(parse_config(&arena, &found, bad[i]) < 0, "%s", bad[i]);
		ck_assert_str_ne(fail_recorded()->text, "");
	}
}
END_TEST

START_TEST(a_docker_archive_names_files_in_it)
{
	static const char two[] = "[{\"Config\":\"a.json\",\"RepoTags\":[\"x:1\"],\"Layers\":[\"l/"
				  "layer.tar\"]},{\"Config\":\"b.json\",\"RepoTags\":null,"
				  "\"Layers\":[]}]";
	static const char *const bad[] = {
		"[]",
		"{}",
		"[{\"Config\":\"../a\",\"Layers\":[]}]",
		"[{\"Config\":\"/a\",\"Layers\":[]}]",
		"[{\"Config\":\"a\",\"Layers\":[\"../../x\"]}]",
		"[{\"Config\":\"a\",\"Layers\":\"x\"}]",
		"[{\"Config\":\"a\"}]",
	};
	autoarena struct arena arena = { 0 };
	struct oci_wanted wanted = amd64;
	struct oci_archive found;

	ck_assert_int_lt(oci_parse_archive(&arena, &found, two, strlen(two), &wanted), 0);
	wanted.name = "x:1";
	ck_assert_int_eq(oci_parse_archive(&arena, &found, two, strlen(two), &wanted), 0);
	ck_assert_str_eq(found.config, "a.json");
	ck_assert_str_eq(found.layers.items[0], "l/layer.tar");
	ck_assert_str_eq(found.tags.items[0], "x:1");
	wanted.name = NULL;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_msg(oci_parse_archive(&arena, &found, bad[i], strlen(bad[i]), &wanted) <
				      0,
			      "%s", bad[i]);
}
END_TEST

int main(void)
{
	return UNIT_RUN("transfer/oci-document", a_manifest_is_a_configuration_and_layers,
			an_index_chooses_by_platform, what_every_amd64_runs_may_be_called_so,
			an_index_without_platforms_chooses_by_name,
			what_is_ambiguous_or_foreign_is_refused, depth_and_size_have_limits,
			a_configuration_says_what_is_run, a_configuration_that_is_none_is_refused,
			a_docker_archive_names_files_in_it);
}
