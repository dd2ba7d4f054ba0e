#include <errno.h>

#include "base/fail.h"
#include "prog/machinectl/machinectl.h"

int verb_start(void *context_, const struct text_list *words)
{
	(void)context_;
	(void)words;
	return fail_plain(-ENOSYS, "cannot run 'start': it is not built yet");
}

int verb_stop(void *context_, const struct text_list *words)
{
	(void)context_;
	(void)words;
	return fail_plain(-ENOSYS, "cannot run 'stop': it is not built yet");
}

int verb_enable(void *context_, const struct text_list *words)
{
	(void)context_;
	(void)words;
	return fail_plain(-ENOSYS, "cannot run 'enable': it is not built yet");
}

int verb_disable(void *context_, const struct text_list *words)
{
	(void)context_;
	(void)words;
	return fail_plain(-ENOSYS, "cannot run 'disable': it is not built yet");
}
