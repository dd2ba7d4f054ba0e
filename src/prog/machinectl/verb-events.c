#include <errno.h>

#include "base/fail.h"
#include "prog/machinectl/machinectl.h"

int verb_events(void *context_, const struct text_list *words)
{
	(void)context_;
	(void)words;
	return fail_plain(-ENOSYS, "cannot run 'events': it is not built yet");
}
