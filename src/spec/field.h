/* spec/field - the parsers and printers that rows of the settings table name.
 *
 * A parser reads one value into the row's field of reader->spec: 0 or a negative errno, and
 * perhaps a clause in reader->why. A printer gives the value as a user would write it, one line
 * for each repetition, or NULL when nobody asked for anything. Pure, quiet.
 */
#pragma once
#include "spec/settings.h"

/* General shapes; the field's type is in the comment. */
setting_parse_fn field_flag;	 /* bool; takes no value */
setting_parse_fn field_bool;	 /* bool */
setting_parse_fn field_tristate; /* int; no value means yes */
setting_parse_fn field_constant; /* enum := row->constant */
setting_parse_fn field_word;	 /* enum := row->constant + index in row->words; also booleans */
setting_parse_fn field_text;	 /* const char *; empty resets */
setting_parse_fn field_path;	 /* const char *, made absolute; empty resets */
setting_parse_fn field_texts;	 /* struct text_list; in a file a list of quoted words */

setting_parse_fn field_json; /* const char *: a word; off resets */

setting_print_fn field_print_flag;
setting_print_fn field_print_tristate;
setting_print_fn field_print_wanted; /* int: as tristate, but "no" counts as nobody asking */
setting_print_fn field_print_word;
setting_print_fn field_print_text;
setting_print_fn field_print_texts;

/* field-identity.c */
setting_parse_fn field_chdir, field_setenv, field_user, field_scope, field_signal, field_machine,
	field_uuid;
setting_parse_fn field_slice, field_property, field_private_users, field_pick, field_delegate;
setting_parse_fn field_credential, field_pivot_root, field_legacy_chown, field_share_system;
setting_print_fn field_print_signal, field_print_uuid, field_print_private_users,
	field_print_delegate;
setting_print_fn field_print_secrets, field_print_pivot, field_print_scope;

/* field-image.c */
setting_parse_fn field_policy, field_root_hash, field_root_hash_sig, field_background,
	field_link_journal;
setting_parse_fn field_try_guest, field_journal_limit, field_bind_user, field_bind_user_shell;
setting_print_fn field_print_link_journal, field_print_journal_limit;

/* field-mount.c */
setting_parse_fn field_bind, field_tmpfs, field_overlay, field_inaccessible;
setting_print_fn field_print_mounts; /* row->constant: FIELD_MOUNT(kind, read only) */
#define FIELD_MOUNT(kind, read_only) ((int)(kind)*2 + (read_only))

/* field-network.c */
setting_parse_fn field_interface_pair, field_veth_pair, field_bridge, field_zone, field_port;
setting_print_fn field_print_interface_pairs, field_print_ports;

/* field-address.c */
setting_parse_fn field_address, field_prefix, field_gateway, field_route, field_interface_name,
	field_mac, field_dns, field_egress;
setting_print_fn field_print_address, field_print_prefixes, field_print_gateway, field_print_routes,
	field_print_mac, field_print_dns, field_print_egress;

/* field-security.c */
setting_parse_fn field_capabilities, field_ambient, field_system_calls, field_address_families;
setting_parse_fn field_label, field_oom_score, field_cpu_affinity, field_personality;
setting_print_fn field_print_capabilities, field_print_system_calls, field_print_address_families;
setting_print_fn field_print_oom_score, field_print_cpu_affinity, field_print_arch;
extern const char *const field_capability_words[], *const field_address_family_words[];
extern const char *const field_personality_words[];

/* field-limit.c: --rlimit=NAME=VALUE, and Limit…= with the resource in row->constant */
setting_parse_fn field_rlimit, field_limit;
setting_print_fn field_print_rlimits, field_print_limit;
extern const char *const field_limit_words[];

/* field-extended.c: Redd's own sections of a .nspawn file */
setting_parse_fn field_names, field_persist, field_service, field_health;
setting_print_fn field_print_service, field_print_health;

extern const char *const field_signal_words[];

/* ---- for the parsers themselves ---- */

/* Leave the clause that says what is wrong with a value. */
int field_refuse(struct setting_reader *reader, const char *why);

static inline void *field_of(const struct setting_reader *reader)
{
	return (char *)reader->spec + reader->row->offset;
}

static inline const void *field_in(const struct setting *row, const struct spec *spec)
{
	return (const char *)spec + row->offset;
}

/* PATH made absolute with the working directory and simplified. */
const char *field_absolute(const struct setting_reader *reader, const char *path);

/* Items of a list joined by SEPARATOR; NULL when the list is empty. */
char *field_join(struct arena *arena, const struct text_list *list, const char *separator);
