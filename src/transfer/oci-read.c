#include "transfer/oci-read.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/macros.h"
#include "base/text.h"
#include "io/file.h"
#include "transfer/worker.h"

/* What a worker tells: one thing a message, in the order of the document. */
enum tell {
	TELL_HEAD,   /* struct head */
	TELL_CHOSEN, /* struct oci_blob; likewise these two */
	TELL_CONFIG_BLOB,
	TELL_LAYER,
	TELL_LAYER_ID, /* struct digest */
	TELL_TEXTS,    /* from here on texts */
	TELL_ENTRYPOINT = TELL_TEXTS,
	TELL_COMMAND,
	TELL_ENVIRONMENT,
	TELL_VOLUME,
	TELL_PORT,
	TELL_IGNORED,
	TELL_ARCHITECTURE,
	TELL_OS,
	TELL_USER,
	TELL_DIRECTORY,
	TELL_SIGNAL,
	TELL_ARCHIVE_CONFIG,
	TELL_ARCHIVE_LAYER,
	TELL_ARCHIVE_TAG,
};

struct head {
	uint32_t is_index, docker;
};

enum question { ASK_DOCUMENT, ASK_CONFIG, ASK_ARCHIVE };

struct reading {
	enum question question;
	int fd;
	const char *served;
	const struct oci_wanted *wanted;

	/* in the caller */
	struct arena *arena;
	struct oci_document document;
	struct oci_config config;
	struct oci_archive archive;
	size_t texts;
};

/* ---- inside ---- */

static int tell_texts(struct worker_side *side, enum tell what, const struct text_list *list)
{
	int r = 0;

	for (size_t i = 0; i < list->count && r >= 0; i++)
		r = worker_tell(side, what, list->items[i], strlen(list->items[i]));
	return r;
}

static int tell_text(struct worker_side *side, enum tell what, const char *text)
{
	return *text == '\0' ? 0 : worker_tell(side, what, text, strlen(text));
}

static int tell_document(struct worker_side *side, const struct oci_document *document)
{
	struct head head = { document->is_index, document->docker };
	int r = worker_tell(side, TELL_HEAD, &head, sizeof(head));

	if (r >= 0 && document->is_index)
		return worker_tell(side, TELL_CHOSEN, &document->chosen, sizeof(struct oci_blob));
	if (r >= 0)
		r = worker_tell(side, TELL_CONFIG_BLOB, &document->config, sizeof(struct oci_blob));
	for (size_t i = 0; i < document->layer_count && r >= 0; i++)
		r = worker_tell(side, TELL_LAYER, &document->layers[i], sizeof(struct oci_blob));
	return r;
}

static int tell_config(struct worker_side *side, const struct oci_config *config)
{
	int r = 0;

	for (size_t i = 0; i < config->layer_count && r >= 0; i++)
		r = worker_tell(side, TELL_LAYER_ID, &config->layers[i], sizeof(struct digest));
	if (r >= 0)
		r = tell_texts(side, TELL_ENTRYPOINT, &config->entrypoint);
	if (r >= 0)
		r = tell_texts(side, TELL_COMMAND, &config->command);
	if (r >= 0)
		r = tell_texts(side, TELL_ENVIRONMENT, &config->environment);
	if (r >= 0)
		r = tell_texts(side, TELL_VOLUME, &config->volumes);
	if (r >= 0)
		r = tell_texts(side, TELL_PORT, &config->ports);
	if (r >= 0)
		r = tell_texts(side, TELL_IGNORED, &config->ignored);
	if (r >= 0)
		r = tell_text(side, TELL_ARCHITECTURE, config->architecture);
	if (r >= 0)
		r = tell_text(side, TELL_OS, config->os);
	if (r >= 0)
		r = tell_text(side, TELL_USER, config->user);
	if (r >= 0)
		r = tell_text(side, TELL_DIRECTORY, config->directory);
	return r < 0 ? r : tell_text(side, TELL_SIGNAL, config->signal);
}

