#include "machine/networkd.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/macros.h"
#include "base/parse.h"
#include "base/text.h"
#include "format/ini.h"
#include "io/dir.h"
#include "io/fd.h"
#include "io/file.h"

/* Earlier ones first. */
static const char *const places[] = {
	"etc/systemd/network",	   "run/systemd/network", "usr/local/lib/systemd/network",
	"usr/lib/systemd/network", "lib/systemd/network",
};

struct search {
	struct arena *arena;
	struct text_list names;
};

struct verdict {
	bool conditions, fits, unmanaged;
};

/* "*" and "?"; a set of characters fits every one. */
static bool fits_pattern(const char *text, const char *pattern)
{
	const char *star = NULL, *from = NULL;

	while (*text != '\0') {
		const char *end = *pattern == '[' ? strchr(pattern, ']') : NULL;

		if (*pattern == '*') {
			star = ++pattern;
			from = text;
		} else if (end != NULL || *pattern == '?' || *pattern == *text) {
			pattern = end != NULL ? end + 1 : pattern + 1;
			text++;
		} else if (star != NULL) {
			pattern = star;
			text = ++from;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}

/* Patterns, one of which fits; after a "!" none may. */
static bool fits_list(struct arena *arena, const char *text, const char *list)
{
	struct text_list patterns = { 0 };
	bool inverted = *list == '!';

	text_split(arena, &patterns, inverted ? list + 1 : list, " \t");
	for (size_t i = 0; i < patterns.count; i++)
		if (fits_pattern(text, patterns.items[i]))
			return !inverted;
	return inverted;
}

static bool fits_condition(struct arena *arena, const struct ini_item *item, const char *name,
			   const char *kind)
{
	static const char *const of_hardware[] = { "MACAddress", "PermanentMACAddress", "Path",
						   "Property",	 "WLANInterfaceType",	"SSID",
						   "BSSID" };

	if (text_equal(item->key, "Name"))
		return fits_list(arena, name, item->value);
	if (text_equal(item->key, "Driver") || text_equal(item->key, "Kind"))
		return fits_list(arena, kind, item->value);
	if (text_equal(item->key, "Type"))
		return fits_list(arena, text_equal(kind, "veth") ? "ether" : kind, item->value);
	for (size_t i = 0; i < ARRAY_SIZE(of_hardware); i++)
		if (text_equal(item->key, of_hardware[i]))
			return false;
	return true;
}

static void judge(struct arena *arena, struct verdict *verdict, const struct ini_item *item,
		  const char *name, const char *kind)
{
	bool unmanaged;

	if (item->kind != INI_ASSIGNMENT || item->section == NULL)
		return;
	if (text_equal(item->section, "Match") && *item->value != '\0') {
		verdict->fits &= fits_condition(arena, item, name, kind);
		verdict->conditions = true;
	}
	if (text_equal(item->section, "Link") && text_equal(item->key, "Unmanaged"))
		verdict->unmanaged = parse_bool(&unmanaged, item->value) >= 0 && unmanaged;
}

/* Of the first directory that has it; a link to /dev/null is no regular file. */
static struct verdict read_file(struct arena *arena, int root_fd, const char *file,
				const char *name, const char *kind)
{
	struct verdict verdict = { .fits = true };
	struct ini_item item;
	struct ini ini;
	char *text;
	size_t size;
	int r = -ENOENT;

	for (size_t i = 0; i < ARRAY_SIZE(places) && r == -ENOENT; i++)
		r = file_read(arena, &text, &size, root_fd,
			      arena_format(arena, "%s/%s", places[i], file),
			      NETWORKD_FILE_SIZE_MAX);
	if (r >= 0)
		r = ini_start(&ini, arena, text, size);
	while (r >= 0 && (r = ini_next(&ini, &item)) > 0)
		judge(arena, &verdict, &item, name, kind);
	/* Without a condition systemd-networkd ignores the file. */
	verdict.fits &= r >= 0 && verdict.conditions;
	return verdict;
}

static int collect(int dir_fd, const char *name, unsigned char type, void *context)
{
	struct search *search = context;

	(void)dir_fd;
	if (type != DT_DIR && text_ends(name, ".network") && !text_list_has(&search->names, name))
		text_list_add(search->arena, &search->names, arena_text(search->arena, name));
	return 0;
}

bool networkd_configures(struct arena *arena, int root_fd, const char *name, const char *kind)
{
	struct search search = { .arena = arena };

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		autoclose int fd = openat(root_fd, places[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (fd >= 0)
			(void)dir_walk(fd, collect, &search);
	}
	text_list_sort(&search.names);
	for (size_t i = 0; i < search.names.count; i++) {
		struct verdict verdict = read_file(arena, root_fd, search.names.items[i], name,
						   kind);

		if (verdict.fits)
			return !verdict.unmanaged;
	}
	return false;
}
