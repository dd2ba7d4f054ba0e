/* transfer/acl - POSIX ACLs as archives tell them, in words, and as the kernel does. Pure.
 *
 * Words: "user::rwx,user:1000:r-x,group::r-x,mask::r-x,other::---", ids as numbers.
 */
#pragma once
#include <stddef.h>

#define ACL_ENTRIES_MAX 512
#define ACL_RAW_MAX (4 + 8 * ACL_ENTRIES_MAX)
#define ACL_TEXT_MAX (32 * ACL_ENTRIES_MAX)

/* The value of system.posix_acl_*; its size. -EBADMSG: no ACL; -ENOKEY: it names somebody by a name
 * alone, whose number nobody knows here. */
int acl_from_text(unsigned char ret[ACL_RAW_MAX], const char *text);

/* The length of the text; -EBADMSG: no ACL of a known form. */
int acl_to_text(char ret[ACL_TEXT_MAX], const void *raw, size_t size);
