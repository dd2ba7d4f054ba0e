/* transfer/registry-login - who the user is at a registry, as Podman and Docker have noted it.
 *
 * The first of these that knows the registry, or a part of it ("ghcr.io/owner"), wins:
 *
 *	$REGISTRY_AUTH_FILE, alone if it is set
 *	$XDG_RUNTIME_DIR/containers/auth.json; for root also /run/containers/0/auth.json
 *	$XDG_CONFIG_HOME/containers/auth.json (~/.config)
 *	$DOCKER_CONFIG/config.json (~/.docker)
 *
 * They are the user's own files. One may name a helper: then "docker-credential-NAME get" is run,
 *as the user, from $PATH. Speaking. Runs in the caller, not in a worker.
 */
#pragma once
#include "transfer/registry.h"

#define REGISTRY_LOGIN_FILE_MAX (1 << 20)

/* Nobody in particular if no file knows the registry. */
int registry_login_find(struct arena *arena, struct registry_login *ret, const struct imageref *ref,
			unsigned int uid, const char *const *environment);

/* ---- for tests ---- */

/* 1: *RET is who, or *RET_HELPER the helper to ask; 0: TEXT does not know the registry. */
int registry_login_parse(struct arena *arena, struct registry_login *ret, const char **ret_helper,
			 const struct imageref *ref, const char *text, size_t size);