static int tell_archive(struct worker_side *side, const struct oci_archive *archive)
{
	int r = tell_text(side, TELL_ARCHIVE_CONFIG, archive->config);

	if (r >= 0)
		r = tell_texts(side, TELL_ARCHIVE_LAYER, &archive->layers);
	return r < 0 ? r : tell_texts(side, TELL_ARCHIVE_TAG, &archive->tags);
}

static int parse(struct worker_side *side, void *context)
{
	struct reading *reading = context;
	autoarena struct arena arena = { 0 };
	size_t size;
	char *text;
	int r = file_read_fd(&arena, &text, &size, reading->fd, OCI_DOCUMENT_MAX);

	if (r < 0)
		return fail(r, "cannot read what the image says of itself");
	switch (reading->question) {
	case ASK_DOCUMENT:
		r = oci_parse_document(&arena, &reading->document, text, size, reading->served,
				       reading->wanted);
		return r < 0 ? r : tell_document(side, &reading->document);
	case ASK_CONFIG:
		r = oci_parse_config(&arena, &reading->config, text, size);
		return r < 0 ? r : tell_config(side, &reading->config);
	case ASK_ARCHIVE:
		r = oci_parse_archive(&arena, &reading->archive, text, size, reading->wanted);
		return r < 0 ? r : tell_archive(side, &reading->archive);
	}
	return -EINVAL;
}

/* ---- outside ---- */

static int refuse(void)
{
	return fail_plain(-EBADMSG, "cannot use the image: what was read of it is nothing proper");
}

static int take_blob(struct oci_blob *ret, const void *data, size_t size, bool layer)
{
	struct oci_blob blob;
	struct digest digest;

	if (size != sizeof(blob))
		return -EBADMSG;
	memcpy(&blob, data, sizeof(blob));
	blob.digest.text[DIGEST_ROOM - 1] = '\0';
	if (digest_parse(&digest, blob.digest.text) < 0 || digest.kind != DIGEST_SHA256 ||
	    blob.size > OCI_BLOB_MAX || blob.media >= OCI_MEDIA_COUNT ||
	    (layer && blob.media < OCI_TAR))
		return -EBADMSG;
	ret->media = blob.media;
	ret->size = blob.size;
	ret->digest = digest;
	return 0;
}

static int take_layer(struct reading *reading, const void *data, size_t size)
{
	struct oci_document *document = &reading->document;

	if (document->layer_count >= OCI_LAYERS_MAX)
		return -EBADMSG;
	if (document->layers == NULL)
		document->layers = arena_take_array(reading->arena, OCI_LAYERS_MAX,
						    sizeof(struct oci_blob));
	return take_blob(&document->layers[document->layer_count++], data, size, true);
}

static int take_layer_id(struct reading *reading, const void *data, size_t size)
{
	struct oci_config *config = &reading->config;
	struct digest told, *id;

	if (config->layer_count >= OCI_LAYERS_MAX || size != sizeof(told))
		return -EBADMSG;
	if (config->layers == NULL)
		config->layers = arena_take_array(reading->arena, OCI_LAYERS_MAX,
						  sizeof(struct digest));
	id = &config->layers[config->layer_count++];
	memcpy(&told, data, sizeof(told));
	told.text[DIGEST_ROOM - 1] = '\0';
	return digest_parse(id, told.text) < 0 || id->kind != DIGEST_SHA256 ? -EBADMSG : 0;
}

