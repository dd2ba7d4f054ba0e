/* nss/answer - what a caller of NSS gets, in the memory that it gave. Pure, quiet.
 *
 * -ERANGE: it gave too little. Then nothing but that memory was written to.
 */
#pragma once
#include <stddef.h>

#include "format/hosts.h"

struct hostent;
struct gaih_addrtuple;

/* NAME with those of the COUNT addresses that are of FAMILY. -ENODATA: there are none. */
int answer_host(struct hostent *ret, char *buffer, size_t size, const char *name, int family,
		const struct hosts_address *addresses, size_t count);

/* All. The first one goes where *RET leads, if it does. -ENODATA: there are none. */
int answer_tuples(struct gaih_addrtuple **ret, char *buffer, size_t size, const char *name,
		  const struct hosts_address *addresses, size_t count);
