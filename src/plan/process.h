/* plan/process - what the payload does to itself between the last mount and exec. Pure. */
#pragma once

struct planner;

/* Session, host name, keyring, limits … exec, in the order that works. */
void process_payload(struct planner *p);