static int take_text(struct reading *reading, enum tell what, const char *data, size_t size)
{
	struct oci_config *config = &reading->config;
	struct text_list *lists[] = {
		[TELL_ENTRYPOINT] = &config->entrypoint,
		[TELL_COMMAND] = &config->command,
		[TELL_ENVIRONMENT] = &config->environment,
		[TELL_VOLUME] = &config->volumes,
		[TELL_PORT] = &config->ports,
		[TELL_IGNORED] = &config->ignored,
		[TELL_ARCHIVE_LAYER] = &reading->archive.layers,
		[TELL_ARCHIVE_TAG] = &reading->archive.tags,
	};
	const char **texts[] = {
		[TELL_ARCHITECTURE] = &config->architecture,
		[TELL_OS] = &config->os,
		[TELL_USER] = &config->user,
		[TELL_DIRECTORY] = &config->directory,
		[TELL_SIGNAL] = &config->signal,
		[TELL_ARCHIVE_CONFIG] = &reading->archive.config,
	};
	char *text;

	if (size > OCI_TEXT_MAX || memchr(data, '\0', size) != NULL ||
	    ++reading->texts > (size_t)8 * OCI_ENTRIES_MAX)
		return -EBADMSG;
	text = arena_text_n(reading->arena, data, size);
	if (what < ARRAY_SIZE(lists) && lists[what] != NULL)
		text_list_add(reading->arena, lists[what], text);
	else if (what < ARRAY_SIZE(texts) && texts[what] != NULL)
		*texts[what] = text;
	else
		return -EBADMSG;
	return 0;
}

static int take_head(struct reading *reading, const void *data, size_t size)
{
	struct head head;

	if (size != sizeof(head))
		return -EBADMSG;
	memcpy(&head, data, sizeof(head));
	reading->document.is_index = head.is_index != 0;
	reading->document.docker = head.docker != 0;
	return 0;
}

static int told(void *context, unsigned int what, const void *data, size_t size)
{
	struct reading *reading = context;
	struct oci_document *document = &reading->document;
	int r;

	switch (what) {
	case TELL_HEAD: r = take_head(reading, data, size); break;
	case TELL_CHOSEN: r = take_blob(&document->chosen, data, size, false); break;
	case TELL_CONFIG_BLOB: r = take_blob(&document->config, data, size, false); break;
	case TELL_LAYER: r = take_layer(reading, data, size); break;
	case TELL_LAYER_ID: r = take_layer_id(reading, data, size); break;
	default: r = take_text(reading, what, data, size);
	}
	return r < 0 ? refuse() : 0;
}

static int read_by_worker(struct reading *reading)
{
	struct worker_request request = {
		.name = "read-image",
		.run = parse,
		.context = reading,
		.view = WORKER_SEES_NOTHING,
		.tree_fd = -EBADF,
		.fds = &reading->fd,
		.fd_count = 1,
	};
	struct worker_listener listener = { .told = told, .context = reading };

	reading->config.architecture = reading->config.os = reading->config.user = "";
	reading->config.directory = reading->config.signal = reading->archive.config = "";
	if (lseek(reading->fd, 0, SEEK_SET) < 0)
		return fail(-errno, "cannot read what the image says of itself");
	return worker_run(&request, &listener);
}

int oci_seal(int fd)
{
	struct stat st;

	if (fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_WRITE) < 0)
		return fail(-errno, "cannot seal what was fetched");
	if (fstat(fd, &st) < 0)
		return fail(-errno, "cannot look at what was fetched");
	if (st.st_size > OCI_DOCUMENT_MAX)
		return fail_input("cannot use the image: a document of it is too large");
	return lseek(fd, 0, SEEK_SET) < 0 ? fail(-errno, "cannot read what was fetched") : 0;
}

void oci_wanted_here(struct oci_wanted *ret)
{
	struct utsname host;

	if (uname(&host) < 0)
		host.machine[0] = '\0';
	oci_wanted_for(ret, host.machine);
}

int oci_read_document(struct arena *arena, struct oci_document *ret, int fd, const char *served,
		      const struct oci_wanted *wanted)
{
	struct reading reading = {
		.question = ASK_DOCUMENT,
		.fd = fd,
		.served = served,
		.wanted = wanted,
		.arena = arena,
	};
	const struct oci_document *document = &reading.document;
	int r = read_by_worker(&reading);

	if (r < 0)
		return r;
	if (document->is_index
		    ? document->chosen.digest.text[0] == '\0' || document->layer_count > 0
		    : document->config.digest.text[0] == '\0')
		return refuse();
	*ret = reading.document;
	return 0;
}

