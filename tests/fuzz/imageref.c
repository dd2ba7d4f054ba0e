/* What images and their bytes are called: both become parts of addresses and names of files. */
#include <assert.h>
#include <string.h>

#include "base/arena.h"
#include "base/names.h"
#include "format/imageref.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autoarena struct arena arena = {};
	char *text = arena_text_n(&arena, (const char *)data, size);
	struct imageref ref = {}, again;
	struct digest digest = {};
	const char *why = NULL;
	char *machine;

	if (digest_parse(&digest, text) == 0) {
		assert(strpbrk(digest.text, "/. \n%") == NULL);
		assert(strcmp(digest.text, text) == 0);
	}
	if (imageref_parse(&ref, text, &why) < 0) {
		assert(why != NULL && ref.registry[0] == '\0');
		return 0;
	}
	assert(ref.registry[0] != '\0' && ref.repository[0] != '\0');
	assert(ref.tag[0] != '\0' || ref.digest.text[0] != '\0');
	assert(strstr(ref.repository, "..") == NULL && strstr(ref.repository, "//") == NULL);
	assert(strpbrk(ref.repository, "%?#@: \r\n\\") == NULL && ref.repository[0] != '/');
	assert(strpbrk(ref.registry, "%?#@/ \r\n\\") == NULL);
	assert(strpbrk(ref.tag, "%?#@/: \r\n\\") == NULL);
	assert(imageref_parse(&again, imageref_text(&arena, &ref), &why) == 0);
	assert(strcmp(again.repository, ref.repository) == 0);
	assert(strcmp(imageref_scheme(&ref), "https") == 0 || imageref_host_is_local(ref.registry));
	machine = imageref_machine(&arena, &ref);
	assert(machine == NULL || name_is_machine(machine));
	return 0;
}
