/* declare/yaml - YAML documents as a tree, read by libyaml.
 *
 * libyaml is the one implementation of YAML 1.1 in C that every distribution has and keeps; a
 * reader of ours would be as long as the importers that need it, and differ from what the files
 * were written for. Only what imports foreign definitions is linked with it.
 *
 * The text is from outside. Limits stand below. An alias is the node that it names (so what a file
 * repeats costs nothing), and counts as often as it is used: documents that would grow to more than
 * YAML_NODES_MAX nodes that way are refused. Two keys of one name are refused, and keys that are
 * not scalars. "<<" merges as YAML 1.1 says: what a mapping says itself goes first. Pure. Speaking.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct arena;

#define YAML_SIZE_MAX (1 << 20)
#define YAML_DEPTH_MAX 32
#define YAML_NODES_MAX 65536
#define YAML_DOCUMENTS_MAX 256

enum yaml_kind { YAML_SCALAR, YAML_SEQUENCE, YAML_MAPPING };

struct yaml_node {
	enum yaml_kind kind;
	unsigned int line;	 /* the first is 1 */
	bool plain;		 /* a scalar without quotes: it may be null, a boolean, a number */
	const char *text;	 /* of a scalar; no NUL inside */
	struct yaml_node **keys; /* of a mapping: scalars, as many as items */
	struct yaml_node **items;
	size_t count;
	size_t weight; /* nodes in it and below, aliases counted each time */
};

struct yaml {
	struct yaml_node **documents;
	size_t count;
};

/* PATH: for the sentence. */
int yaml_parse(struct arena *arena, struct yaml *ret, const char *text, size_t size,
	       const char *path);

/* The value at KEY of a mapping; NULL: none, or NODE is NULL or no mapping. */
const struct yaml_node *yaml_find(const struct yaml_node *node, const char *key);

/* A scalar's text; NULL: NODE is NULL, null or not a scalar. */
const char *yaml_text(const struct yaml_node *node);

bool yaml_is_null(const struct yaml_node *node); /* also where NODE is NULL */
