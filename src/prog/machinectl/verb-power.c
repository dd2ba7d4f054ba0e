#include <errno.h>

#include "base/fail.h"
#include "prog/machinectl/machinectl.h"

int verb_poweroff(void *context_, const struct text_list *words)
{
	(void)context_;
	(void)words;
	return fail_plain(-ENOSYS, "cannot run 'poweroff': it is not built yet");
}

int verb_reboot(void *context_, const struct text_list *words)
{
	(void)context_;
	(void)words;
	return fail_plain(-ENOSYS, "cannot run 'reboot': it is not built yet");
}

int verb_terminate(void *context_, const struct text_list *words)
{
	(void)context_;
	(void)words;
	return fail_plain(-ENOSYS, "cannot run 'terminate': it is not built yet");
}

int verb_kill(void *context_, const struct text_list *words)
{
	(void)context_;
	(void)words;
	return fail_plain(-ENOSYS, "cannot run 'kill': it is not built yet");
}

int verb_wait(void *context_, const struct text_list *words)
{
	(void)context_;
	(void)words;
	return fail_plain(-ENOSYS, "cannot run 'wait': it is not built yet");
}
