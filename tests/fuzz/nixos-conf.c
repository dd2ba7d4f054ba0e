/* NAME.conf of NixOS containers: what is written is read as the same. */
#include <assert.h>
#include <string.h>

#include "base/arena.h"
#include "base/text.h"
#include "format/nixos-conf.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autoarena struct arena arena = {};
	struct nixos_conf conf, again;
	enum nixos_conf_key key;
	const char *why;
	char *text;

	if (nixos_conf_parse(&arena, &conf, (const char *)data, size) < 0)
		return 0;
	if (nixos_conf_check(&arena, &conf, &key, &why) < 0)
		assert(conf.values[key] != NULL && why != NULL);
	if (nixos_conf_text(&arena, &text, &conf) < 0)
		return 0;
	assert(nixos_conf_parse(&arena, &again, text, strlen(text)) == 0);
	for (size_t i = 0; i < NIXOS_CONF_KEYS; i++)
		assert(text_equal(conf.values[i], again.values[i]));
	assert(conf.others.count == again.others.count);
	for (size_t i = 0; i < conf.others.count; i++)
		assert(text_equal(conf.others.items[i], again.others.items[i]));
	return 0;
}
