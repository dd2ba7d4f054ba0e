#include "format/property.h"

#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/macros.h"
#include "base/parse.h"
#include "base/text.h"

#define US_PER_SECOND 1000000
#define WEIGHT_MAX 10000

static const struct {
	const char *name;
	enum property_kind kind;
} table[] = {
	{ "MemoryMin", PROPERTY_MEMORY },
	{ "MemoryLow", PROPERTY_MEMORY },
	{ "MemoryHigh", PROPERTY_MEMORY },
	{ "MemoryMax", PROPERTY_MEMORY },
	{ "MemorySwapMax", PROPERTY_MEMORY },
	{ "MemoryZSwapMax", PROPERTY_MEMORY },
	{ "TasksMax", PROPERTY_TASKS },
	{ "CPUQuota", PROPERTY_QUOTA },
	{ "CPUQuotaPeriodSec", PROPERTY_SPAN },
	{ "CPUWeight", PROPERTY_WEIGHT },
	{ "StartupCPUWeight", PROPERTY_WEIGHT },
	{ "IOWeight", PROPERTY_WEIGHT },
	{ "StartupIOWeight", PROPERTY_WEIGHT },
	{ "AllowedCPUs", PROPERTY_SET },
	{ "AllowedMemoryNodes", PROPERTY_SET },
	{ "IOReadBandwidthMax", PROPERTY_RATE },
	{ "IOWriteBandwidthMax", PROPERTY_RATE },
	{ "IOReadIOPSMax", PROPERTY_RATE },
	{ "IOWriteIOPSMax", PROPERTY_RATE },
	{ "IODeviceWeight", PROPERTY_IO_WEIGHT },
	{ "DevicePolicy", PROPERTY_WORD },
	{ "DeviceAllow", PROPERTY_DEVICE },
	{ "CPUAccounting", PROPERTY_FLAG },
	{ "MemoryAccounting", PROPERTY_FLAG },
	{ "IOAccounting", PROPERTY_FLAG },
	{ "TasksAccounting", PROPERTY_FLAG },
	{ "IPAccounting", PROPERTY_FLAG },
	{ "Delegate", PROPERTY_FLAG },
	{ "CoredumpReceive", PROPERTY_FLAG },
	{ "SendSIGHUP", PROPERTY_FLAG },
	{ "SendSIGKILL", PROPERTY_FLAG },
	{ "KillSignal", PROPERTY_SIGNAL },
	{ "KillMode", PROPERTY_WORD },
	{ "CollectMode", PROPERTY_WORD },
	{ "Description", PROPERTY_WORD },
	{ "OOMPolicy", PROPERTY_WORD },
	{ "ManagedOOMSwap", PROPERTY_WORD },
	{ "ManagedOOMMemoryPressure", PROPERTY_WORD },
	{ "TimeoutStopSec", PROPERTY_SPAN },
	{ "RuntimeMaxSec", PROPERTY_SPAN },
	{ "After", PROPERTY_UNITS },
	{ "Before", PROPERTY_UNITS },
	{ "BindsTo", PROPERTY_UNITS },
	{ "PartOf", PROPERTY_UNITS },
	{ "Requires", PROPERTY_UNITS },
	{ "Wants", PROPERTY_UNITS },
};

/* "12.34%" in hundredths of a percent. */
static int parse_percent(uint64_t *ret, const char *text, uint64_t most)
{
	uint64_t whole = 0, part = 0;
	int digits = 0, places = -1;

	for (; *text != '%'; text++) {
		if (*text == '.' && places < 0) {
			places = 0;
			continue;
		}
		if (*text < '0' || *text > '9' || places == 2 || digits++ == 12)
			return -EINVAL;
		if (places < 0)
			whole = whole * 10 + (uint64_t)(*text - '0');
		else if (places++ == 0)
			part += 10 * (uint64_t)(*text - '0');
		else
			part += (uint64_t)(*text - '0');
	}
	if (text[1] != '\0' || digits == 0 || places == 0)
		return -EINVAL;
	whole = whole * PROPERTY_PERCENT + part;
	if (whole > most)
		return -EINVAL;
	*ret = whole;
	return 0;
}

static int parse_amount(struct property *ret, const char *value)
{
	int r;

	if (text_equal(value, "infinity")) {
		ret->number = PROPERTY_INFINITY;
		return 0;
	}
	if (text_ends(value, "%")) {
		ret->relative = true;
		return parse_percent(&ret->number, value, 100 * PROPERTY_PERCENT);
	}
	r = ret->kind == PROPERTY_TASKS ? parse_u64(&ret->number, value)
					: parse_size(&ret->number, value);
	if (r < 0 || ret->number == PROPERTY_INFINITY ||
	    (ret->kind == PROPERTY_TASKS && ret->number == 0))
		return -EINVAL;
	return 0;
}

/* A hundred percent is one whole CPU. */
static int parse_quota(uint64_t *ret, const char *value)
{
	int r;

	if (!text_ends(value, "%"))
		return -EINVAL;
	r = parse_percent(ret, value, (uint64_t)PROPERTY_CPUS_MAX * 100 * PROPERTY_PERCENT);
	if (r < 0)
		return r;
	*ret *= US_PER_SECOND / 100 / PROPERTY_PERCENT;
	return *ret > 0 ? 0 : -EINVAL;
}

static int parse_weight(uint64_t *ret, const char *name, const char *value)
{
	/* Only the CPU's scheduler has a class below all weights. */
	if (text_equal(value, "idle") && text_ends(name, "CPUWeight")) {
		*ret = 0;
		return 0;
	}
	if (parse_u64(ret, value) < 0 || *ret < 1 || *ret > WEIGHT_MAX)
		return -EINVAL;
	return 0;
}

