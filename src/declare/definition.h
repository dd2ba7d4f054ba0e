/* declare/definition - all that one machine should be: an extended .nspawn file.
 *
 * The file NAME.nspawn, before it those that its [X-Image] Template= names, after it the drop-ins
 * in NAME.nspawn.d in the order of their names, make one list of items. Specifiers in values (%i
 * the machine, %m the host's machine ID, %H its name, %% a percent sign; all others stay as they
 * are) are resolved, but in [X-Unit], [X-Service] and [X-Install], which are systemd's own: who
 * reads those off systemd calls definition_specifiers().
 *
 * Of a key that has one value the last assignment is kept; an empty one drops those before it. What
 * is kept has been parsed: the base sections into `spec`, ours into the members below. Whatever
 * stock systemd-nspawn reads has its meaning; sections and keys that begin with X- and are not ours
 * say nothing.
 *
 * definition_print() makes one file of it all, which definition_load() with facts->flat reads as
 * the same definition. Definitions are the administrator's: whoever reads them has checked whose
 * files they are. Speaking; nothing but definition_gather() reads a file. Any process.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "declare/consequence.h"
#include "format/digest.h"
#include "format/health.h"
#include "spec/spec.h"

struct arena;

#define DEFINITION_FILE_LIMIT (1024 * 1024)
#define DEFINITION_FILES_MAX 256 /* templates and drop-ins of one */
#define DEFINITION_ITEMS_MAX 4096
#define DEFINITION_TEMPLATE_DEPTH 8

struct definition_facts {
	const char *machine_id, *host_name; /* of %m and %H */
	const struct text_list *templates;  /* where templates are, if not beside the file */
	bool flat; /* a generation's: no drop-ins, no templates, specifiers are resolved */
};

/* Those of a definition are assignments. As they are gathered, KEY is NULL for the heading of a
 * section (VALUE NULL) and for a line that cannot be read (VALUE: why). */
struct definition_item {
	const char *section, *key, *value; /* "X-Network:lan1", "Address", "10.0.0.2" */
	const char *file;		   /* where it stands */
	unsigned int line;		   /* 0: the whole file */
};

struct definition_items {
	struct definition_item *items;
	size_t count;
};

enum image_source {
	IMAGE_UNSET,
	IMAGE_DIR,
	IMAGE_TAR,
	IMAGE_RAW,
	IMAGE_OCI,
	IMAGE_OCI_LAYOUT,
	IMAGE_NIX,
	IMAGE_NIX_PROFILE,
	IMAGE_SNAPSHOT,
	IMAGE_SOURCES
};
enum image_root { ROOT_OVERLAY, ROOT_COPY, ROOT_EPHEMERAL, ROOT_DIRECT };
enum image_update { UPDATE_MANUAL, UPDATE_NEVER, UPDATE_DIGEST };
enum image_verify { VERIFY_UNSET, VERIFY_SIGNATURE, VERIFY_CHECKSUM, VERIFY_NO };

struct definition_image {
	enum image_source source;
	const char *source_text; /* "oci:web:12"; NULL: no Source= */
	const char *ref;	 /* what is behind the first colon */
	struct digest digest;	 /* Digest=; "": not given */
	enum image_verify verify;
	enum image_root root; /* ROOT_DIRECT without a Source=, else ROOT_OVERLAY, if not given */
	bool root_given;
	enum image_update update;
	struct text_list persist; /* absolute paths inside */
};

/* One [X-Network:LINK] section, or (LINK NULL) the unnamed one. */
struct definition_network {
	const char *link;		    /* the VirtualEthernetExtra= it describes */
	const struct addressing *addresses; /* of the primary: that of `spec` */
	const char *namespace_path;	    /* NULL: not given */
};

enum credential_source { CREDENTIAL_SET, CREDENTIAL_LOAD, CREDENTIAL_LOAD_ENCRYPTED };

struct definition_credential {
	enum credential_source source;
	const char *id, *value; /* the text, with its escapes; or an absolute path */
};

enum reload_strategy { RELOAD_AUTO, RELOAD_RELOAD, RELOAD_RESTART, RELOAD_NONE };

struct definition_reload {
	enum reload_strategy strategy;
	const char *command; /* NULL: none given */
};

enum nix_store { NIX_STORE_CLOSURE, NIX_STORE_FULL, NIX_STORE_OFF };

struct definition_nix {
	enum nix_store store;
	bool daemon;
	const char *profile; /* NULL: none */
};

struct definition {
	const char *name, *path;       /* path: of the main file */
	bool managed;		       /* has [X-Image], or names a profile of nix */
	struct text_list files;	       /* all that were read, in the order of reading */
	struct definition_items items; /* grouped by section, in the order of first mention */
	const struct spec *spec;       /* of what the base sections and [X-Network] say, BY_FILE */
	struct definition_image image;
	struct definition_network primary;
	struct definition_network *networks; /* of the extra links */
	size_t network_count;
	struct text_list names; /* Names= of all of them, in lower case */
	struct definition_credential *credentials;
	size_t credential_count;
	struct health health; /* no words of a command: none is declared */
	struct definition_reload reload;
	struct definition_nix nix;
	bool autostart; /* [X-Install] WantedBy= is not empty */
};

/* What one file says, at the end of ITEMS. PATH is for messages. Pure, quiet: what is wrong with it
 * is an item too. */
void definition_add_text(struct arena *arena, struct definition_items *items, const char *text,
			 size_t size, const char *path);

/* A definition of items in their order; Template= has been followed. Pure. */
int definition_make(struct arena *arena, struct definition *ret, const char *name, const char *path,
		    const struct definition_items *items, const struct definition_facts *facts);

/* The items of the file PATH, named NAME.nspawn, with its templates and drop-ins. *RET_FILES: what
 * was read. -ENOENT: there is no such file. */
int definition_gather(struct arena *arena, struct definition_items *ret,
		      struct text_list *ret_files, const char *path,
		      const struct definition_facts *facts);

/* Both. The machine is called as the file is. */
int definition_load(struct arena *arena, struct definition *ret, const char *path,
		    const struct definition_facts *facts);

/* Whether a machine of these items is ours to apply. Pure, quiet. */
bool definition_is_managed(const struct definition_items *items);

/* Of items that are not: refused where a slip may be all that keeps them from it, since a machine
 * that is defined no more stops. Pure. */
int definition_check_plain(struct arena *arena, const struct definition_items *items);

/* TEXT with its specifiers resolved. Pure, quiet. */
const char *definition_specifiers(struct arena *arena, const char *text, const char *name,
				  const struct definition_facts *facts);

/* The values of a key in their order. Pure, quiet. */
void definition_values(struct arena *arena, struct text_list *ret,
		       const struct definition *definition, const char *section, const char *key);

/* The last of them; NULL: none. */
const char *definition_value(const struct definition *definition, const char *section,
			     const char *key);

/* One file that says it all. ORIGINS: with a comment above each line where it comes from. Pure,
 * quiet. */
char *definition_print(struct arena *arena, const struct definition *definition, bool origins);