int oci_read_config(struct arena *arena, struct oci_config *ret, int fd)
{
	struct reading reading = { .question = ASK_CONFIG, .fd = fd, .arena = arena };
	int r = read_by_worker(&reading);

	if (r >= 0)
		*ret = reading.config;
	return r;
}

int oci_read_archive(struct arena *arena, struct oci_archive *ret, int fd,
		     const struct oci_wanted *wanted)
{
	struct reading reading = {
		.question = ASK_ARCHIVE,
		.fd = fd,
		.wanted = wanted,
		.arena = arena,
	};
	int r = read_by_worker(&reading);

	if (r < 0)
		return r;
	if (!oci_is_path(reading.archive.config) || reading.archive.layers.count > OCI_LAYERS_MAX)
		return refuse();
	for (size_t i = 0; i < reading.archive.layers.count; i++)
		if (!oci_is_path(reading.archive.layers.items[i]))
			return refuse();
	*ret = reading.archive;
	return 0;
}

/* ---- hashes ---- */

#define PIECE ((size_t)256 * 1024)

struct oci_hash {
	EVP_MD_CTX *hash;
	int fd;
	off_t at;
	char piece[PIECE];
};

struct oci_hash *oci_hash_begin(int fd)
{
	struct oci_hash *hash = malloc(sizeof(*hash));

	if (hash == NULL)
		return NULL;
	hash->fd = fd;
	hash->at = 0;
	hash->hash = EVP_MD_CTX_new();
	if (hash->hash == NULL || EVP_DigestInit_ex(hash->hash, EVP_sha256(), NULL) != 1) {
		oci_hash_end(hash);
		return NULL;
	}
	return hash;
}

void oci_hash_end(struct oci_hash *hash)
{
	if (hash == NULL)
		return;
	EVP_MD_CTX_free(hash->hash);
	free(hash);
}

int oci_hash_step(struct oci_hash *hash, struct digest *ret)
{
	unsigned char bytes[EVP_MAX_MD_SIZE];
	ssize_t n = pread(hash->fd, hash->piece, PIECE, hash->at);

	if (n < 0 && errno == EINTR)
		return 1;
	if (n < 0 || EVP_DigestUpdate(hash->hash, hash->piece, (size_t)n) != 1)
		return fail(n < 0 ? -errno : -EIO, "cannot hash a file");
	hash->at += n;
	if (n > 0)
		return 1;
	if (EVP_DigestFinal_ex(hash->hash, bytes, NULL) != 1)
		return fail(-EIO, "cannot hash a file");
	return digest_make(ret, DIGEST_SHA256, bytes, 32);
}

int oci_hash(struct digest *ret, int fd)
{
	struct oci_hash *hash = oci_hash_begin(fd);
	int r = hash == NULL ? fail(-ENOMEM, "cannot hash a file") : 1;

	while (r > 0)
		r = oci_hash_step(hash, ret);
	oci_hash_end(hash);
	return r;
}

int oci_verify(int fd, const struct digest *digest, uint64_t size, const char *what)
{
	struct digest found;
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return fail(-errno, "cannot look at the %s", what);
	if ((uint64_t)st.st_size != size)
		return fail_plain(-EBADMSG,
				  "cannot use the %s: it has %llu bytes, and should have %llu",
				  what, (unsigned long long)st.st_size, (unsigned long long)size);
	r = oci_hash(&found, fd);
	if (r < 0)
		return r;
	if (!digest_equal(&found, digest))
		return fail_plain(-EBADMSG,
				  "cannot use the %s: its bytes are not those of its digest "
				  "'%s'",
				  what, digest->text);
	return 0;
}
