/* net/pin - a machine's network namespace is held by a mount. Quiet. Any process, as root.
 *
 * When a namespace ends, the kernel gives hardware back under whatever name it has, and everything
 * else that was moved there is lost. So while something of the host's is in there, the namespace
 * is bound to the file RUNTIME/network/ns-TAG: who cleans up after a killed supervisor goes in and
 * brings it home (net/links). TAG is that of the machine's record. Mounts are the caller's mount
 * namespace's.
 */
#pragma once

/* Done twice is done once. */
int pin_make(const char *runtime, const char *tag, int netns_fd);

/* The namespace. -ENOENT: none is held. */
int pin_open(const char *runtime, const char *tag);

/* 0 also if there is none. */
int pin_remove(const char *runtime, const char *tag);
