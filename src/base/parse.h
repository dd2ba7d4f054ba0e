/* base/parse - text to values: numbers, booleans, sizes, times, ids, signals. Pure, quiet.
 *
 * Every function returns 0 or -EINVAL (malformed) or -ERANGE (out of range), reads the whole
 * text, and writes *ret only on success. No leading blanks, signs only where said.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

int parse_bool(bool *ret, const char *text); /* 1 yes y true t on / 0 no n false f off, any case */
int parse_u32(uint32_t *ret, const char *text); /* decimal */
int parse_u64(uint64_t *ret, const char *text); /* decimal */
int parse_i32(int32_t *ret, const char *text);	/* decimal, optional sign */
int parse_id(uint32_t *ret, const char *text);	/* decimal uid or gid; not 0xFFFF, not 0xFFFFFFFF */
int parse_size(uint64_t *ret, const char *text); /* bytes; K M G T P E, base 1024, fractions */
int parse_seconds_us(uint64_t *ret, const char *text,
		     uint64_t default_unit_us);	    /* "5min 20s", "3", "infinity" */
int parse_mode(uint32_t *ret, const char *text);    /* octal, <= 07777 */
int parse_hex_digit(char c);			    /* its value */
int parse_id128(uint8_t ret[16], const char *text); /* 32 hex digits, or dashed UUID; not null */
int parse_signal(int *ret, const char *text);	    /* TERM, SIGTERM, 15, RTMIN+n, RTMAX-n */
int parse_port(uint16_t *ret, const char *text);    /* 1..65535 */

/* "SIGTERM" or "RTMIN+3" form, static text; NULL: no such signal. */
const char *parse_signal_name(int number);
