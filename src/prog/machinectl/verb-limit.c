#include <errno.h>

#include "base/fail.h"
#include "prog/machinectl/machinectl.h"

int verb_set_property(void *context_, const struct text_list *words)
{
	(void)context_;
	(void)words;
	return fail_plain(-ENOSYS, "cannot run 'set-property': it is not built yet");
}

int verb_pause(void *context_, const struct text_list *words)
{
	(void)context_;
	(void)words;
	return fail_plain(-ENOSYS, "cannot run 'pause': it is not built yet");
}

int verb_resume(void *context_, const struct text_list *words)
{
	(void)context_;
	(void)words;
	return fail_plain(-ENOSYS, "cannot run 'resume': it is not built yet");
}
