#include <errno.h>

#include "base/fail.h"
#include "prog/machinectl/machinectl.h"

int verb_shell(void *context_, const struct text_list *words)
{
	(void)context_;
	(void)words;
	return fail_plain(-ENOSYS, "cannot run 'shell': it is not built yet");
}

int verb_login(void *context_, const struct text_list *words)
{
	(void)context_;
	(void)words;
	return fail_plain(-ENOSYS, "cannot run 'login': it is not built yet");
}
