#include "transfer/registry-login.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/path.h"
#include "base/text.h"
#include "io/child.h"
#include "io/fd.h"
#include "io/file.h"
#include "transfer/json-in.h"

#define DEPTH_MAX 16
#define ANSWER_MAX (64 * 1024)
#define HELPER_US (60 * UINT64_C(1000000)) /* it may ask the user for something */
#define DOCKER_SERVER                  \
	"https" /* as Docker has it */ \
	"://index.docker.io/v1/"

/* ---- what a file knows ---- */

static int base64_digit(char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				     "0123456789+/";
	const char *at = c == '\0' ? NULL : strchr(digits, c);

	return at == NULL ? -1 : (int)(at - digits);
}

/* NULL: it is none, or there is a NUL in it. */
static char *base64_decode(struct arena *arena, const char *text)
{
	size_t length = strcspn(text, "="), used = 0;
	char *decoded = arena_take(arena, length + 1);
	unsigned int bits = 0, count = 0;

	for (size_t i = 0; i < length; i++) {
		int digit = base64_digit(text[i]);

		if (digit < 0)
			return NULL;
		bits = bits << 6 | (unsigned int)digit;
		count += 6;
		if (count < 8)
			continue;
		count -= 8;
		decoded[used] = (char)(bits >> count & 0xff);
		if (decoded[used++] == '\0')
			return NULL;
	}
	return decoded;
}

/* DOCKER_SERVER is "docker.io" here. */
static char *plain_key(struct arena *arena, const char *key)
{
	static const char *const before[] = { "https://", "http://" };
	static const char *const behind[] = { "/", "/v1", "/v2" };
	char *text = arena_text(arena, key);

	for (size_t i = 0; i < ARRAY_SIZE(before); i++)
		if (text_after(text, before[i]) != NULL)
			text += strlen(before[i]);
	for (size_t i = 0; i < ARRAY_SIZE(behind); i++)
		if (text_ends(text, behind[i]))
			text[strlen(text) - strlen(behind[i])] = '\0';
	if (strcmp(text, "index.docker.io") == 0 || strcmp(text, "registry-1.docker.io") == 0)
		text = arena_text(arena, "docker.io");
	return text;
}

/* The entry for the longest part of the image's name. */
static const json_t *find_entry(struct arena *arena, const json_t *entries,
				const struct imageref *ref)
{
	const char *image = arena_format(arena, "%s/%s", ref->registry, ref->repository);
	json_t *all = (json_t *)entries, *value;
	const json_t *found = NULL;
	size_t longest = 0;
	const char *key;

	json_object_foreach(all, key, value)
	{
		const char *name = plain_key(arena, key), *rest = text_after(image, name);

		if (*name == '\0' || rest == NULL || (*rest != '/' && *rest != '\0') ||
		    strlen(name) <= longest)
			continue;
		longest = strlen(name);
		found = value;
	}
	return found;
}

static int read_entry(struct arena *arena, struct registry_login *ret, const json_t *entry,
		      const struct imageref *ref)
{
	const char *auth = json_in_text(entry, "auth");
	const char *token = json_in_text(entry, "identitytoken");
	char *both, *colon;

	if (*token != '\0') {
		ret->token = arena_text(arena, token);
		return 1;
	}
	if (*auth == '\0')
		return 0;
	both = base64_decode(arena, auth);
	colon = both == NULL ? NULL : strchr(both, ':');
	if (colon == NULL)
		return fail_input("cannot use the login for the registry '%s': it is no name and "
				  "password (try 'podman login %s')",
				  ref->registry, ref->registry);
	*colon = '\0';
	ret->user = both;
	ret->secret = colon + 1;
	return 1;
}

static bool is_helper(const char *name)
{
	return *name != '\0' && strlen(name) < 64 &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") ==
		       strlen(name);
}

static int read_all(struct arena *arena, struct registry_login *ret, const char **ret_helper,
		    const struct imageref *ref, const json_t *top)
{
	const json_t *entry = find_entry(arena, json_object_get(top, "credHelpers"), ref);
	const char *helper = json_string_value(entry);
	int r;

	if (helper == NULL) {
		entry = find_entry(arena, json_object_get(top, "auths"), ref);
		r = entry == NULL ? 0 : read_entry(arena, ret, entry, ref);
		if (r != 0)
			return r;
		helper = json_in_text(top, "credsStore");
		if (*helper == '\0')
			return 0;
	}
	if (!is_helper(helper))
		return fail_input("cannot use the login for the registry '%s': its helper '%.64s' "
				  "has no proper name",
				  ref->registry, helper);
	*ret_helper = arena_text(arena, helper);
	return 1;
}

int registry_login_parse(struct arena *arena, struct registry_login *ret, const char **ret_helper,
			 const struct imageref *ref, const char *text, size_t size)
{
	json_t *top;
	int r = json_in_parse(&top, text, size, REGISTRY_LOGIN_FILE_MAX, DEPTH_MAX);

	if (r < 0)
		return fail_plain(r, "it is no JSON");
	r = read_all(arena, ret, ret_helper, ref, top);
	json_decref(top);
	return r;
}

