/* engine/stub - the program of PID 1 for --as-pid2, as a sealed file in memory.
 *
 * The container's root can open /proc/1/exe: what it finds there must not be a
 * file of the host (class S1). Runs in: supervisor, before the payload exists. Quiet.
 */
#pragma once

/* A descriptor for fexecve(3); nobody can write to it any more. */
int stub_open(void);
