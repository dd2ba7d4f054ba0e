/* `.nspawn` files. The first byte says whether the file is trusted. */
#include <assert.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "fuzz.h"
#include "spec/readers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const environment[] = { NULL };
	const struct reader_facts facts = {
		.working_directory = "/",
		.environment = environment,
	};
	const struct resolve_facts resolve = {
		.host_name = "host",
		.working_directory = "/",
	};
	autoarena struct arena arena = {};
	struct spec spec;
	bool trusted;
	int r;

	if (size == 0)
		return 0;
	log_set_level(LOG_LEVEL_ERROR);
	fail_forget();
	trusted = data[0] & 1;
	spec_init(&spec);
	spec.directory = "/srv/web";
	r = nspawn_file_parse(&arena, &spec, &facts, (const char *)data + 1, size - 1, "web.nspawn",
			      trusted);
	if (r == 0)
		r = spec_resolve(&arena, &spec, &resolve);
	assert(r == 0 || (fail_recorded()->code < 0 && fail_recorded()->text[0] != '\0'));

	/* What nobody vouches for gets nothing of the host. */
	if (!trusted)
		assert(spec.mounts.count == 0 && spec.capability_plus == 0 &&
		       spec.bind_users.count == 0 && spec.interfaces.count == 0 &&
		       spec.persist.count == 0 && spec.credentials.count == 0 &&
		       spec.service.count == 0 && spec.extra_links.count == 0 &&
		       spec.health.command.count == 0);
	return 0;
}
