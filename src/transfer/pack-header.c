/* Headers of an archive that is written. */
#include <errno.h>
#include <linux/limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/macros.h"
#include "transfer/acl.h"
#include "transfer/pack-inside.h"
#include "transfer/sink.h"

#define ATTRIBUTE_MAX ((size_t)64 * 1024)
#define ENCODED_MAX ((size_t)3 * XATTR_NAME_MAX + 1)
#define OCTAL_7 UINT64_C(07777777)
#define OCTAL_11 UINT64_C(077777777777)

/* ---- records ---- */

static size_t digits_of(size_t number)
{
	size_t digits = 1;

	while (number >= 10) {
		number /= 10;
		digits++;
	}
	return digits;
}

/* "LENGTH KEY=VALUE\n"; LENGTH counts itself. */
static void add_record(struct pack *pack, const char *prefix, const char *key, const void *value,
		       size_t size)
{
	size_t rest = strlen(prefix) + strlen(key) + size + 3, length = rest + digits_of(rest);
	char *to = pack->records + pack->records_size;

	if (digits_of(length) > length - rest)
		length++;
	if (length + 1 > TAR_HEADER_MAX - pack->records_size) {
		pack->records_full = true;
		return;
	}
	to += snprintf(to, TAR_HEADER_MAX - pack->records_size, "%zu %s%s=", length, prefix, key);
	memcpy(to, value, size);
	to[size] = '\n';
	pack->records_size += length;
}

static void add_number(struct pack *pack, const char *key, uint64_t number)
{
	char text[32];
	int length = snprintf(text, sizeof(text), "%llu", (unsigned long long)number);

	add_record(pack, "", key, text, (size_t)length);
}

static void add_time(struct pack *pack, const struct timespec *time)
{
	int64_t seconds = time->tv_sec;
	long nanoseconds = time->tv_nsec;
	char text[48];
	int length;

	if (nanoseconds == 0 && seconds >= 0 && (uint64_t)seconds <= OCTAL_11)
		return;
	if (seconds < 0 && nanoseconds > 0) { /* -0.25 is -1 and 0.75 */
		seconds++;
		nanoseconds = 1000 * 1000 * 1000 - nanoseconds;
		length = snprintf(text, sizeof(text), "-%lld.%09ld", (long long)-seconds,
				  nanoseconds);
	} else if (nanoseconds > 0) {
		length = snprintf(text, sizeof(text), "%lld.%09ld", (long long)seconds,
				  nanoseconds);
	} else {
		length = snprintf(text, sizeof(text), "%lld", (long long)seconds);
	}
	add_record(pack, "", "mtime", text, (size_t)length);
}

/* ---- extended attributes ---- */

static void add_acl(struct pack *pack, const char *key, const void *value, size_t size)
{
	char text[ACL_TEXT_MAX];
	int length = acl_to_text(text, value, size);

	if (length < 0)
		pack_leave(pack, LEFT_ATTRIBUTES);
	else
		add_record(pack, "SCHILY.acl.", key, text, (size_t)length);
}

/* As GNU tar has them: a record's key ends with its first equals sign. */
static void encode_name(char ret[ENCODED_MAX], const char *name)
{
	for (; *name; name++) {
		if (*name == '=' || *name == '%')
			ret = stpcpy(ret, *name == '=' ? "%3D" : "%25");
		else
			*ret++ = *name;
	}
	*ret = '\0';
}

static void add_attribute(struct pack *pack, const char *name, const void *value, size_t size)
{
	char encoded[ENCODED_MAX];

	if (pack->layer && strncmp(name, "user.overlay.", 13) == 0)
		return; /* of layers as they are mounted; the archive has its own form */
	if (strcmp(name, "system.posix_acl_access") == 0)
		add_acl(pack, "access", value, size);
	else if (strcmp(name, "system.posix_acl_default") == 0)
		add_acl(pack, "default", value, size);
	else if (strncmp(name, "user.", 5) == 0 || strcmp(name, "security.capability") == 0) {
		encode_name(encoded, name);
		add_record(pack, "SCHILY.xattr.", encoded, value, size);
	}
}

static ssize_t list(const struct pack_entry *entry, char *names)
{
	if (entry->fd >= 0)
		return flistxattr(entry->fd, names, ATTRIBUTE_MAX);
	return fchdir(entry->parent) < 0 ? -1 : llistxattr(entry->name, names, ATTRIBUTE_MAX);
}

static int add_attributes(struct pack *pack, const struct pack_entry *entry)
{
	ssize_t length, size;

	if (entry->fd < 0 && entry->parent < 0)
		return 0;
	length = list(entry, pack->names);
	if (length < 0)
		return errno == EOPNOTSUPP || errno == ENOENT ? 0 : pack_fail(pack, -errno);
	for (char *name = pack->names; name < pack->names + length; name += strlen(name) + 1) {
		size = entry->fd >= 0 ? fgetxattr(entry->fd, name, pack->value, ATTRIBUTE_MAX)
				      : lgetxattr(entry->name, name, pack->value, ATTRIBUTE_MAX);
		if (size >= 0)
			add_attribute(pack, name, pack->value, (size_t)size);
	}
	return 0;
}

/* ---- headers ---- */

