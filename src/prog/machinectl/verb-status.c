#include <errno.h>

#include "base/fail.h"
#include "prog/machinectl/machinectl.h"

int verb_status(void *context_, const struct text_list *words)
{
	(void)context_;
	(void)words;
	return fail_plain(-ENOSYS, "cannot run 'status': it is not built yet");
}

int verb_show(void *context_, const struct text_list *words)
{
	(void)context_;
	(void)words;
	return fail_plain(-ENOSYS, "cannot run 'show': it is not built yet");
}
