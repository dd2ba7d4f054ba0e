/* kernel/keyring - a session keyring of the payload's own (class S36). Payload. Quiet. */
#pragma once

/* Join a new anonymous session keyring. A kernel without keyrings, or a filter that denies them
 * (ENOSYS, EPERM, EACCES), is as good: 0, since nothing is shared through it then. */
int keyring_join_new(void);
