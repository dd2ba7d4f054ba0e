/* Resource limits: --rlimit=NAME=VALUE and the Limit…= keys. */
#include "spec/field.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/arena.h"
#include "base/parse.h"
#include "base/text.h"

/* By the number of the resource. */
const char *const field_limit_words[] = {
	[RLIMIT_CPU] = "CPU",		[RLIMIT_FSIZE] = "FSIZE",
	[RLIMIT_DATA] = "DATA",		[RLIMIT_STACK] = "STACK",
	[RLIMIT_CORE] = "CORE",		[RLIMIT_RSS] = "RSS",
	[RLIMIT_NPROC] = "NPROC",	[RLIMIT_NOFILE] = "NOFILE",
	[RLIMIT_MEMLOCK] = "MEMLOCK",	[RLIMIT_AS] = "AS",
	[RLIMIT_LOCKS] = "LOCKS",	[RLIMIT_SIGPENDING] = "SIGPENDING",
	[RLIMIT_MSGQUEUE] = "MSGQUEUE", [RLIMIT_NICE] = "NICE",
	[RLIMIT_RTPRIO] = "RTPRIO",	[RLIMIT_RTTIME] = "RTTIME",
	[RLIM_NLIMITS] = NULL,
};

/* "+5" and "-5" are nice values; a bare number is the kernel's own count, 20 minus the nice
 * value. */
static int parse_nice(rlim_t *ret, const char *text)
{
	uint32_t raw;
	int32_t nice;

	if (text[0] == '+' || text[0] == '-') {
		if (parse_i32(&nice, text) < 0)
			return -EINVAL;
		if (nice < -20 || nice > 19)
			return -ERANGE;
		*ret = (rlim_t)(20 - nice);
		return 0;
	}
	if (parse_u32(&raw, text) < 0)
		return -EINVAL;
	if (raw > 40)
		return -ERANGE;
	*ret = raw;
	return 0;
}

static int parse_limit_value(rlim_t *ret, int resource, const char *text)
{
	uint64_t number;
	int r;

	if (text_equal(text, "infinity")) {
		*ret = RLIM_INFINITY;
		return 0;
	}
	switch (resource) {
	case RLIMIT_NICE: return parse_nice(ret, text);
	case RLIMIT_CPU:
		r = parse_seconds_us(&number, text, 1000000);
		if (r == 0)
			number = number / 1000000 + (number % 1000000 != 0);
		break;
	case RLIMIT_RTTIME: r = parse_seconds_us(&number, text, 1); break;
	case RLIMIT_NOFILE:
	case RLIMIT_NPROC:
	case RLIMIT_LOCKS:
	case RLIMIT_SIGPENDING:
	case RLIMIT_RTPRIO: r = parse_u64(&number, text); break;
	default: r = parse_size(&number, text); break;
	}
	if (r < 0)
		return r;
	if (number >= RLIM_INFINITY)
		return -ERANGE;
	*ret = number;
	return 0;
}

static int read_limit(struct setting_reader *reader, int resource, const char *value)
{
	const char *colon = strchr(value, ':');
	struct rlimit limit;
	int r;

	r = parse_limit_value(&limit.rlim_cur, resource,
			      arena_text_n(reader->arena, value,
					   colon ? (size_t)(colon - value) : strlen(value)));
	if (r < 0)
		return r;
	limit.rlim_max = limit.rlim_cur;
	if (colon) {
		r = parse_limit_value(&limit.rlim_max, resource, colon + 1);
		if (r < 0)
			return r;
	}
	if (limit.rlim_cur > limit.rlim_max)
		return field_refuse(reader, "the soft limit is above the hard limit");
	reader->spec->limits[resource].value = limit;
	reader->spec->limits[resource].set = true;
	return 0;
}

int field_limit(struct setting_reader *reader, const char *value)
{
	return read_limit(reader, reader->row->constant, value);
}

/* Each limit is a group of its own, so this row claims the one that it was about. */
int field_rlimit(struct setting_reader *reader, const char *value)
{
	const char *equals = strchr(value, '='), *name, *rest;

	if (!equals)
		return field_refuse(reader, "no '=' is between the limit and its value");
	name = arena_text_n(reader->arena, value, (size_t)(equals - value));
	rest = text_after_loose(name, "RLIMIT_");
	if (rest != NULL)
		name = rest;
	for (int resource = 0; resource < RLIM_NLIMITS; resource++) {
		int r;

		if (strcasecmp(field_limit_words[resource], name) != 0)
			continue;
		r = read_limit(reader, resource, equals + 1);
		if (r == 0)
			reader->spec->group_origin[GROUP_RLIMIT_FIRST + resource] = reader->origin;
		return r;
	}
	return field_refuse(reader, "this limit is not known");
}

static const char *print_value(struct arena *arena, rlim_t value)
{
	return value == RLIM_INFINITY ? "infinity"
				      : arena_format(arena, "%llu", (unsigned long long)value);
}

static char *print_limit(struct arena *arena, const struct spec *spec, int resource)
{
	const struct limit *limit = &spec->limits[resource];

	if (!limit->set)
		return NULL;
	return arena_format(arena, "%s:%s", print_value(arena, limit->value.rlim_cur),
			    print_value(arena, limit->value.rlim_max));
}

char *field_print_limit(struct arena *arena, const struct setting *row, const struct spec *spec)
{
	return print_limit(arena, spec, row->constant);
}

char *field_print_rlimits(struct arena *arena, const struct setting *row, const struct spec *spec)
{
	struct text_list lines = { 0 };

	(void)row;
	for (int resource = 0; resource < RLIM_NLIMITS; resource++) {
		char *value = print_limit(arena, spec, resource);

		if (value)
			text_list_add(arena, &lines,
				      arena_format(arena, "%s=%s", field_limit_words[resource],
						   value));
	}
	return field_join(arena, &lines, "\n");
}
