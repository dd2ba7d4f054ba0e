#include "machine/refusals.h"

#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/macros.h"
#include "base/names.h"
#include "base/parse.h"
#include "base/text.h"
#include "io/clock.h"
#include "io/fd.h"
#include "machine/record.h"

#define ENDING ".refused"
#define NAME_WORD "name"
#define LINE_US (1000000 / REFUSALS_PER_SECOND)
#define AGAIN_US 1000000 /* the same name within it is the same question */

void refusals_name(char ret[REFUSALS_ROOM], const char *machine)
{
	snprintf(ret, REFUSALS_ROOM, ".%.64s" ENDING, machine);
}

int refusals_machine(char ret[REFUSALS_ROOM], const char *name)
{
	char machine[REFUSALS_ROOM];
	size_t length = strlen(name);

	if (name[0] != '.' || length >= sizeof(machine) || !text_ends(name + 1, ENDING))
		return -EINVAL;
	length -= strlen("." ENDING);
	memcpy(machine, name + 1, length);
	machine[length] = '\0';
	if (!name_is_machine(machine))
		return -EINVAL;
	memcpy(ret, machine, length + 1);
	return 0;
}

/* ---- lines: "TIME PROTOCOL ADDRESS PORT", "TIME name NAME [ADDRESS]" ---- */

size_t refusals_print(char ret[REFUSALS_LINE_MAX], const struct refusal *refusal)
{
	char address[IP_TEXT_ROOM] = "";
	int length;

	if (refusal->address.family != 0)
		ip_text(address, &refusal->address);
	if (refusal->name[0] != '\0')
		length = snprintf(ret, REFUSALS_LINE_MAX, "%" PRIu64 " " NAME_WORD " %s%s%s\n",
				  refusal->realtime_us, refusal->name, *address ? " " : "",
				  address);
	else
		length = snprintf(ret, REFUSALS_LINE_MAX, "%" PRIu64 " %u %s %u\n",
				  refusal->realtime_us, refusal->protocol, address, refusal->port);
	return (size_t)length;
}

static int parse_number(uint32_t *ret, const char *text, uint32_t most)
{
	return parse_u32(ret, text) < 0 || *ret > most ? -EBADMSG : 0;
}

static int parse_packet(struct refusal *refusal, const struct text_list *words)
{
	uint32_t protocol, port;

	if (words->count != 4 || parse_number(&protocol, words->items[1], UINT8_MAX) < 0 ||
	    parse_number(&port, words->items[3], UINT16_MAX) < 0 ||
	    ip_parse(&refusal->address, words->items[2]) < 0)
		return -EBADMSG;
	refusal->protocol = (uint8_t)protocol;
	refusal->port = (uint16_t)port;
	return 0;
}

static int parse_name(struct refusal *refusal, const struct text_list *words)
{
	if (words->count > 4 || strlen(words->items[2]) >= sizeof(refusal->name))
		return -EBADMSG;
	if (words->count == 4 && ip_parse(&refusal->address, words->items[3]) < 0)
		return -EBADMSG;
	memcpy(refusal->name, words->items[2], strlen(words->items[2]) + 1);
	return 0;
}

int refusals_parse(struct refusal *ret, const char *line, size_t size)
{
	autoarena struct arena scratch = { 0 };
	struct text_list words = { 0 };
	struct refusal refusal = { 0 };
	int r;

	if (size >= REFUSALS_LINE_MAX || memchr(line, '\0', size) != NULL)
		return -EBADMSG;
	text_split(&scratch, &words, arena_text_n(&scratch, line, size), " ");
	if (words.count < 3 || parse_u64(&refusal.realtime_us, words.items[0]) < 0)
		return -EBADMSG;
	if (text_equal(words.items[1], NAME_WORD))
		r = parse_name(&refusal, &words);
	else
		r = parse_packet(&refusal, &words);
	if (r >= 0)
		*ret = refusal;
	return r;
}

