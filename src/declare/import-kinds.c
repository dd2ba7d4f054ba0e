#include "declare/import-kinds.h"

#include <string.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/macros.h"
#include "base/path.h"
#include "base/text.h"
#include "declare/import-compose.h"
#include "declare/import-kube.h"
#include "declare/import-lxc.h"
#include "declare/import-nixos.h"
#include "declare/import-quadlet.h"
#include "declare/import.h"

const struct import_kind import_kinds[] = {
	{ "compose", "a compose file", false },
	{ "quadlet", "a directory of Quadlet units", true },
	{ "lxc", "a container's config of LXC or Proxmox VE", false },
	{ "nixos-conf", "the conf of a NixOS container", false },
	{ "kube", "YAML of Kubernetes", false },
};
const size_t import_kinds_count = ARRAY_SIZE(import_kinds);

const struct import_kind *import_kind(const char *word)
{
	for (size_t i = 0; i < ARRAY_SIZE(import_kinds); i++)
		if (text_equal(import_kinds[i].word, word))
			return &import_kinds[i];
	return NULL;
}

const struct import_kind *import_kind_of(const char *path)
{
	const char *name = path_name(path);
	bool yaml = text_ends(name, ".yaml") || text_ends(name, ".yml");

	if (yaml && strstr(name, "compose"))
		return import_kind("compose");
	if (yaml && (strstr(name, "kube") || strstr(name, "pod")))
		return import_kind("kube");
	if (text_equal(name, "config") || path_is_below(path, "/etc/pve"))
		return import_kind("lxc");
	if (path_is_below(path, "/etc/nixos-containers"))
		return import_kind("nixos-conf");
	return path_is_below(path, "/etc/containers/systemd") ? import_kind("quadlet") : NULL;
}

char *import_kinds_text(struct arena *arena)
{
	char *text = arena_text(arena, "");

	for (size_t i = 0; i < ARRAY_SIZE(import_kinds); i++)
		text = arena_format(arena, "%s%s%s", text,
				    i == 0			       ? ""
				    : i + 1 < ARRAY_SIZE(import_kinds) ? ", "
								       : " and ",
				    import_kinds[i].word);
	return text;
}

bool import_run(struct import *import, const char *word, const char *path, const char *text,
		size_t size, const struct text_list *names)
{
	if (text_equal(word, "compose"))
		import_compose(import, path, text, size);
	else if (text_equal(word, "quadlet"))
		import_quadlet(import, path, names);
	else if (text_equal(word, "lxc"))
		import_lxc(import, path, text, size);
	else if (text_equal(word, "nixos-conf"))
		import_nixos(import, path, text, size);
	else if (text_equal(word, "kube"))
		import_kube(import, path, text, size);
	else
		return false;
	return true;
}
