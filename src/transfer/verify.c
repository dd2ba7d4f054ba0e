#include "transfer/verify.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/macros.h"
#include "base/text.h"
#include "format/checksums.h"
#include "io/file.h"
#include "transfer/verify-inside.h"

static const char *const words[] = {
	[VERIFY_SIGNATURE] = "signature",
	[VERIFY_CHECKSUM] = "checksum",
	[VERIFY_NO] = "no",
	[VERIFY_SUM] = "sum", /* never said so: it is said itself */
};

const char *verify_word(enum verify_mode mode)
{
	return words[mode];
}

int verify_parse(struct verify *ret, const char *text)
{
	struct verify verify = { .mode = VERIFY_SUM };

	for (size_t i = 0; i < VERIFY_SUM; i++) {
		if (text_equal(text, words[i])) {
			*ret = (struct verify){ .mode = (enum verify_mode)i };
			return 0;
		}
	}
	if (strlen(text) != CHECKSUMS_DIGITS)
		return -EINVAL;
	for (size_t i = 0; i < CHECKSUMS_DIGITS; i++)
		verify.sum[i] = (char)tolower((unsigned char)text[i]);
	if (!checksums_is_sum(verify.sum))
		return -EINVAL;
	*ret = verify;
	return 0;
}

/* ---- sums ---- */

int verify_sum(const char *list, size_t size, const char *list_name, const char *name,
	       const char *sum)
{
	char wanted[CHECKSUMS_DIGITS + 1];
	int r = checksums_find(wanted, list, size, name);

	if (r == -ENOENT)
		return fail_plain(-EBADMSG, "DOWNLOAD INVALID: '%s' has no sum of '%s'", list_name,
				  name);
	if (r == -EEXIST)
		return fail_plain(-EBADMSG, "DOWNLOAD INVALID: '%s' has two different sums of '%s'",
				  list_name, name);
	if (r < 0)
		return fail(r, "cannot look for '%s' in '%s'", name, list_name);
	if (!text_equal(wanted, sum))
		return fail_plain(-EBADMSG,
				  "DOWNLOAD INVALID: the sum of '%s' is %s, but '%s' says %s", name,
				  sum, list_name, wanted);
	return 0;
}

/* ---- signatures ---- */

static int add_keyring(struct arena *arena, struct verify_keyrings *keyrings, const char *path)
{
	struct verify_keyring *keyring = &keyrings->items[keyrings->count];
	char *data;
	int r = file_read(arena, &data, &keyring->size, AT_FDCWD, path, VERIFY_KEYRING_SIZE_MAX);

	if (r == -ENOENT || r == -ENOTDIR)
		return 0;
	if (r < 0)
		return fail(r, "cannot read the keyring '%s'", path);
	keyring->path = path;
	keyring->data = data;
	keyrings->count++;
	return 1;
}

int verify_read_keyrings(struct arena *arena, struct verify_keyrings *ret,
			 const char *const *environment)
{
	static const char *const places[][2] = {
		{ "/etc/systemd/import-pubring.pgp", "/etc/systemd/import-pubring.gpg" },
		{ "/usr/lib/systemd/import-pubring.pgp", "/usr/lib/systemd/import-pubring.gpg" },
	};
	const char *own = text_variable(environment, "SYSTEMD_OPENPGP_KEYRING");
	struct verify_keyrings keyrings = { 0 };
	int r = 0;

	if (!text_empty(own))
		r = add_keyring(arena, &keyrings, arena_text(arena, own));
	for (size_t i = 0; text_empty(own) && i < ARRAY_SIZE(places) && r >= 0; i++) {
		r = add_keyring(arena, &keyrings, places[i][0]);
		if (r == 0)
			r = add_keyring(arena, &keyrings, places[i][1]);
	}
	if (r < 0)
		return r;
	if (keyrings.count == 0)
		return fail_plain(-ENOKEY,
				  "cannot verify signatures: there is no keyring '%s' (put the "
				  "publisher's key there, or try --verify=checksum)",
				  text_empty(own) ? places[0][0] : own);
	*ret = keyrings;
	return 0;
}

bool verify_is_inline(const char *text, size_t size)
{
	static const char begin[] = "-----BEGIN PGP SIGNED MESSAGE-----";

	return size >= sizeof(begin) - 1 && memcmp(text, begin, sizeof(begin) - 1) == 0;
}

struct heard {
	struct arena *arena;
	char *status, *text;
	size_t size;
};

static int hear(void *context, unsigned int what, const void *data, size_t size)
{
	struct heard *heard = context;

	if (what == VERIFY_TELLS_STATUS) {
		heard->status = arena_text_n(heard->arena, data, size);
	} else if (what == VERIFY_TELLS_TEXT) {
		char *longer;

		if (size > CHECKSUMS_SIZE_MAX - heard->size)
			return fail(-E2BIG, "cannot take what gpgv wrote");
		longer = arena_take(heard->arena, heard->size + size + 1);
		if (heard->size > 0)
			memcpy(longer, heard->text, heard->size);
		memcpy(longer + heard->size, data, size);
		heard->text = longer;
		heard->size += size;
	}
	return 0;
}

/* Which of the usual reasons. */
static int is_invalid(const char *name, const char *status)
{
	const char *why = "no signature in it is good";

	if (strstr(status, "BADSIG ") != NULL)
		why = "it was changed after it was signed";
	else if (strstr(status, "EXPKEYSIG ") != NULL)
		why = "the key that signed it has expired";
	else if (strstr(status, "REVKEYSIG ") != NULL)
		why = "the key that signed it was revoked";
	else if (strstr(status, "EXPSIG ") != NULL)
		why = "its signature has expired";
	else if (strstr(status, "NO_PUBKEY ") != NULL)
		why = "the key that signed it is not in the keyring";
	return fail_plain(-EBADMSG, "DOWNLOAD INVALID: the signature of '%s': %s", name, why);
}

int verify_signature(struct arena *arena, struct verified *ret,
		     const struct verify_keyrings *keyrings, const char *name, const char *text,
		     size_t size, const void *signature, size_t signature_size)
{
	struct heard heard = { .arena = arena, .status = arena_text(arena, "") };
	struct verified verified = { .text = text, .size = size };
	struct verify_task task = {
		.keyrings = keyrings,
		.text = text,
		.size = size,
		.signature = signature,
		.signature_size = signature_size,
	};
	struct worker_request request = {
		.name = "verify",
		.run = verify_inside,
		.context = &task,
		.view = WORKER_SEES_PROGRAMS,
		.tree_fd = -EBADF,
	};
	struct worker_listener listener = { .told = hear, .context = &heard };
	int r = worker_run(&request, &listener);

	if (r < 0)
		return r;
	r = verify_read_status(&verified, heard.status);
	if (r < 0 || (signature == NULL && heard.text == NULL))
		return is_invalid(name, heard.status);
	if (signature == NULL) {
		verified.text = heard.text;
		verified.size = heard.size;
	}
	*ret = verified;
	return 0;
}
