#include <errno.h>

#include "base/fail.h"
#include "prog/machinectl/machinectl.h"

int verb_image(void *context_, const struct text_list *words)
{
	(void)context_;
	(void)words;
	return fail_plain(-ENOSYS, "cannot run 'image': it is not built yet");
}
