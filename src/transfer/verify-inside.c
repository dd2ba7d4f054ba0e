#include "transfer/verify-inside.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/macros.h"
#include "base/text.h"
#include "format/checksums.h"
#include "io/child.h"
#include "io/fd.h"
#include "io/file.h"

#define PROGRAMS "/usr/local/bin:/usr/bin:/bin"
#define BEGIN_ARMOUR "-----BEGIN PGP PUBLIC KEY BLOCK-----"
#define END_ARMOUR "-----END PGP PUBLIC KEY BLOCK-----"
#define STATUS_MAX (32 * 1024)

/* ---- armour ---- */

/* The base64 between the empty line behind the head and the sum. */
static size_t decode_block(unsigned char *to, const char *at, const char *end)
{
	EVP_ENCODE_CTX *decode = EVP_ENCODE_CTX_new();
	const char *body = memmem(at, (size_t)(end - at), "\n\n", 2);
	int length = 0, last = 0;

	if (body == NULL) /* lines may end as those of other systems */
		body = memmem(at, (size_t)(end - at), "\r\n\r\n", 4);
	if (decode == NULL || body == NULL) {
		EVP_ENCODE_CTX_free(decode);
		return 0;
	}
	for (const char *sum = body; sum + 1 < end; sum++)
		if (sum[0] == '\n' && sum[1] == '=')
			end = sum;
	EVP_DecodeInit(decode);
	if (EVP_DecodeUpdate(decode, to, &length, (const unsigned char *)body, (int)(end - body)) <
		    0 ||
	    EVP_DecodeFinal(decode, to + length, &last) < 0)
		length = last = 0;
	EVP_ENCODE_CTX_free(decode);
	return (size_t)(length + last);
}

void verify_dearmour(struct arena *arena, const void **data, size_t *size)
{
	const char *at = *data, *end = at + *size;
	unsigned char *bytes;
	size_t used = 0;

	if (memmem(at, *size, BEGIN_ARMOUR, strlen(BEGIN_ARMOUR)) == NULL)
		return;
	bytes = arena_take(arena, *size + 64);
	while (at < end) {
		const char *begin = memmem(at, (size_t)(end - at), BEGIN_ARMOUR,
					   strlen(BEGIN_ARMOUR));
		const char *stop = begin == NULL ? NULL
						 : memmem(begin, (size_t)(end - begin), END_ARMOUR,
							  strlen(END_ARMOUR));

		if (stop == NULL)
			break;
		used += decode_block(bytes + used, begin, stop);
		at = stop + strlen(END_ARMOUR);
	}
	*data = bytes;
	*size = used;
}

/* ---- gpgv ---- */

static int put(const char *path, const void *data, size_t size)
{
	autoclose int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int r = fd < 0 ? -errno : fd_write_all(fd, data, size);

	return r < 0 ? fail(r, "cannot give a file to gpgv") : 0;
}

static int put_all(struct arena *arena, const struct verify_task *task)
{
	int r = put("/tmp/text", task->text, task->size);

	if (r >= 0 && task->signature != NULL)
		r = put("/tmp/signature", task->signature, task->signature_size);
	for (size_t i = 0; r >= 0 && i < task->keyrings->count; i++) {
		const void *data = task->keyrings->items[i].data;
		size_t size = task->keyrings->items[i].size;

		verify_dearmour(arena, &data, &size);
		r = put(arena_format(arena, "/tmp/keyring%zu", i), data, size);
	}
	return r;
}

static char **words_of(struct arena *arena, const struct verify_task *task)
{
	char **words = arena_take_array(arena, 20, sizeof(char *));
	size_t n = 0;

	words[n++] = arena_text(arena, "gpgv");
	words[n++] = arena_text(arena, "--status-fd=1");
	words[n++] = arena_text(arena, "--homedir=/tmp");
	words[n++] = arena_text(arena, "--weak-digest=SHA1");
	for (size_t i = 0; i < task->keyrings->count; i++)
		words[n++] = arena_format(arena, "--keyring=/tmp/keyring%zu", i);
	if (task->signature == NULL) {
		words[n++] = arena_text(arena, "--output=/tmp/signed");
		words[n++] = arena_text(arena, "/tmp/text");
	} else {
		words[n++] = arena_text(arena, "/tmp/signature");
		words[n++] = arena_text(arena, "/tmp/text");
	}
	words[n] = NULL;
	return words;
}

