#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>

#include "bus/sd-bus.h"

static const char *const libraries[] = { "libsystemd.so.0", "libelogind.so.0", "libbasu.so.0" };

static const struct {
	size_t offset;
	const char *name;
} functions[] = {
	{ offsetof(struct sd_bus_library, open_system), "sd_bus_open_system" },
	{ offsetof(struct sd_bus_library, open_user), "sd_bus_open_user" },
	{ offsetof(struct sd_bus_library, close), "sd_bus_close" },
	{ offsetof(struct sd_bus_library, unref), "sd_bus_unref" },
	{ offsetof(struct sd_bus_library, is_ready), "sd_bus_is_ready" },
	{ offsetof(struct sd_bus_library, process), "sd_bus_process" },
	{ offsetof(struct sd_bus_library, wait), "sd_bus_wait" },
	{ offsetof(struct sd_bus_library, get_fd), "sd_bus_get_fd" },
	{ offsetof(struct sd_bus_library, get_unique_name), "sd_bus_get_unique_name" },
	{ offsetof(struct sd_bus_library, call), "sd_bus_call" },
	{ offsetof(struct sd_bus_library, call_async), "sd_bus_call_async" },
	{ offsetof(struct sd_bus_library, match_signal_async), "sd_bus_match_signal_async" },
	{ offsetof(struct sd_bus_library, slot_unref), "sd_bus_slot_unref" },
	{ offsetof(struct sd_bus_library, error_free), "sd_bus_error_free" },
	{ offsetof(struct sd_bus_library, message_new), "sd_bus_message_new_method_call" },
	{ offsetof(struct sd_bus_library, message_unref), "sd_bus_message_unref" },
	{ offsetof(struct sd_bus_library, message_error), "sd_bus_message_get_error" },
	{ offsetof(struct sd_bus_library, append), "sd_bus_message_append" },
	{ offsetof(struct sd_bus_library, append_array), "sd_bus_message_append_array" },
	{ offsetof(struct sd_bus_library, open_container), "sd_bus_message_open_container" },
	{ offsetof(struct sd_bus_library, close_container), "sd_bus_message_close_container" },
	{ offsetof(struct sd_bus_library, read), "sd_bus_message_read" },
	{ offsetof(struct sd_bus_library, peek_type), "sd_bus_message_peek_type" },
	{ offsetof(struct sd_bus_library, enter_container), "sd_bus_message_enter_container" },
	{ offsetof(struct sd_bus_library, exit_container), "sd_bus_message_exit_container" },
};

int sd_bus_library_load(struct sd_bus_library *ret)
{
	struct sd_bus_library library = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(libraries) && library.handle == NULL; i++)
		library.handle = dlopen(libraries[i], RTLD_NOW | RTLD_LOCAL);
	if (library.handle == NULL)
		return -ENOPKG;
	for (size_t i = 0; i < ARRAY_SIZE(functions); i++) {
		/* POSIX promises that this conversion works; ISO C has no word for it. */
		void **function = (void **)((char *)&library + functions[i].offset);

		*function = dlsym(library.handle, functions[i].name);
		if (*function == NULL) {
			sd_bus_library_unload(&library);
			return -ENOPKG;
		}
	}
	*ret = library;
	return 0;
}

void sd_bus_library_unload(struct sd_bus_library *library)
{
	if (library->handle != NULL)
		dlclose(library->handle);
	*library = (struct sd_bus_library){ 0 };
}