static void put_octal(char *field, size_t size, uint64_t number)
{
	for (size_t i = size - 1; i-- > 0; number >>= 3)
		field[i] = (char)('0' + (number & 7));
}

static void put_name(char *field, size_t size, const char *text, size_t length)
{
	memcpy(field, text, MIN(size, length));
}

/* False: ustar has no room for it, neither in one nor in two parts. */
static bool put_path(struct tar_header *header, const char *path)
{
	size_t length = strlen(path);

	if (length <= sizeof(header->name)) {
		put_name(header->name, sizeof(header->name), path, length);
		return true;
	}
	for (size_t i = MIN(sizeof(header->prefix), length - 2); i > 0; i--)
		if (path[i] == '/' && length - i - 1 <= sizeof(header->name)) {
			put_name(header->prefix, sizeof(header->prefix), path, i);
			put_name(header->name, sizeof(header->name), path + i + 1, length - i - 1);
			return true;
		}
	put_name(header->name, sizeof(header->name), path, length);
	return false;
}

static int write_header(struct pack *pack, struct tar_header *header)
{
	const unsigned char *bytes = (const unsigned char *)header;
	unsigned int sum = 0;

	memcpy(header->magic, "ustar", 6);
	memcpy(header->version, "00", 2);
	memset(header->sum, ' ', sizeof(header->sum));
	for (size_t i = 0; i < sizeof(*header); i++)
		sum += bytes[i];
	put_octal(header->sum, 7, sum);
	header->sum[6] = '\0';
	return sink_write(pack->sink, header, sizeof(*header));
}

static int write_records(struct pack *pack)
{
	struct tar_header header = { .kind = 'x' };
	int r;

	if (pack->records_size == 0)
		return 0;
	put_name(header.name, sizeof(header.name), "PaxHeaders/entry", 16);
	put_octal(header.mode, sizeof(header.mode), 0644);
	put_octal(header.uid, sizeof(header.uid), 0);
	put_octal(header.gid, sizeof(header.gid), 0);
	put_octal(header.size, sizeof(header.size), pack->records_size);
	put_octal(header.mtime, sizeof(header.mtime), 0);
	r = write_header(pack, &header);
	if (r >= 0)
		r = sink_write(pack->sink, pack->records, pack->records_size);
	return r < 0 ? r : sink_zeros(pack->sink, -pack->records_size % TAR_BLOCK);
}

static uint64_t fits(uint64_t number, uint64_t max)
{
	return number <= max ? number : 0;
}

static void put_numbers(struct pack *pack, struct tar_header *header,
			const struct pack_entry *entry)
{
	const struct stat *st = entry->st;
	int64_t seconds = st->st_mtim.tv_sec;

	put_octal(header->mode, sizeof(header->mode), st->st_mode & 07777);
	put_octal(header->uid, sizeof(header->uid), fits(st->st_uid, OCTAL_7));
	put_octal(header->gid, sizeof(header->gid), fits(st->st_gid, OCTAL_7));
	put_octal(header->size, sizeof(header->size), fits(entry->size, OCTAL_11));
	put_octal(header->mtime, sizeof(header->mtime),
		  seconds < 0 ? 0 : fits((uint64_t)seconds, OCTAL_11));
	if (entry->kind == '3' || entry->kind == '4') {
		put_octal(header->major, sizeof(header->major), major(st->st_rdev));
		put_octal(header->minor, sizeof(header->minor), minor(st->st_rdev));
	}
	if (st->st_uid > OCTAL_7)
		add_number(pack, "uid", st->st_uid);
	if (st->st_gid > OCTAL_7)
		add_number(pack, "gid", st->st_gid);
	if (entry->size > OCTAL_11)
		add_number(pack, "size", entry->size);
}

static void put_names(struct pack *pack, struct tar_header *header, const struct pack_entry *entry)
{
	const char *path = *pack->path ? pack->path : "./";
	size_t length;

	if (entry->sparse) {
		put_name(header->name, sizeof(header->name), "GNUSparseFile.0/entry", 21);
		add_record(pack, "", "GNU.sparse.major", "1", 1);
		add_record(pack, "", "GNU.sparse.minor", "0", 1);
		add_record(pack, "", "GNU.sparse.name", path, strlen(path));
		add_number(pack, "GNU.sparse.realsize", entry->real);
	} else if (!put_path(header, path)) {
		add_record(pack, "", "path", path, strlen(path));
	}
	if (entry->link == NULL)
		return;
	length = strlen(entry->link);
	put_name(header->link, sizeof(header->link), entry->link, length);
	if (length > sizeof(header->link))
		add_record(pack, "", "linkpath", entry->link, length);
}

int pack_header(struct pack *pack, const struct pack_entry *entry)
{
	struct tar_header header = { .kind = entry->kind };
	int r;

	pack->records_size = 0;
	pack->records_full = false;
	put_names(pack, &header, entry);
	put_numbers(pack, &header, entry);
	add_time(pack, &entry->st->st_mtim);
	r = add_attributes(pack, entry);
	if (r < 0)
		return r;
	if (pack->records_full)
		pack_leave(pack, LEFT_ATTRIBUTES);
	r = write_records(pack);
	return r < 0 ? r : write_header(pack, &header);
}
