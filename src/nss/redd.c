#include "nss/redd.h"

#include <errno.h>
#include <string.h>

#include "nss/answer.h"
#include "nss/machines.h"

/* What glibc makes of it: with TRYAGAIN and ERANGE it comes again with more memory; after NOTFOUND
 * and UNAVAIL the next one in nsswitch.conf is asked. */
static enum nss_status refuse(int r, int *errnop, int *h_errnop)
{
	switch (r) {
	case 0:
		*errnop = ENOENT;
		*h_errnop = HOST_NOT_FOUND;
		return NSS_STATUS_NOTFOUND;
	case -ENODATA:
		*errnop = ENOENT;
		*h_errnop = NO_DATA;
		return NSS_STATUS_NOTFOUND;
	case -ERANGE:
		*errnop = ERANGE;
		*h_errnop = NETDB_INTERNAL;
		return NSS_STATUS_TRYAGAIN;
	case -EMFILE:
	case -ENFILE:
	case -ENOMEM:
		*errnop = EAGAIN;
		*h_errnop = TRY_AGAIN;
		return NSS_STATUS_TRYAGAIN;
	default:
		*errnop = -r;
		*h_errnop = NO_RECOVERY;
		return NSS_STATUS_UNAVAIL;
	}
}

/* Nobody shall cache it: a machine may come and go in milliseconds. */
static enum nss_status succeed(int saved, int *errnop, int *h_errnop, int32_t *ttlp)
{
	*errnop = saved;
	*h_errnop = NETDB_SUCCESS;
	if (ttlp != NULL)
		*ttlp = 0;
	return NSS_STATUS_SUCCESS;
}

enum nss_status _nss_redd_gethostbyname4_r(const char *name, struct gaih_addrtuple **pat,
					   char *buffer, size_t size, int *errnop, int *h_errnop,
					   int32_t *ttlp)
{
	const int saved = errno;
	struct hosts hosts;
	int r;

	r = machines_find(&hosts, name);
	if (r > 0) {
		r = answer_tuples(pat, buffer, size, name, hosts.addresses, hosts.count);
		if (r == 0)
			return succeed(saved, errnop, h_errnop, ttlp);
	}
	return refuse(r, errnop, h_errnop);
}

enum nss_status _nss_redd_gethostbyname3_r(const char *name, int family, struct hostent *host,
					   char *buffer, size_t size, int *errnop, int *h_errnop,
					   int32_t *ttlp, char **canonp)
{
	const int saved = errno;
	struct hosts hosts;
	int r;

	if (family != AF_INET && family != AF_INET6)
		return refuse(-EAFNOSUPPORT, errnop, h_errnop);
	r = machines_find(&hosts, name);
	if (r > 0) {
		r = answer_host(host, buffer, size, name, family, hosts.addresses, hosts.count);
		if (r == 0 && canonp != NULL)
			*canonp = host->h_name;
		if (r == 0)
			return succeed(saved, errnop, h_errnop, ttlp);
	}
	return refuse(r, errnop, h_errnop);
}

enum nss_status _nss_redd_gethostbyname2_r(const char *name, int family, struct hostent *host,
					   char *buffer, size_t size, int *errnop, int *h_errnop)
{
	return _nss_redd_gethostbyname3_r(name, family, host, buffer, size, errnop, h_errnop, NULL,
					  NULL);
}

enum nss_status _nss_redd_gethostbyname_r(const char *name, struct hostent *host, char *buffer,
					  size_t size, int *errnop, int *h_errnop)
{
	return _nss_redd_gethostbyname3_r(name, AF_INET, host, buffer, size, errnop, h_errnop, NULL,
					  NULL);
}

enum nss_status _nss_redd_gethostbyaddr2_r(const void *address, socklen_t length, int family,
					   struct hostent *host, char *buffer, size_t size,
					   int *errnop, int *h_errnop, int32_t *ttlp)
{
	struct hosts_address asked = { .family = family };
	char name[NAME_MAX_LENGTH + 1];
	const int saved = errno;
	int r;

	if ((family != AF_INET && family != AF_INET6) || length != hosts_address_size(&asked))
		return refuse(-EAFNOSUPPORT, errnop, h_errnop);
	memcpy(asked.bytes, address, length);
	r = machines_find_address(name, &asked);
	if (r > 0) {
		r = answer_host(host, buffer, size, name, family, &asked, 1);
		if (r == 0)
			return succeed(saved, errnop, h_errnop, ttlp);
	}
	return refuse(r, errnop, h_errnop);
}

enum nss_status _nss_redd_gethostbyaddr_r(const void *address, socklen_t length, int family,
					  struct hostent *host, char *buffer, size_t size,
					  int *errnop, int *h_errnop)
{
	return _nss_redd_gethostbyaddr2_r(address, length, family, host, buffer, size, errnop,
					  h_errnop, NULL);
}
