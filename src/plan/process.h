/* plan/process - what the payload does to itself between the last mount and exec. Pure. */
#pragma once
#include <stdint.h>

struct planner;

/* Session, host name, keyring, limits … exec, in the order that works. */
void process_payload(struct planner *p);

/* What stays of the capabilities (reference, 10.1). */
uint64_t process_capabilities(const struct planner *p);