const char *refusals_protocol(uint8_t protocol)
{
	static const struct {
		uint8_t number;
		const char *name;
	} protocols[] = {
		{ IPPROTO_TCP, "tcp" },		{ IPPROTO_UDP, "udp" },	  { IPPROTO_ICMP, "icmp" },
		{ IPPROTO_ICMPV6, "icmpv6" },	{ IPPROTO_SCTP, "sctp" }, { IPPROTO_DCCP, "dccp" },
		{ IPPROTO_UDPLITE, "udplite" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++)
		if (protocols[i].number == protocol)
			return protocols[i].name;
	return NULL;
}

/* ---- the supervisor's side ---- */

/* A later supervisor goes on with what there is. */
static int open_file(struct refusals *refusals)
{
	autoclose int directory = record_open_runtime(refusals->runtime, "machines");
	const int flags = O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
	char name[REFUSALS_ROOM];
	struct stat st;

	if (directory < 0)
		return directory;
	refusals_name(name, refusals->machine);
	if (refusals->fd >= 0 && unlinkat(directory, name, 0) < 0 && errno != ENOENT)
		return -errno;
	fd_close(&refusals->fd);
	refusals->fd = openat(directory, name, flags, 0600);
	if (refusals->fd < 0 || fstat(refusals->fd, &st) < 0)
		return -errno;
	refusals->written = (size_t)st.st_size;
	return 0;
}

/* Each line moves the time when all is free again; it may be so far ahead as a burst takes. */
static bool is_too_much(struct refusals *refusals, uint64_t now)
{
	uint64_t from = MAX(refusals->refill_us, now);

	if (from - now > (uint64_t)LINE_US * (REFUSALS_BURST - 1))
		return true;
	refusals->refill_us = from + LINE_US;
	return false;
}

static bool is_again(struct refusals *refusals, const struct refusal *refusal, uint64_t now)
{
	if (refusal->name[0] == '\0')
		return false;
	if (strcmp(refusals->last, refusal->name) == 0 &&
	    ip_equal(&refusals->last_address, &refusal->address) &&
	    now - refusals->last_us < AGAIN_US)
		return true;
	memcpy(refusals->last, refusal->name, sizeof(refusals->last));
	refusals->last_address = refusal->address;
	refusals->last_us = now;
	return false;
}

void refusals_add(struct refusals *refusals, struct refusal *refusal)
{
	uint64_t now = clock_monotonic_us();
	char line[REFUSALS_LINE_MAX];
	size_t size;

	if (is_again(refusals, refusal, now) || is_too_much(refusals, now))
		return;
	refusal->realtime_us = clock_realtime_us();
	size = refusals_print(line, refusal);
	if (refusals->fd < 0 && open_file(refusals) < 0)
		return;
	if (refusals->written + size > REFUSALS_SIZE_MAX && open_file(refusals) < 0)
		return;
	if (fd_write_all(refusals->fd, line, size) >= 0)
		refusals->written += size;
}

void refusals_done(struct refusals *refusals)
{
	fd_close(&refusals->fd);
}

/* ---- who follows ---- */

/* 1: one. 0: nothing more in this file. */
static int read_line(struct refusals_reader *reader, struct refusal *ret)
{
	char bytes[REFUSALS_LINE_MAX];

	for (;;) {
		ssize_t size = reader->fd < 0 ? 0
					      : pread(reader->fd, bytes, sizeof(bytes), reader->at);
		const char *end = size <= 0 ? NULL : memchr(bytes, '\n', (size_t)size);

		/* A line that has no end yet gets it; unless it is none. */
		if (end == NULL && size < (ssize_t)sizeof(bytes))
			return 0;
		if (end == NULL) {
			reader->at += size;
			continue;
		}
		reader->at += end + 1 - bytes;
		if (refusals_parse(ret, bytes, (size_t)(end - bytes)) >= 0)
			return 1;
	}
}

/* 1: here is a file that was not begun yet. */
static int open_next(struct refusals_reader *reader, const char *runtime, const char *machine)
{
	autoclose int directory = record_open_runtime(runtime, "machines"), fd = -EBADF;
	char name[REFUSALS_ROOM];
	struct stat old, st;

	if (directory < 0)
		return 0;
	refusals_name(name, machine);
	fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	/* As long as it is open nobody else gets its number. */
	if (reader->fd >= 0 && fstat(reader->fd, &old) == 0 && old.st_dev == st.st_dev &&
	    old.st_ino == st.st_ino)
		return 0;
	fd_close(&reader->fd);
	reader->fd = take_fd(&fd);
	reader->at = 0;
	return 1;
}

int refusals_read(struct refusals_reader *reader, struct refusal *ret, const char *runtime,
		  const char *machine)
{
	do {
		if (read_line(reader, ret) > 0)
			return 1;
	} while (open_next(reader, runtime, machine) > 0);
	return 0;
}

void refusals_skip(struct refusals_reader *reader, const char *runtime, const char *machine)
{
	struct stat st;

	(void)open_next(reader, runtime, machine);
	if (reader->fd >= 0 && fstat(reader->fd, &st) == 0)
		reader->at = st.st_size;
}

void refusals_reader_done(struct refusals_reader *reader)
{
	fd_close(&reader->fd);
	*reader = (struct refusals_reader)REFUSALS_READER_EMPTY;
}
