/* What is attached to a machine's network: the names in it become names of interfaces. */
#include <assert.h>
#include <string.h>

#include "base/arena.h"
#include "base/names.h"
#include "format/attachment.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct attachment found = { .kind = ATTACH_KINDS };
	autoarena struct arena arena = {};
	char *text = arena_text_n(&arena, (const char *)data, size);
	const char *why = NULL;

	if (attachment_parse(&found, text, &why) < 0) {
		assert(why != NULL && found.kind == ATTACH_KINDS);
		return 0;
	}
	assert(found.kind < ATTACH_KINDS && why == NULL);
	assert(strncmp(text, attachment_words[found.kind], strlen(attachment_words[found.kind])) ==
	       0);
	assert(*found.of != '\0' || found.kind == ATTACH_VETH);
	assert(*found.of == '\0' || found.kind == ATTACH_ZONE || name_is_alternative(found.of));
	assert(found.kind != ATTACH_VETH || *found.of == '\0' || name_is_interface(found.of));
	assert(strpbrk(found.of, "/:% \t\n") == NULL);
	assert(*found.name == '\0' || name_is_interface(found.name));
	return 0;
}
