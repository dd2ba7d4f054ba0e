/* declare/compose - the parts of declare/import-compose: what words mean in a compose file
 * (compose-words), and the keys that are written in several ways (compose-parts). Pure. Speaking by
 * the importer's record. */
#pragma once
#include <stdbool.h>

#include "declare/import.h"

struct yaml_node;

struct compose {
	struct import *import;
	const char *path, *base; /* the file, and its directory */
	const char *home;	 /* NULL: not known */
	const char *project;	 /* what the default network is called */
	const struct yaml_node *top, *service;
	struct import_machine *machine; /* of the service */
	struct text_list environment;
	struct text_list variables; /* of the file .env */
};

void compose_begin(struct compose *compose);

/* KEY below AT, where NODE stands. */
struct import_at compose_at(struct compose *compose, struct import_at at, const char *key,
			    const struct yaml_node *node);

/* A scalar with its variables replaced; "": it is null, or refused. */
const char *compose_text(struct compose *compose, const struct yaml_node *node,
			 struct import_at at);
/* A sequence's scalars; or a scalar, of which SPLIT makes words as the shell does. */
void compose_words(struct compose *compose, struct text_list *list, const struct yaml_node *node,
		   struct import_at at, bool split);
bool compose_bool(struct compose *compose, const struct yaml_node *node, struct import_at at);
/* Relative to the file's directory. */
const char *compose_path(struct compose *compose, const char *path);
/* A mapping, or "NAME=VALUE" words; a name alone is that of the environment. */
void compose_environment(struct compose *compose, const struct yaml_node *node,
			 struct import_at at);

void compose_volumes(struct compose *compose, const struct yaml_node *node, struct import_at at);
void compose_secrets(struct compose *compose, const struct yaml_node *node, struct import_at at);
void compose_configs(struct compose *compose, const struct yaml_node *node, struct import_at at);
void compose_ports(struct compose *compose, const struct yaml_node *node, struct import_at at);
void compose_dns(struct compose *compose, const struct yaml_node *node, struct import_at at);
void compose_depends(struct compose *compose, const struct yaml_node *node, struct import_at at);
void compose_health(struct compose *compose, const struct yaml_node *node, struct import_at at);
/* Of the whole service: "network_mode" and "networks", or the network that all are in. */
void compose_networks(struct compose *compose, struct import_at at);