/* "3" or "3-7". */
static int parse_range(uint8_t *bits, struct arena *arena, const char *text)
{
	const char *dash = strchr(text, '-');
	uint32_t first, last;

	if (dash == NULL) {
		if (parse_u32(&first, text) < 0)
			return -EINVAL;
		last = first;
	} else if (parse_u32(&first, arena_text_n(arena, text, (size_t)(dash - text))) < 0 ||
		   parse_u32(&last, dash + 1) < 0) {
		return -EINVAL;
	}
	if (first > last || last >= PROPERTY_CPUS_MAX)
		return -EINVAL;
	for (uint32_t i = first; i <= last; i++)
		bits[i / 8] |= (uint8_t)(1 << i % 8);
	return 0;
}

static int parse_set(struct arena *arena, struct property *ret, const char *value)
{
	struct text_list ranges = { 0 };
	int r;

	ret->bits = arena_take(arena, PROPERTY_CPUS_MAX / 8);
	text_split(arena, &ranges, value, ", \t");
	for (size_t i = 0; i < ranges.count; i++) {
		r = parse_range(ret->bits, arena, ranges.items[i]);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < PROPERTY_CPUS_MAX / 8; i++)
		if (ret->bits[i] != 0)
			ret->bits_size = i + 1;
	return ranges.count > 0 ? 0 : -EINVAL;
}

/* Bandwidths count in thousands, as disks do: "2M" is 2000000. */
static int parse_rate(uint64_t *ret, const char *value)
{
	static const char suffixes[] = "KMGTP";
	char digits[24];
	size_t length = strlen(value);
	uint64_t factor = 1, number;
	const char *suffix;

	if (text_equal(value, "infinity")) {
		*ret = PROPERTY_INFINITY;
		return 0;
	}
	if (length == 0 || length >= sizeof(digits))
		return -EINVAL;
	memcpy(digits, value, length + 1);
	suffix = strchr(suffixes, digits[length - 1]);
	if (suffix != NULL) {
		for (const char *at = suffixes; at <= suffix; at++)
			factor *= 1000;
		digits[length - 1] = '\0';
	}
	if (parse_u64(&number, digits) < 0 || number == 0 ||
	    __builtin_mul_overflow(number, factor, ret) || *ret == PROPERTY_INFINITY)
		return -EINVAL;
	return 0;
}

/* "PATH WHAT"; WHAT may be missing where a device is allowed: then it may do all. */
static int parse_pair(struct arena *arena, struct property *ret, const char *value)
{
	struct text_list words = { 0 };
	const char *what;

	text_split(arena, &words, value, " \t");
	if (words.count < 1 || words.count > 2)
		return -EINVAL;
	ret->path = words.items[0];
	what = words.count == 2 ? words.items[1] : NULL;
	if (ret->kind == PROPERTY_DEVICE) {
		ret->text = what != NULL ? what : "rwm";
		if (strspn(ret->text, "rwm") != strlen(ret->text) || *ret->text == '\0')
			return -EINVAL;
		return *ret->path == '/' || text_after(ret->path, "char-") != NULL ||
				       text_after(ret->path, "block-") != NULL
			       ? 0
			       : -EINVAL;
	}
	if (what == NULL || *ret->path != '/')
		return -EINVAL;
	if (ret->kind == PROPERTY_IO_WEIGHT)
		return parse_weight(&ret->number, "", what);
	return parse_rate(&ret->number, what);
}

static int parse_value(struct arena *arena, struct property *ret, const char *value)
{
	bool flag;
	int signal, r;

	switch (ret->kind) {
	case PROPERTY_MEMORY:
	case PROPERTY_TASKS: return parse_amount(ret, value);
	case PROPERTY_QUOTA: return parse_quota(&ret->number, value);
	case PROPERTY_SPAN: return parse_seconds_us(&ret->number, value, US_PER_SECOND);
	case PROPERTY_WEIGHT: return parse_weight(&ret->number, ret->name, value);
	case PROPERTY_SET: return parse_set(arena, ret, value);
	case PROPERTY_RATE:
	case PROPERTY_IO_WEIGHT:
	case PROPERTY_DEVICE: return parse_pair(arena, ret, value);
	case PROPERTY_FLAG:
		r = parse_bool(&flag, value);
		ret->number = r >= 0 && flag;
		return r;
	case PROPERTY_SIGNAL:
		r = parse_signal(&signal, value);
		ret->number = r < 0 ? 0 : (uint64_t)signal;
		return r;
	case PROPERTY_WORD:
	case PROPERTY_UNITS: ret->text = arena_text(arena, value); return 0;
	}
	return -EINVAL;
}

int property_parse(struct arena *arena, struct property *ret, const char *text)
{
	const char *sign = strchr(text, '=');
	struct property property = { 0 };

	if (sign == NULL || sign == text || strlen(text) > PROPERTY_LENGTH_MAX)
		return -EINVAL;
	for (size_t i = 0; i < ARRAY_SIZE(table) && property.name == NULL; i++)
		if (strlen(table[i].name) == (size_t)(sign - text) &&
		    memcmp(table[i].name, text, (size_t)(sign - text)) == 0) {
			property.name = table[i].name;
			property.kind = table[i].kind;
		}
	if (property.name == NULL)
		return -ENOENT;
	if (sign[1] == '\0') {
		property.reset = true;
		property.number = PROPERTY_INFINITY;
		if (property.kind == PROPERTY_SIGNAL || property.kind == PROPERTY_FLAG)
			return -EINVAL;
	} else if (parse_value(arena, &property, sign + 1) < 0) {
		return -EINVAL;
	}
	*ret = property;
	return 0;
}
