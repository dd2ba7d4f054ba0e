#include "base/fail.h"
#include "prog/machinectl/machinectl.h"

#include <errno.h>

int verb_top(void *context_, const struct text_list *words)
{
	(void)context_;
	(void)words;
	return fail_plain(-ENOSYS, "cannot run 'top': it is not built yet");
}
