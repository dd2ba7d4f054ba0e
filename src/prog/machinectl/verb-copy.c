#include <errno.h>

#include "base/fail.h"
#include "prog/machinectl/machinectl.h"

int verb_copy_to(void *context_, const struct text_list *words)
{
	(void)context_;
	(void)words;
	return fail_plain(-ENOSYS, "cannot run 'copy-to': it is not built yet");
}

int verb_copy_from(void *context_, const struct text_list *words)
{
	(void)context_;
	(void)words;
	return fail_plain(-ENOSYS, "cannot run 'copy-from': it is not built yet");
}
