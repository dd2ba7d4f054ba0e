/* declare/key-parse - the parsers that rows of declare/key name.
 *
 * One reads a value into the definition: at the row's offset, or where it knows. Pure, quiet.
 */
#pragma once
#include "declare/key.h"

key_parse_fn key_parse_word;	 /* enum := index in key->words */
key_parse_fn key_parse_bool;	 /* bool */
key_parse_fn key_parse_path;	 /* const char *, absolute */
key_parse_fn key_parse_command;	 /* const char *; its quotes are balanced */
key_parse_fn key_parse_health;	 /* of struct health */
key_parse_fn key_check_word;	 /* nothing: it is one of key->words */
key_parse_fn key_check_span;	 /* nothing: it is a time */
key_parse_fn key_parse_template; /* nothing: it has been followed, and is not kept */
key_parse_fn key_parse_source, key_parse_root, key_parse_verify, key_parse_digest,
	key_parse_persist;			   /* of struct definition_image */
key_parse_fn key_parse_names, key_parse_namespace; /* of reader->network */
key_parse_fn key_parse_load, key_parse_set, key_parse_load_encrypted;
