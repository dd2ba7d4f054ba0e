/* machine/hosts-file - what everybody on the host may know of a running machine (format/hosts).
 *
 * RUNTIME/hosts/NAME says to libnss_redd who answers to NAME. Of a machine of root's the supervisor
 * writes it, again when an address changes; it is noted by its path before. Whoever removes it
 * holds the machine's record. Quiet. Supervisor, and who cleans up after it.
 */
#pragma once

struct arena;
struct facts;
struct hosts;
struct hosts_claim;

/* For notes, and hosts_file_remove(). */
char *hosts_file_path(struct arena *arena, const char *runtime, const char *name);

/* Readers find the old one or the new one, never a part. The directory is made when it is missing.
 * -EINVAL: no machine's name, or hosts_print() refuses. -EPERM: the directory is not ours. */
int hosts_file_write(const char *runtime, const char *name, const struct hosts *hosts);

/* The addresses that FACTS has, of all parts. 0 also if there are none: then there is no file. */
int hosts_file_publish(const char *runtime, const char *name, const struct facts *facts);

/* Let MACHINE, whose record has the tag, be found as NAME too. RECORDS_FD: the records' directory.
 * -EEXIST: another one that runs has it already, or may have it. -EINVAL: no such name, or it is
 * the host's own. -EBADF and the like: there are no records to look in. */
int hosts_file_claim(const char *runtime, int records_fd, const char *machine, const char *tag,
		     const char *name);

/* No more, if it is the one with TAG that is found by it. */
void hosts_file_disclaim(const char *runtime, const char *tag, const char *name);

/* Who claims NAME: it may have ended. -ENOENT: nobody. */
int hosts_file_claimed(struct hosts_claim *ret, const char *runtime, const char *name);

/* Remove it if it carries TAG. 0: it is gone, or it is another's. -EBADMSG: no path of one. */
int hosts_file_remove(const char *path, const char *tag);
