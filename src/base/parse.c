#include "base/parse.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "base/macros.h"

int parse_bool(bool *ret, const char *text)
{
	static const char *const words[][2] = {
		{ "0", "1" },	     { "no", "yes" }, { "n", "y" },
		{ "false", "true" }, { "f", "t" },    { "off", "on" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		for (int value = 0; value < 2; value++)
			if (strcasecmp(text, words[i][value]) == 0) {
				*ret = value;
				return 0;
			}
	return -EINVAL;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Digits at *text in BASE; at least one. *text moves behind the last. */
static int read_number(uint64_t *ret, const char **text, unsigned int base)
{
	const char *at = *text;
	uint64_t value = 0;
	bool wrapped = false;

	if (!is_digit(*at))
		return -EINVAL;
	while (*at == '0') /* a record has many: its numbers can be written over */
		at++;
	for (; is_digit(*at); at++) {
		unsigned int digit = (unsigned int)(*at - '0');

		if (digit >= base)
			return -EINVAL;
		wrapped |= __builtin_mul_overflow(value, base, &value);
		wrapped |= __builtin_add_overflow(value, digit, &value);
	}
	if (wrapped)
		return -ERANGE;
	*text = at;
	*ret = value;
	return 0;
}

/* The whole text must be digits even when the number is too large: "99…9x" is malformed. */
static int read_whole(uint64_t *ret, const char *text, unsigned int base, uint64_t most)
{
	uint64_t value;
	int r;

	if (text[0] == '\0' || text[strspn(text, "0123456789")] != '\0')
		return -EINVAL;
	r = read_number(&value, &text, base);
	if (r < 0)
		return r;
	if (value > most)
		return -ERANGE;
	*ret = value;
	return 0;
}

int parse_u64(uint64_t *ret, const char *text)
{
	return read_whole(ret, text, 10, UINT64_MAX);
}

int parse_u32(uint32_t *ret, const char *text)
{
	uint64_t value;
	int r;

	r = read_whole(&value, text, 10, UINT32_MAX);
	if (r < 0)
		return r;
	*ret = (uint32_t)value;
	return 0;
}

int parse_i32(int32_t *ret, const char *text)
{
	bool negative = text[0] == '-';
	uint64_t value;
	int r;

	if (text[0] == '-' || text[0] == '+')
		text++;
	r = read_whole(&value, text, 10, negative ? UINT64_C(1) << 31 : INT32_MAX);
	if (r < 0)
		return r;
	*ret = (int32_t)(negative ? -(int64_t)value : (int64_t)value);
	return 0;
}

int parse_id(uint32_t *ret, const char *text)
{
	uint32_t value;
	int r;

	/* "010" is 8 to some tools and 10 to others: an identity must not depend on the reader. */
	if (text[0] == '0' && text[1] != '\0')
		return -EINVAL;
	r = parse_u32(&value, text);
	if (r < 0)
		return r;
	/* (uid_t)-1 means "leave it" to the kernel, and 0xFFFF did when ids had 16 bits. */
	if (value == UINT32_MAX || value == UINT16_MAX)
		return -ERANGE;
	*ret = value;
	return 0;
}

/* "DIGITS[.DIGITS]" times UNIT is only known after the unit was read: keep the fraction as text. */
struct decimal {
	uint64_t whole;
	const char *fraction; /* its digits, or NULL */
};

static int read_decimal(struct decimal *ret, const char **text)
{
	const char *at = *text;
	struct decimal number = {};
	int r;

	r = read_number(&number.whole, &at, 10);
	if (r < 0)
		return r;
	if (*at == '.') {
		number.fraction = ++at;
		if (!is_digit(*at))
			return -EINVAL;
		at += strspn(at, "0123456789");
	}
	*text = at;
	*ret = number;
	return 0;
}

static int scale(uint64_t *ret, const struct decimal *number, uint64_t unit)
{
	uint64_t value, numerator = 0, denominator = 1;

	/* Nine digits keep the product below within 64 bits; no unit needs more. */
	for (const char *at = number->fraction; at != NULL && is_digit(*at); at++) {
		if (denominator == 1000000000)
			break;
		numerator = numerator * 10 + (uint64_t)(*at - '0');
		denominator *= 10;
	}
	if (__builtin_mul_overflow(number->whole, unit, &value))
		return -ERANGE;
	if (__builtin_add_overflow(value, unit / denominator * numerator, &value) ||
	    __builtin_add_overflow(value, unit % denominator * numerator / denominator, &value))
		return -ERANGE;
	*ret = value;
	return 0;
}

int parse_size(uint64_t *ret, const char *text)
{
	static const char suffixes[] = "BKMGTPE";
	struct decimal number;
	const char *suffix = suffixes;
	int r;

	r = read_decimal(&number, &text);
	if (r < 0)
		return r;
	if (*text != '\0') {
		suffix = strchr(suffixes, *text);
		if (suffix == NULL || text[1] != '\0')
			return -EINVAL;
	}
	return scale(ret, &number, UINT64_C(1) << (10 * (suffix - suffixes)));
}

static int find_time_unit(uint64_t *ret, const char *text, size_t length)
{
	static const struct {
		const char *name;
		uint64_t us;
	} units[] = {
		{ "us", 1 },
		{ "usec", 1 },
		{ "µs", 1 },
		{ "μs", 1 },
		{ "ms", 1000 },
		{ "msec", 1000 },
		{ "s", 1000000 },
		{ "sec", 1000000 },
		{ "second", 1000000 },
		{ "seconds", 1000000 },
		{ "m", 60000000 },
		{ "min", 60000000 },
		{ "minute", 60000000 },
		{ "minutes", 60000000 },
		{ "h", 3600000000 },
		{ "hr", 3600000000 },
		{ "hour", 3600000000 },
		{ "hours", 3600000000 },
		{ "d", 86400000000 },
		{ "day", 86400000000 },
		{ "days", 86400000000 },
		{ "w", 604800000000 },
		{ "week", 604800000000 },
		{ "weeks", 604800000000 },
		{ "M", 2629800000000 },
		{ "month", 2629800000000 },
		{ "months", 2629800000000 },
		{ "y", 31557600000000 },
		{ "year", 31557600000000 },
		{ "years", 31557600000000 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (strlen(units[i].name) == length && memcmp(units[i].name, text, length) == 0) {
			*ret = units[i].us;
			return 0;
		}
	return -EINVAL;
}

int parse_seconds_us(uint64_t *ret, const char *text, uint64_t default_unit_us)
{
	uint64_t sum = 0;

	if (strcmp(text, "infinity") == 0) {
		*ret = UINT64_MAX;
		return 0;
	}
	do {
		uint64_t unit = default_unit_us, part;
		struct decimal number;
		size_t length;
		int r;

		r = read_decimal(&number, &text);
		if (r < 0)
			return r;
		text += strspn(text, " ");
		length = strcspn(text, "0123456789. ");
		if (length > 0) {
			r = find_time_unit(&unit, text, length);
			if (r < 0)
				return r;
			text += length;
		}
		text += strspn(text, " ");
		r = scale(&part, &number, unit);
		if (r < 0)
			return r;
		if (__builtin_add_overflow(sum, part, &sum))
			return -ERANGE;
	} while (*text != '\0');
	*ret = sum;
	return 0;
}

int parse_mode(uint32_t *ret, const char *text)
{
	uint64_t value;
	int r;

	r = read_whole(&value, text, 8, 07777);
	if (r < 0)
		return r;
	*ret = (uint32_t)value;
	return 0;
}

int parse_hex_digit(char c)
{
	if (is_digit(c))
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -EINVAL;
}

int parse_id128(uint8_t ret[16], const char *text)
{
	bool dashed = strlen(text) == 36;
	uint8_t id[16], all = 0;

	if (!dashed && strlen(text) != 32)
		return -EINVAL;
	for (size_t i = 0; i < 16; i++) {
		int high, low;

		if (dashed && (i == 4 || i == 6 || i == 8 || i == 10) && *text++ != '-')
			return -EINVAL;
		high = parse_hex_digit(text[0]);
		low = high < 0 ? -EINVAL : parse_hex_digit(text[1]);
		if (low < 0)
			return -EINVAL;
		id[i] = (uint8_t)(high << 4 | low);
		all |= id[i];
		text += 2;
	}
	if (all == 0)
		return -EINVAL;
	memcpy(ret, id, sizeof(id));
	return 0;
}

static const struct {
	const char *name;
	int number;
} signals[] = {
	{ "SIGHUP", SIGHUP },	    { "SIGINT", SIGINT },	{ "SIGQUIT", SIGQUIT },
	{ "SIGILL", SIGILL },	    { "SIGTRAP", SIGTRAP },	{ "SIGABRT", SIGABRT },
	{ "SIGBUS", SIGBUS },	    { "SIGFPE", SIGFPE },	{ "SIGKILL", SIGKILL },
	{ "SIGUSR1", SIGUSR1 },	    { "SIGSEGV", SIGSEGV },	{ "SIGUSR2", SIGUSR2 },
	{ "SIGPIPE", SIGPIPE },	    { "SIGALRM", SIGALRM },	{ "SIGTERM", SIGTERM },
	{ "SIGSTKFLT", SIGSTKFLT }, { "SIGCHLD", SIGCHLD },	{ "SIGCONT", SIGCONT },
	{ "SIGSTOP", SIGSTOP },	    { "SIGTSTP", SIGTSTP },	{ "SIGTTIN", SIGTTIN },
	{ "SIGTTOU", SIGTTOU },	    { "SIGURG", SIGURG },	{ "SIGXCPU", SIGXCPU },
	{ "SIGXFSZ", SIGXFSZ },	    { "SIGVTALRM", SIGVTALRM }, { "SIGPROF", SIGPROF },
	{ "SIGWINCH", SIGWINCH },   { "SIGIO", SIGIO },		{ "SIGPWR", SIGPWR },
	{ "SIGSYS", SIGSYS },
};

static int read_real_time(int *ret, const char *name)
{
	const bool from_end = strncmp(name, "RTMAX", 5) == 0;
	uint32_t offset = 0;
	int r;

	if (!from_end && strncmp(name, "RTMIN", 5) != 0)
		return -EINVAL;
	name += 5;
	if (*name != '\0') {
		if (*name != (from_end ? '-' : '+'))
			return -EINVAL;
		r = parse_u32(&offset, name + 1);
		if (r < 0)
			return r;
	}
	if (offset > (uint32_t)(SIGRTMAX - SIGRTMIN))
		return -ERANGE;
	*ret = from_end ? SIGRTMAX - (int)offset : SIGRTMIN + (int)offset;
	return 0;
}

int parse_signal(int *ret, const char *text)
{
	const char *name = strncmp(text, "SIG", 3) == 0 ? text + 3 : text;
	uint64_t number;
	int r;

	if (is_digit(text[0])) {
		r = read_whole(&number, text, 10, (uint64_t)SIGRTMAX);
		if (r < 0)
			return r;
		if (number == 0)
			return -ERANGE;
		*ret = (int)number;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		if (strcmp(signals[i].name + 3, name) == 0) {
			*ret = signals[i].number;
			return 0;
		}
	return read_real_time(ret, name);
}

int parse_port(uint16_t *ret, const char *text)
{
	uint64_t value;
	int r;

	r = read_whole(&value, text, 10, UINT16_MAX);
	if (r < 0)
		return r;
	if (value == 0)
		return -ERANGE;
	*ret = (uint16_t)value;
	return 0;
}

const char *parse_signal_name(int number)
{
	static const char *const real_time[] = {
		"RTMIN",    "RTMIN+1",	"RTMIN+2",  "RTMIN+3",	"RTMIN+4",  "RTMIN+5",	"RTMIN+6",
		"RTMIN+7",  "RTMIN+8",	"RTMIN+9",  "RTMIN+10", "RTMIN+11", "RTMIN+12", "RTMIN+13",
		"RTMIN+14", "RTMIN+15", "RTMIN+16", "RTMIN+17", "RTMIN+18", "RTMIN+19", "RTMIN+20",
		"RTMIN+21", "RTMIN+22", "RTMIN+23", "RTMIN+24", "RTMIN+25", "RTMIN+26", "RTMIN+27",
		"RTMIN+28", "RTMIN+29", "RTMIN+30",
	};

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		if (signals[i].number == number)
			return signals[i].name;
	if (number < SIGRTMIN)
		return NULL;
	number -= SIGRTMIN;
	return number >= (int)ARRAY_SIZE(real_time) ? NULL : real_time[number];
}
