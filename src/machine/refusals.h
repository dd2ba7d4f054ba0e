/* machine/refusals - what a restricted machine was refused, beside its record.
 *
 * ".NAME.refused" in the records' directory: a line for each packet, and for each name. Its
 * supervisor writes it, some lines a second at most; in place of a file that is full there is a
 * fresh one, and who follows reads the old one to its end first. The record's removal takes it
 * along. What was refused is the guest's word. Quiet; who writes allocates nothing.
 */
#pragma once
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "format/ip.h"

#define REFUSALS_ROOM 80 /* of the file's name */
#define REFUSALS_SIZE_MAX (64 * 1024)
#define REFUSALS_PER_SECOND 20 /* after a burst: what is beyond is not written */
#define REFUSALS_BURST 100
#define REFUSALS_NAME_ROOM 1024 /* as of format/dns-name */
#define REFUSALS_LINE_MAX 1200

struct refusal {
	uint64_t realtime_us;
	char name[REFUSALS_NAME_ROOM]; /* that was asked for; "": it is a packet */
	uint8_t protocol;	       /* of a packet: IPPROTO_* */
	struct ip address; /* a packet's goal; what the name leads to; none: not asked */
	uint16_t port;	   /* of a packet; 0: the protocol has none */
};

/* ---- pure ---- */

/* ".NAME.refused" */
void refusals_name(char ret[REFUSALS_ROOM], const char *machine);

/* The machine of such a name into RET; -EINVAL: it is another file. */
int refusals_machine(char ret[REFUSALS_ROOM], const char *name);

/* One line with its end; its length. */
size_t refusals_print(char ret[REFUSALS_LINE_MAX], const struct refusal *refusal);

/* A line without its end. -EBADMSG. */
int refusals_parse(struct refusal *ret, const char *line, size_t size);

/* "tcp"; NULL: one that is known by its number only. */
const char *refusals_protocol(uint8_t protocol);

/* ---- the supervisor's side ---- */

struct refusals {
	const char *runtime, *machine; /* borrowed */
	int fd;
	size_t written;	    /* in this file */
	uint64_t refill_us; /* when the next line is free, in monotonic time */
	/* The last name: resolvers ask for it in both families, and again. */
	char last[REFUSALS_NAME_ROOM];
	struct ip last_address;
	uint64_t last_us;
};

#define REFUSALS_EMPTY        \
	{                     \
		.fd = -EBADF, \
	}

/* With the time of now. What cannot be written is lost. */
void refusals_add(struct refusals *refusals, struct refusal *refusal);
void refusals_done(struct refusals *refusals); /* accepts the empty one; the file stays */

/* ---- who follows ---- */

struct refusals_reader {
	int fd;
	off_t at;
};

#define REFUSALS_READER_EMPTY \
	{                     \
		.fd = -EBADF, \
	}

/* 1: the next one. 0: no more, for now. */
int refusals_read(struct refusals_reader *reader, struct refusal *ret, const char *runtime,
		  const char *machine);

/* Leave out what is there. */
void refusals_skip(struct refusals_reader *reader, const char *runtime, const char *machine);
void refusals_reader_done(struct refusals_reader *reader);
