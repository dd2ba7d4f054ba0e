#include "declare/consequence.h"

const char *consequence_word(enum consequence consequence)
{
	static const char *const words[CONSEQUENCES] = {
		[CONSEQUENCE_NONE] = "none",	     [CONSEQUENCE_LIVE] = "live",
		[CONSEQUENCE_RELOAD] = "reload",     [CONSEQUENCE_RESTART] = "restart",
		[CONSEQUENCE_RECREATE] = "recreate",
	};

	return words[consequence];
}