static int tell_text(struct arena *arena, struct worker_side *side)
{
	char *text;
	size_t size;
	int r = file_read(arena, &text, &size, AT_FDCWD, "/tmp/signed", CHECKSUMS_SIZE_MAX);

	if (r == -ENOENT) /* then the status lines say why */
		return 0;
	if (r < 0)
		return fail(r, "cannot read what gpgv wrote");
	for (size_t at = 0; r >= 0 && at < size; at += WORKER_TOLD_MAX)
		r = worker_tell(side, VERIFY_TELLS_TEXT, text + at,
				MIN(size - at, (size_t)WORKER_TOLD_MAX));
	return r;
}

int verify_inside(struct worker_side *side, void *context)
{
	const struct verify_task *task = context;
	autoarena struct arena arena = { 0 };
	char *gpgv = child_find(&arena, PROGRAMS, "gpgv"), *text;
	autoclose int status = open("/tmp/status", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	char *const environment[] = { (char *)"HOME=/tmp", (char *)"LC_ALL=C", NULL };
	struct child_request request = {
		.path = gpgv,
		.environment = environment,
		.stdio = { 0, status, 2 }, /* nothing, in a worker */
		.timeout_us = CHILD_FOREVER,
	};
	size_t size;
	int r, ended;

	if (gpgv == NULL)
		return fail_plain(-ENOENT, "cannot verify a signature: there is no gpgv (install "
					   "it, or try --verify=checksum)");
	if (status < 0)
		return fail(-errno, "cannot make a file for gpgv");
	r = put_all(&arena, task);
	if (r < 0)
		return r;
	request.arguments = words_of(&arena, task);
	r = child_run(&ended, &request);
	if (r < 0)
		return fail(r, "cannot run '%s'", gpgv);
	if (lseek(status, 0, SEEK_SET) < 0 ||
	    file_read_fd(&arena, &text, &size, status, STATUS_MAX) < 0)
		return fail_plain(-EIO, "cannot read what gpgv says");
	r = worker_tell(side, VERIFY_TELLS_STATUS, text, size);
	return r < 0 || task->signature != NULL ? r : tell_text(&arena, side);
}

/* ---- what it says ---- */

/* "KEY USER": only what can be printed; gpgv writes the rest as %XX. */
static void take_good(struct verified *verified, const char *text)
{
	size_t key = strcspn(text, " \n"), i = 0;
	const char *user = text + key + (text[key] == ' ');

	snprintf(verified->signers[verified->signer_count].key, 65, "%.*s", (int)MIN(key, 64u),
		 text);
	for (; i < 255 && user[i] != '\0' && user[i] != '\n'; i++)
		verified->signers[verified->signer_count].user[i] =
			(unsigned char)user[i] < ' ' || user[i] == 0x7f ? '?' : user[i];
	verified->signers[verified->signer_count].user[i] = '\0';
}

int verify_read_status(struct verified *ret, const char *status)
{
	struct verified verified = { 0 };
	bool good = false;

	for (const char *line = status; line != NULL && *line;
	     line = strchr(line, '\n'), line = line == NULL ? NULL : line + 1) {
		const char *word = text_after(line, "[GNUPG:] ");

		if (word == NULL)
			continue;
		if (text_after(word, "BADSIG ") != NULL)
			return -EBADMSG;
		if (text_after(word, "NEWSIG") != NULL)
			good = false;
		if (verified.signer_count == VERIFY_SIGNERS_MAX)
			continue;
		if (text_after(word, "GOODSIG ") != NULL) {
			good = true;
			take_good(&verified, text_after(word, "GOODSIG "));
		}
		/* The same one's whole fingerprint. An expired or revoked key has no GOODSIG. */
		if (good && text_after(word, "VALIDSIG ") != NULL) {
			const char *key = text_after(word, "VALIDSIG ");

			snprintf(verified.signers[verified.signer_count].key, 65, "%.*s",
				 (int)MIN(strcspn(key, " \n"), 64u), key);
			verified.signer_count++;
			good = false;
		}
	}
	memcpy(ret->signers, verified.signers, sizeof(ret->signers));
	ret->signer_count = verified.signer_count;
	return ret->signer_count > 0 ? 0 : -EBADMSG;
}
