#include <errno.h>

#include "base/fail.h"
#include "prog/machinectl/machinectl.h"

int verb_edit(void *context_, const struct text_list *words)
{
	(void)context_;
	(void)words;
	return fail_plain(-ENOSYS, "cannot run 'edit': it is not built yet");
}

int verb_cat(void *context_, const struct text_list *words)
{
	(void)context_;
	(void)words;
	return fail_plain(-ENOSYS, "cannot run 'cat': it is not built yet");
}
