/* transfer/verify - is what was downloaded what its publisher made?
 *
 * The sum of what came is compared with a list of sums (format/checksums), and the list's signature
 * is checked by gpgv with the administrator's keyrings. gpgv runs in a worker that sees programs,
 * which has the list, the signature and the keyrings as bytes: there is no second read of anything,
 * and what was signed is what is parsed. Speaking, "DOWNLOAD INVALID: …" for what does not fit.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct arena;

enum verify_mode { VERIFY_SIGNATURE, VERIFY_CHECKSUM, VERIFY_NO, VERIFY_SUM };

struct verify {
	enum verify_mode mode;
	char sum[65]; /* VERIFY_SUM */
};

/* "signature", "checksum", "no" or 64 hexadecimal digits. Quiet. */
int verify_parse(struct verify *ret, const char *text);

/* "signature", …; "sum". */
const char *verify_word(enum verify_mode mode);

/* ---- sums ---- */

/* Has the LIST, called LIST_NAME for people, a line that gives NAME this sum? */
int verify_sum(const char *list, size_t size, const char *list_name, const char *name,
	       const char *sum);

/* ---- signatures ---- */

#define VERIFY_KEYRINGS_MAX 2
#define VERIFY_KEYRING_SIZE_MAX (4 * 1024 * 1024)
#define VERIFY_SIGNERS_MAX 4

struct verify_keyrings {
	struct verify_keyring {
		const char *path;
		const void *data;
		size_t size;
	} items[VERIFY_KEYRINGS_MAX];
	size_t count;
};

/* What $SYSTEMD_OPENPGP_KEYRING names, or the host's. -ENOKEY: there is none. */
int verify_read_keyrings(struct arena *arena, struct verify_keyrings *ret,
			 const char *const *environment);

struct verified {
	const char *text; /* what is signed */
	size_t size;
	struct {
		char key[65];	/* its fingerprint, or what the tool calls it */
		char user[256]; /* for people; printable */
	} signers[VERIFY_SIGNERS_MAX];
	size_t signer_count;
};

/* TEXT holds its own signature ("-----BEGIN PGP SIGNED MESSAGE-----"). Quiet. */
bool verify_is_inline(const char *text, size_t size);

/* SIGNATURE NULL: TEXT holds it. NAME: of the list, for people. */
int verify_signature(struct arena *arena, struct verified *ret,
		     const struct verify_keyrings *keyrings, const char *name, const char *text,
		     size_t size, const void *signature, size_t signature_size);
