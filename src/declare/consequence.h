/* declare/consequence - what a change of a setting costs a machine that runs. Pure.
 *
 * Ordered: of several changes the greatest counts.
 */
#pragma once

enum consequence {
	CONSEQUENCE_NONE,     /* nothing that runs has to know */
	CONSEQUENCE_LIVE,     /* is changed while it runs */
	CONSEQUENCE_RELOAD,   /* its reload command is run inside */
	CONSEQUENCE_RESTART,  /* is stopped and started */
	CONSEQUENCE_RECREATE, /* and gets another root: what is not in Persist= is gone */
	CONSEQUENCES
};

const char *consequence_word(enum consequence consequence); /* "live" */
