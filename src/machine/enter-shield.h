/* machine/enter-shield - this program as something that no guest can overwrite (class S1).
 *
 * Until it has executed the guest's program, what enters a machine is a process of ours. Where the
 * guest's root is somebody on the host too, he may get hold of what it executes and maps, keep it,
 * and open it for writing once nobody runs it any more. So before such a machine is entered, the
 * program is run once more: by root, from a view of the host in which every mount is read-only,
 * and so are the files that are mapped from there, libraries too; by a user who owns the program,
 * from a sealed copy in memory. Speaking. Runs in: who enters.
 */
#pragma once

struct enter;

/* 0: nothing to do, or done already. Else it does not return: ARGUMENTS, main()'s, start anew. So
 * it is called before anything that must not happen twice. */
int enter_shield(const struct enter *enter, char *const *arguments);
