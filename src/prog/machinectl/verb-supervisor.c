#include <errno.h>

#include "base/fail.h"
#include "prog/machinectl/machinectl.h"

int verb_adopt(void *context_, const struct text_list *words)
{
	(void)context_;
	(void)words;
	return fail_plain(-ENOSYS, "cannot run 'adopt': it is not built yet");
}

int verb_reexec(void *context_, const struct text_list *words)
{
	(void)context_;
	(void)words;
	return fail_plain(-ENOSYS, "cannot run 'reexec': it is not built yet");
}

int verb_reap(void *context_, const struct text_list *words)
{
	(void)context_;
	(void)words;
	return fail_plain(-ENOSYS, "cannot run 'reap': it is not built yet");
}
