/* os-release and other files of assignments. */
#include <assert.h>
#include <string.h>

#include "base/arena.h"
#include "format/envfile.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autoarena struct arena arena = {};
	struct envfile file;
	char *name, *value;
	size_t total = 0;

	if (envfile_start(&file, &arena, (const char *)data, size) < 0)
		return 0;
	while (envfile_next(&file, &name, &value) > 0) {
		assert(name[0] != '\0' && strspn(name, "0123456789") == 0);
		assert(strpbrk(name, "= \t\r\n\"'\\") == NULL);
		total += strlen(name) + 1 + strlen(value);
	}
	assert(total <= size);
	envfile_find(&arena, (const char *)data, size, "ID");
	return 0;
}
