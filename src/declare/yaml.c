#include "declare/yaml.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <yaml.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "base/text.h"

struct anchor {
	const char *name;
	struct yaml_node *node;
};

struct reader {
	struct arena *arena;
	yaml_parser_t parser;
	yaml_event_t event; /* the newest; deleted before the next */
	const char *path;
	struct anchor *anchors;
	size_t anchor_count;
	size_t nodes; /* made so far */
};

static int refuse(const struct reader *reader, unsigned int line, const char *why)
{
	return fail_input("cannot read '%s': line %u: %s", reader->path, line, why);
}

static unsigned int here(const struct reader *reader)
{
	return (unsigned int)reader->event.start_mark.line + 1;
}

static int next(struct reader *reader)
{
	yaml_event_delete(&reader->event);
	if (yaml_parser_parse(&reader->parser, &reader->event))
		return 0;
	if (reader->parser.error == YAML_MEMORY_ERROR)
		return refuse(reader, 1, "there is no memory left");
	return fail_input("cannot read '%s': line %zu: this is no YAML: %s", reader->path,
			  reader->parser.problem_mark.line + 1,
			  reader->parser.problem ? reader->parser.problem : "unknown");
}

static struct yaml_node *new_node(struct reader *reader, enum yaml_kind kind)
{
	struct yaml_node *node = arena_new(reader->arena, struct yaml_node);

	node->kind = kind;
	node->line = here(reader);
	node->weight = 1;
	reader->nodes++;
	return node;
}

/* An anchor names what it stands before once that is complete: nothing contains itself. */
static void anchor(struct reader *reader, const char *name, struct yaml_node *node)
{
	struct anchor *new;

	if (!name)
		return;
	new = list_grow(reader->arena, (void **)&reader->anchors, &reader->anchor_count,
			sizeof(*new));
	*new = (struct anchor){ name, node };
}

static struct yaml_node *find_anchor(const struct reader *reader, const char *name)
{
	for (size_t i = reader->anchor_count; i > 0; i--)
		if (text_equal(reader->anchors[i - 1].name, name))
			return reader->anchors[i - 1].node;
	return NULL;
}

static char *copy(struct reader *reader, const yaml_char_t *text)
{
	return arena_text(reader->arena, (const char *)text);
}

static int read_node(struct reader *reader, struct yaml_node **ret, unsigned int depth);

static void append(struct reader *reader, struct yaml_node *node, struct yaml_node *key,
		   struct yaml_node *item)
{
	size_t count = node->count;
	struct yaml_node **place;

	if (key) {
		place = list_grow(reader->arena, (void **)&node->keys, &count, sizeof(key));
		*place = key;
	}
	place = list_grow(reader->arena, (void **)&node->items, &node->count, sizeof(item));
	*place = item;
	node->weight += item->weight + (key != NULL);
}

static int read_sequence(struct reader *reader, struct yaml_node *node, unsigned int depth)
{
	int r;

	while ((r = next(reader)) == 0 && reader->event.type != YAML_SEQUENCE_END_EVENT) {
		struct yaml_node *item;

		r = read_node(reader, &item, depth + 1);
		if (r < 0)
			return r;
		append(reader, node, NULL, item);
		if (node->weight > YAML_NODES_MAX)
			return refuse(reader, node->line, "what aliases repeat grows too large");
	}
	return r;
}

/* What FROM says and NODE does not. */
static int merge_one(struct reader *reader, struct yaml_node *node, const struct yaml_node *from)
{
	if (from->kind != YAML_MAPPING)
		return refuse(reader, from->line, "'<<' merges mappings only");
	for (size_t i = 0; i < from->count; i++)
		if (!yaml_find(node, from->keys[i]->text))
			append(reader, node, from->keys[i], from->items[i]);
	return 0;
}

static int merge(struct reader *reader, struct yaml_node *node, const struct yaml_node *from)
{
	int r = 0;

	if (from->kind != YAML_SEQUENCE)
		return merge_one(reader, node, from);
	for (size_t i = 0; i < from->count && r == 0; i++)
		r = merge_one(reader, node, from->items[i]);
	return r;
}

static int read_pair(struct reader *reader, struct yaml_node *node,
		     const struct yaml_node **ret_merged, unsigned int depth)
{
	struct yaml_node *key, *item;
	int r;

	r = read_node(reader, &key, depth + 1);
	if (r < 0)
		return r;
	if (key->kind != YAML_SCALAR)
		return refuse(reader, key->line, "a key is not a word");
	r = next(reader);
	if (r < 0)
		return r;
	r = read_node(reader, &item, depth + 1);
	if (r < 0)
		return r;
	if (key->plain && text_equal(key->text, "<<") && !*ret_merged) {
		*ret_merged = item;
		return 0;
	}
	if (yaml_find(node, key->text))
		return fail_input("cannot read '%s': line %u: the key '%.80s' is there twice",
				  reader->path, key->line,
				  text_printable(reader->arena, key->text));
	append(reader, node, key, item);
	return 0;
}

