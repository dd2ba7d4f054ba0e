/* declare/import-words - words that definitions of several container managers have in common.
 *
 * The grammar is that of the OCI world: "8080:80/udp", "data:/var/lib/x:ro", "512m", "NET_ADMIN".
 * Each function sets what it says, notes what it cannot and refuses what is malformed. Pure.
 * Speaking by the importer's record.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "declare/import.h"
#include "declare/yaml.h"

/* Whether NODE is of KIND. What is of another was meant as something and is refused; null is not.
 */
bool import_is_kind(struct import *import, struct import_at at, const struct yaml_node *node,
		    enum yaml_kind kind);
/* Each key of a mapping (of anything else: none) that says something and is not among the KNOWN
 * ones, which end with NULL. */
void import_note_others(struct import *import, const struct import_machine *machine,
			struct import_at at, const struct yaml_node *node,
			const char *const *known);

/* The image of the registry's that the machine is made of, and its defaults: a root of its own over
 * the image, and users of its own. */
void import_image(struct import *import, struct import_machine *machine, struct import_at at,
		  const char *reference);

/* [ADDRESS:][HOST[-LAST]:]MACHINE[-LAST][/PROTOCOL] */
void import_port(struct import *import, struct import_machine *machine, struct import_at at,
		 const char *text);

/* NAME=VALUE; an earlier one of the name gives way. */
void import_environment(struct import *import, struct text_list *list, struct import_at at,
			const char *assignment);
/* The assignments of a file. REQUIRED: it is bad that there is none. */
void import_environment_file(struct import *import, struct import_machine *machine,
			     struct text_list *list, struct import_at at, const char *path,
			     bool required);
void import_environment_set(struct import *import, struct import_machine *machine,
			    struct import_at at, const struct text_list *list);

/* What runs, of the image's two halves; either may be without words. HAS_ENTRYPOINT: it is said, if
 * only that there is none. */
void import_command(struct import *import, struct import_machine *machine, struct import_at at,
		    const struct text_list *entrypoint, bool has_entrypoint,
		    const struct text_list *command);

/* A place of the host's (absolute) in the machine. */
void import_bind(struct import *import, struct import_machine *machine, struct import_at at,
		 const char *source, const char *place, bool read_only);
/* What a volume called NAME (NULL: one without a name) is here: a directory that is kept. Told if
 * another machine has it too. */
void import_volume(struct import *import, struct import_machine *machine, struct import_at at,
		   const char *name, const char *place, bool read_only);
/* A zone that machines of this network share: its name, cut if it is too long. */
void import_zone(struct import *import, struct import_machine *machine, struct import_at at,
		 const char *network);
/* [SOURCE:]PLACE[:OPTIONS]; relative sources are below BASE, "~" is HOME (NULL: not known). */
void import_mount(struct import *import, struct import_machine *machine, struct import_at at,
		  const char *text, const char *base, const char *home);
void import_tmpfs(struct import *import, struct import_machine *machine, struct import_at at,
		  const char *text);
/* HOST[:PLACE[:rwm]] */
void import_device(struct import *import, struct import_machine *machine, struct import_at at,
		   const char *text);

/* With or without "CAP_". What is dropped as "ALL" and added by name stays. */
void import_capabilities(struct import *import, struct import_machine *machine, struct import_at at,
			 const struct text_list *add, const struct text_list *drop);

/* "512m", "1gb", "1.5Gi", "4096" as bytes. */
int import_size(uint64_t *ret, const char *text);
/* [SECTION] KEY= of such a size; negative ones are no limit. */
void import_set_size(struct import *import, struct import_machine *machine, struct import_at at,
		     const char *key, const char *text);
/* "1.5", "500m" */
void import_cpus(struct import *import, struct import_machine *machine, struct import_at at,
		 const char *text);
/* Shares out of 1024 become a weight out of 100. */
void import_cpu_shares(struct import *import, struct import_machine *machine, struct import_at at,
		       const char *text);
/* NAME=SOFT[:HARD] */
void import_ulimit(struct import *import, struct import_machine *machine, struct import_at at,
		   const char *name, const char *value);

void import_user(struct import *import, struct import_machine *machine, struct import_at at,
		 const char *text);
void import_signal(struct import *import, struct import_machine *machine, struct import_at at,
		   const char *text);
/* "no", "always", "on-failure[:N]", "unless-stopped" */
void import_restart(struct import *import, struct import_machine *machine, struct import_at at,
		    const char *text);
/* "no-new-privileges", "seccomp=…" */
void import_security(struct import *import, struct import_machine *machine, struct import_at at,
		     const char *text);
/* A time span: "1m30s", "500ms" (of Go), or seconds without a unit. */
void import_span(struct import *import, struct import_machine *machine, struct import_at at,
		 const char *section, const char *key, const char *text);
/* Ready, and healthy if it says what that is, before MACHINE starts; OTHER is its name there. */
void import_requires(struct import *import, struct import_machine *machine, struct import_at at,
		     const char *other, bool weak);