/* ---- helpers ---- */

static int hear_helper(struct arena *arena, struct registry_login *ret, int out)
{
	const char *user;
	json_t *top;
	char *text;
	size_t size;
	int r = lseek(out, 0, SEEK_SET) < 0 ? -errno
					    : file_read_fd(arena, &text, &size, out, ANSWER_MAX);

	if (r >= 0)
		r = json_in_parse(&top, text, size, ANSWER_MAX, DEPTH_MAX);
	if (r < 0)
		return r;
	user = arena_text(arena, json_in_text(top, "Username"));
	ret->secret = arena_text(arena, json_in_text(top, "Secret"));
	json_decref(top);
	if (strcmp(user, "<token>") == 0) {
		ret->token = ret->secret;
		ret->secret = NULL;
	} else {
		ret->user = user;
	}
	return 0;
}

/* One that knows nothing of the registry says so by its status. */
static int ask_helper(struct arena *arena, struct registry_login *ret, const char *helper,
		      const struct imageref *ref, const char *const *environment)
{
	const char *name = arena_format(arena, "docker-credential-%s", helper);
	const char *search = text_variable(environment, "PATH");
	const char *server = strcmp(ref->registry, "docker.io") == 0 ? DOCKER_SERVER
								     : ref->registry;
	char *path = child_find(arena, search != NULL ? search : "/usr/bin:/bin", name);
	char *arguments[] = { (char *)name, (char *)"get", NULL };
	autoclose int in = memfd_create("server", MFD_CLOEXEC), out = -EBADF;
	struct child_request request = {
		.path = path,
		.arguments = arguments,
		.environment = (char *const *)environment,
		.timeout_us = HELPER_US,
	};
	int status, r;

	out = memfd_create("login", MFD_CLOEXEC);
	if (path == NULL)
		return fail_plain(-ENOENT, "cannot log in to the registry '%s': there is no '%s'",
				  ref->registry, name);
	if (in < 0 || out < 0 || fd_write_all(in, server, strlen(server)) < 0 ||
	    lseek(in, 0, SEEK_SET) < 0)
		return fail(-EIO, "cannot ask '%s' for a login", name);
	request.stdio[0] = in;
	request.stdio[1] = out;
	request.stdio[2] = STDERR_FILENO;
	r = child_run(&status, &request);
	if (r < 0)
		return fail(r, "cannot ask '%s' for a login", path);
	if (status != 0) {
		log_debug("'%s' knows no login for '%s'", path, server);
		return 0;
	}
	r = hear_helper(arena, ret, out);
	return r < 0 ? fail(r, "cannot use what '%s' says of '%s'", path, server) : 1;
}

/* ---- places ---- */

static void add_place(struct arena *arena, struct text_list *places, const char *directory,
		      const char *name)
{
	if (!text_empty(directory) && path_is_absolute(directory))
		text_list_add(arena, places, path_join(arena, directory, name));
}

static void find_places(struct arena *arena, struct text_list *places, unsigned int uid,
			const char *const *environment)
{
	const char *home = text_variable(environment, "HOME");
	const char *configuration = text_variable(environment, "XDG_CONFIG_HOME");
	const char *docker = text_variable(environment, "DOCKER_CONFIG");
	const char *file = text_variable(environment, "REGISTRY_AUTH_FILE");

	if (!text_empty(file)) {
		text_list_add(arena, places, arena_text(arena, file));
		return;
	}
	add_place(arena, places, text_variable(environment, "XDG_RUNTIME_DIR"),
		  "containers/auth.json");
	if (uid == 0)
		add_place(arena, places, "/run", "containers/0/auth.json");
	if (!text_empty(configuration))
		add_place(arena, places, configuration, "containers/auth.json");
	else
		add_place(arena, places, home, ".config/containers/auth.json");
	if (!text_empty(docker))
		add_place(arena, places, docker, "config.json");
	else
		add_place(arena, places, home, ".docker/config.json");
}

int registry_login_find(struct arena *arena, struct registry_login *ret, const struct imageref *ref,
			unsigned int uid, const char *const *environment)
{
	struct text_list places = { 0 };

	*ret = (struct registry_login){ 0 };
	find_places(arena, &places, uid, environment);
	for (size_t i = 0; i < places.count; i++) {
		const char *path = places.items[i], *helper = NULL;
		char *text;
		size_t size;
		int r = file_read(arena, &text, &size, AT_FDCWD, path, REGISTRY_LOGIN_FILE_MAX);

		if (r == -ENOENT || r == -ENOTDIR)
			continue;
		if (r < 0)
			return fail(r, "cannot read the logins in '%s'", path);
		r = registry_login_parse(arena, ret, &helper, ref, text, size);
		if (r < 0)
			return fail_in(r, "'%s'", path);
		if (r > 0 && helper != NULL)
			r = ask_helper(arena, ret, helper, ref, environment);
		if (r < 0)
			return r;
		if (r > 0) {
			log_debug("the login for '%s' is from '%s'", ref->registry, path);
			return 0;
		}
	}
	return 0;
}