static int read_mapping(struct reader *reader, struct yaml_node *node, unsigned int depth)
{
	const struct yaml_node *merged = NULL;
	int r;

	while ((r = next(reader)) == 0 && reader->event.type != YAML_MAPPING_END_EVENT) {
		r = read_pair(reader, node, &merged, depth);
		if (r < 0)
			return r;
		if (node->weight > YAML_NODES_MAX)
			return refuse(reader, node->line, "what aliases repeat grows too large");
	}
	if (r == 0 && merged)
		r = merge(reader, node, merged);
	return r;
}

static int read_scalar(struct reader *reader, struct yaml_node **ret)
{
	struct yaml_node *node = new_node(reader, YAML_SCALAR);
	size_t size = reader->event.data.scalar.length;

	node->plain = reader->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	node->text = arena_text_n(reader->arena, (const char *)reader->event.data.scalar.value,
				  size);
	if (strlen(node->text) != size)
		return refuse(reader, node->line, "there is a NUL character");
	*ret = node;
	return 0;
}

/* The event that begins it was read; at the end the one that ends it was. */
static int read_node(struct reader *reader, struct yaml_node **ret, unsigned int depth)
{
	struct yaml_node *node = NULL;
	const char *name = NULL;
	int r = 0;

	if (depth > YAML_DEPTH_MAX)
		return refuse(reader, here(reader), "it is nested too deeply");
	if (reader->nodes >= YAML_NODES_MAX)
		return refuse(reader, here(reader), "there is too much of it");
	switch (reader->event.type) {
	case YAML_ALIAS_EVENT:
		node = find_anchor(reader, (const char *)reader->event.data.alias.anchor);
		if (!node)
			return refuse(reader, here(reader), "an alias names nothing before it");
		break;
	case YAML_SCALAR_EVENT:
		name = copy(reader, reader->event.data.scalar.anchor);
		r = read_scalar(reader, &node);
		break;
	case YAML_SEQUENCE_START_EVENT:
		name = copy(reader, reader->event.data.sequence_start.anchor);
		node = new_node(reader, YAML_SEQUENCE);
		r = read_sequence(reader, node, depth);
		break;
	case YAML_MAPPING_START_EVENT:
		name = copy(reader, reader->event.data.mapping_start.anchor);
		node = new_node(reader, YAML_MAPPING);
		r = read_mapping(reader, node, depth);
		break;
	default: r = refuse(reader, here(reader), "something is missing");
	}
	if (r < 0)
		return r;
	anchor(reader, name, node);
	*ret = node;
	return 0;
}

static int read_document(struct reader *reader, struct yaml *yaml)
{
	struct yaml_node *node, **place;
	int r;

	reader->anchor_count = 0;
	r = next(reader);
	if (r < 0)
		return r;
	if (yaml->count >= YAML_DOCUMENTS_MAX)
		return refuse(reader, here(reader), "there are too many documents");
	r = read_node(reader, &node, 0);
	if (r < 0)
		return r;
	place = list_grow(reader->arena, (void **)&yaml->documents, &yaml->count, sizeof(node));
	*place = node;
	return next(reader);
}

static int read_stream(struct reader *reader, struct yaml *yaml)
{
	int r;

	while ((r = next(reader)) == 0 && reader->event.type != YAML_STREAM_END_EVENT) {
		if (reader->event.type == YAML_DOCUMENT_START_EVENT)
			r = read_document(reader, yaml);
		if (r < 0)
			return r;
	}
	return r;
}

int yaml_parse(struct arena *arena, struct yaml *ret, const char *text, size_t size,
	       const char *path)
{
	struct reader reader = { .arena = arena, .path = path };
	struct yaml yaml = { 0 };
	int r;

	if (size > YAML_SIZE_MAX)
		return fail_input("cannot read '%s': it is larger than %d KiB", path,
				  YAML_SIZE_MAX / 1024);
	if (!yaml_parser_initialize(&reader.parser))
		return fail(-ENOMEM, "cannot read '%s'", path);
	yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&reader.parser, (const unsigned char *)text, size);
	r = read_stream(&reader, &yaml);
	yaml_event_delete(&reader.event);
	yaml_parser_delete(&reader.parser);
	if (r < 0)
		return r;
	*ret = yaml;
	return 0;
}

const struct yaml_node *yaml_find(const struct yaml_node *node, const char *key)
{
	if (!node || node->kind != YAML_MAPPING)
		return NULL;
	for (size_t i = 0; i < node->count; i++)
		if (text_equal(node->keys[i]->text, key))
			return node->items[i];
	return NULL;
}

bool yaml_is_null(const struct yaml_node *node)
{
	if (!node)
		return true;
	return node->kind == YAML_SCALAR && node->plain &&
	       (text_equal(node->text, "") || text_equal(node->text, "~") ||
		text_equal(node->text, "null") || text_equal(node->text, "Null") ||
		text_equal(node->text, "NULL"));
}

const char *yaml_text(const struct yaml_node *node)
{
	return !yaml_is_null(node) && node->kind == YAML_SCALAR ? node->text : NULL;
}
