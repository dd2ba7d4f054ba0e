/* nss/redd - libnss_redd.so.2: the host resolves NAME and NAME.machine, and addresses to NAME.
 *
 * These are the functions that glibc looks for when a line of /etc/nsswitch.conf says "hosts: files
 * redd dns". The names, and what they return, are glibc's ("The GNU C Library", chapter "System
 * Databases and Name Service Switch"); nothing else is exported.
 */
#pragma once
#include <netdb.h>
#include <nss.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define REDD_EXPORT __attribute__((visibility("default")))

REDD_EXPORT enum nss_status _nss_redd_gethostbyname4_r(const char *name,
						       struct gaih_addrtuple **pat, char *buffer,
						       size_t size, int *errnop, int *h_errnop,
						       int32_t *ttlp);
REDD_EXPORT enum nss_status _nss_redd_gethostbyname3_r(const char *name, int family,
						       struct hostent *host, char *buffer,
						       size_t size, int *errnop, int *h_errnop,
						       int32_t *ttlp, char **canonp);
REDD_EXPORT enum nss_status _nss_redd_gethostbyname2_r(const char *name, int family,
						       struct hostent *host, char *buffer,
						       size_t size, int *errnop, int *h_errnop);
REDD_EXPORT enum nss_status _nss_redd_gethostbyname_r(const char *name, struct hostent *host,
						      char *buffer, size_t size, int *errnop,
						      int *h_errnop);
REDD_EXPORT enum nss_status _nss_redd_gethostbyaddr2_r(const void *address, socklen_t length,
						       int family, struct hostent *host,
						       char *buffer, size_t size, int *errnop,
						       int *h_errnop, int32_t *ttlp);
REDD_EXPORT enum nss_status _nss_redd_gethostbyaddr_r(const void *address, socklen_t length,
						      int family, struct hostent *host,
						      char *buffer, size_t size, int *errnop,
						      int *h_errnop);
