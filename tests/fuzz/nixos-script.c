/* Scripts of the unit of a NixOS container: what is read is literal and on one line. */
#include <assert.h>
#include <string.h>

#include "base/arena.h"
#include "base/names.h"
#include "format/ini.h"
#include "format/nixos-script.h"
#include "fuzz.h"

static void check(const struct text_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		assert(list->items[i][0] != '\0' && ini_is_line(list->items[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	autoarena struct arena arena = {};
	struct nixos_script script;

	if (nixos_script_start(&arena, &script, text, size) < 0) {
		assert(script.why != NULL);
		return 0;
	}
	/* The same text serves as all three. */
	for (int inside = 0; inside < 2; inside++)
		if (nixos_script_links(&arena, &script, text, size, inside) < 0)
			assert(script.why != NULL);
	check(&script.capabilities);
	check(&script.tmpfs);
	assert(script.link_count <= NIXOS_SCRIPT_LINKS_MAX);
	for (size_t i = 0; i < script.link_count; i++) {
		assert(name_is_interface(script.links[i].name));
		assert(script.links[i].bridge == NULL || name_is_interface(script.links[i].bridge));
		check(&script.links[i].host);
		check(&script.links[i].local);
	}
	return 0;
}
