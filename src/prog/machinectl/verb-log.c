#include <errno.h>

#include "base/fail.h"
#include "prog/machinectl/machinectl.h"

int verb_logs(void *context_, const struct text_list *words)
{
	(void)context_;
	(void)words;
	return fail_plain(-ENOSYS, "cannot run 'logs': it is not built yet");
}
