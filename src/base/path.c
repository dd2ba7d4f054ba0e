#include "base/path.h"

#include <limits.h>
#include <string.h>

#include "base/arena.h"

bool path_is_absolute(const char *path)
{
	return path[0] == '/';
}

/* The next component, or NULL at the end; *path moves behind it. */
static const char *next_component(const char **path, size_t *ret_length)
{
	const char *start = *path + strspn(*path, "/");

	*ret_length = strcspn(start, "/");
	*path = start + *ret_length;
	return *ret_length == 0 ? NULL : start;
}

static bool is_dots(const char *component, size_t length)
{
	return (length == 1 && component[0] == '.') ||
	       (length == 2 && component[0] == '.' && component[1] == '.');
}

bool path_is_normal(const char *path)
{
	const char *component;
	size_t length;

	if (path[0] == '\0' || strlen(path) >= PATH_MAX || strstr(path, "//") != NULL)
		return false;
	while ((component = next_component(&path, &length)) != NULL)
		if (is_dots(component, length) || length > NAME_MAX)
			return false;
	return true;
}

bool path_is_below(const char *path, const char *directory)
{
	const char *expected, *component;
	size_t expected_length, length;

	if (path_is_absolute(path) != path_is_absolute(directory))
		return false;
	while ((expected = next_component(&directory, &expected_length)) != NULL) {
		component = next_component(&path, &length);
		if (component == NULL || length != expected_length ||
		    memcmp(component, expected, length) != 0)
			return false;
	}
	return true;
}

const char *path_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == NULL ? path : slash + 1;
}

char *path_join(struct arena *arena, const char *directory, const char *name)
{
	size_t length = strlen(directory);

	name += strspn(name, "/");
	if (length == 0)
		return arena_text(arena, name);
	while (length > 1 && directory[length - 1] == '/')
		length--;
	if (name[0] == '\0')
		return arena_text_n(arena, directory, length);
	return arena_format(arena, "%.*s%s%s", (int)length, directory,
			    directory[length - 1] == '/' ? "" : "/", name);
}

char *path_parent(struct arena *arena, const char *path)
{
	char *parent = path_simplify(arena, path), *slash = strrchr(parent, '/');

	if (slash == NULL)
		return arena_text(arena, ".");
	slash[slash == parent ? 1 : 0] = '\0';
	return parent;
}

char *path_simplify(struct arena *arena, const char *path)
{
	char *simple = arena_take(arena, strlen(path) + 2);
	const char *component;
	size_t length, used = 0;
	bool absolute = path_is_absolute(path), empty = path[0] == '\0';

	while ((component = next_component(&path, &length)) != NULL) {
		if (length == 1 && component[0] == '.')
			continue;
		if (absolute || used > 0)
			simple[used++] = '/';
		memcpy(simple + used, component, length);
		used += length;
	}
	if (used == 0 && !empty)
		simple[used++] = absolute ? '/' : '.';
	simple[used] = '\0';
	return simple;
}

bool path_is_file_name(const char *name)
{
	size_t length = strlen(name);

	return length > 0 && length <= NAME_MAX && !is_dots(name, length) &&
	       strchr(name, '/') == NULL;
}
