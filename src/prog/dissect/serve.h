/* prog/dissect/serve - a program that shows a file system by FUSE, with no right but to that.
 *
 *     redd-dissect serve PROGRAM TYPE rw|ro OFFSET
 *
 * Standard input: the caller's line, by which the descriptors come: the image as it is locked; the
 * image as PROGRAM gets it, as large as it will ever be; the device of the file system, mounted
 * already; a timer; and, if there is one, a cgroup's list of processes, to return to when the line
 * has ended or the last mount is gone. Standard output: the numbers of the two processes that stay.
 * Standard error: what is read if it fails. Ends with success when PROGRAM
 * serves, and leaves it behind with a process that waits for its end and that no signal but
 * SIGKILL ends. Before it serves, PROGRAM is killed when the line ends, the last mount is gone or
 * the timer expires. Afterwards it has some time to answer when the line ends, and to write when
 * the last mount is gone; then it is killed, and at once when the timer expires while there is a
 * mount. As long as it lives the image stays locked. If it ends by itself before, the line brings a
 * sentence about that. The caller is root of a user namespace.
 *
 * PROGRAM is not asked whether it can work that way. It finds itself in a small root with the
 * host's programs, and as nobody, in namespaces of its own and with a filter that tells us when it
 * opens a file and when it mounts: of the image and of "/dev/fuse" it is given what we have, and
 * its mount succeeds without one. From then on it opens nothing more.
 */
#pragma once

int serve(int argc, char **argv);
