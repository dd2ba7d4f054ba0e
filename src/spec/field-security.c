/* Capabilities, system calls, address families, and what the kernel weighs a process by
 * (reference, sections 2.5 and 10). Source of the capability numbers: linux/capability.h. */
#include "spec/field.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/personality.h>

#include "base/arena.h"
#include "base/parse.h"
#include "base/text.h"

#define CAPABILITY_MAX 62

/* In the kernel's order: the index is the number. */
const char *const field_capability_words[] = { "CAP_CHOWN",
					       "CAP_DAC_OVERRIDE",
					       "CAP_DAC_READ_SEARCH",
					       "CAP_FOWNER",
					       "CAP_FSETID",
					       "CAP_KILL",
					       "CAP_SETGID",
					       "CAP_SETUID",
					       "CAP_SETPCAP",
					       "CAP_LINUX_IMMUTABLE",
					       "CAP_NET_BIND_SERVICE",
					       "CAP_NET_BROADCAST",
					       "CAP_NET_ADMIN",
					       "CAP_NET_RAW",
					       "CAP_IPC_LOCK",
					       "CAP_IPC_OWNER",
					       "CAP_SYS_MODULE",
					       "CAP_SYS_RAWIO",
					       "CAP_SYS_CHROOT",
					       "CAP_SYS_PTRACE",
					       "CAP_SYS_PACCT",
					       "CAP_SYS_ADMIN",
					       "CAP_SYS_BOOT",
					       "CAP_SYS_NICE",
					       "CAP_SYS_RESOURCE",
					       "CAP_SYS_TIME",
					       "CAP_SYS_TTY_CONFIG",
					       "CAP_MKNOD",
					       "CAP_LEASE",
					       "CAP_AUDIT_WRITE",
					       "CAP_AUDIT_CONTROL",
					       "CAP_SETFCAP",
					       "CAP_MAC_OVERRIDE",
					       "CAP_MAC_ADMIN",
					       "CAP_SYSLOG",
					       "CAP_WAKE_ALARM",
					       "CAP_BLOCK_SUSPEND",
					       "CAP_AUDIT_READ",
					       "CAP_PERFMON",
					       "CAP_BPF",
					       "CAP_CHECKPOINT_RESTORE",
					       NULL };

const char *const field_address_family_words[] = {
	"AF_ALG",     "AF_APPLETALK", "AF_ATMPVC", "AF_ATMSVC",	 "AF_AX25",	"AF_BLUETOOTH",
	"AF_BRIDGE",  "AF_CAIF",      "AF_CAN",	   "AF_DECnet",	 "AF_IB",	"AF_IEEE802154",
	"AF_INET",    "AF_INET6",     "AF_IPX",	   "AF_IRDA",	 "AF_ISDN",	"AF_IUCV",
	"AF_KCM",     "AF_KEY",	      "AF_LLC",	   "AF_LOCAL",	 "AF_MPLS",	"AF_NETBEUI",
	"AF_NETLINK", "AF_NETROM",    "AF_NFC",	   "AF_PACKET",	 "AF_PHONET",	"AF_PPPOX",
	"AF_QIPCRTR", "AF_RDS",	      "AF_ROSE",   "AF_RXRPC",	 "AF_SECURITY", "AF_SMC",
	"AF_TIPC",    "AF_UNIX",      "AF_VSOCK",  "AF_WANPIPE", "AF_X25",	"AF_XDP",
	NULL
};

const char *const field_personality_words[] = { "x86",	"x86-64", "arm",    "arm64",
						"ppc",	"ppc64",  "ppc-le", "ppc64-le",
						"s390", "s390x",  NULL };

static int capability_number(const char *name)
{
	uint32_t number;

	if (parse_u32(&number, name) == 0)
		return number <= CAPABILITY_MAX ? (int)number : -ERANGE;
	for (int i = 0; field_capability_words[i]; i++) {
		const char *word = field_capability_words[i];

		if (strcasecmp(word, name) == 0 || strcasecmp(word + strlen("CAP_"), name) == 0)
			return i;
	}
	return -EINVAL;
}

/* A comma separated list on the command line, a blank separated one in a file; both are read
 * everywhere. */
static int read_capabilities(struct setting_reader *reader, uint64_t *ret, const char *value,
			     bool allow_all)
{
	struct text_list names = { 0 };
	uint64_t set = 0;

	text_split(reader->arena, &names, value, ", \t\n");
	for (size_t i = 0; i < names.count; i++) {
		int number;

		if (strcasecmp(names.items[i], "all") == 0) {
			if (!allow_all)
				return field_refuse(reader, "'all' cannot be ambient");
			set = SPEC_CAPABILITY_ALL;
			continue;
		}
		number = capability_number(names.items[i]);
		if (number < 0)
			return field_refuse(reader,
					    arena_format(reader->arena, "'%s' is no capability",
							 names.items[i]));
		set |= UINT64_C(1) << number;
	}
	*ret = set;
	return 0;
}

int field_capabilities(struct setting_reader *reader, const char *value)
{
	uint64_t set;
	int r = read_capabilities(reader, &set, value, true);

	if (r == 0)
		*(uint64_t *)field_of(reader) |= set;
	return r;
}

int field_ambient(struct setting_reader *reader, const char *value)
{
	uint64_t set;
	int r = read_capabilities(reader, &set, value, false);

	if (r == 0)
		*(uint64_t *)field_of(reader) |= set;
	return r;
}

static bool is_system_call(const char *name)
{
	if (name[0] == '@')
		name++;
	if (!name[0] || strlen(name) > 64)
		return false;
	for (; *name; name++)
		if (!islower((unsigned char)*name) && !isdigit((unsigned char)*name) &&
		    *name != '_' && *name != '-')
			return false;
	return true;
}

int field_system_calls(struct setting_reader *reader, const char *value)
{
	const char *denied = text_after(value, "~");
	struct spec *spec = reader->spec;
	struct text_list *list = denied ? &spec->syscall_deny : &spec->syscall_allow;
	struct text_list names = { 0 };

	text_split(reader->arena, &names, denied ? denied : value, " \t\n");
	for (size_t i = 0; i < names.count; i++)
		if (!is_system_call(names.items[i]))
			return field_refuse(
				reader, arena_format(reader->arena,
						     "'%s' is neither a system call nor a @group",
						     names.items[i]));
	for (size_t i = 0; i < names.count; i++)
		text_list_add(reader->arena, list, names.items[i]);
	return 0;
}

static bool is_address_family(const char *name)
{
	for (size_t i = 0; field_address_family_words[i]; i++)
		if (text_equal(field_address_family_words[i], name))
			return true;
	return false;
}

/* "" lifts the filter, "none" lets no family pass, "~" names the ones that are blocked. */
int field_address_families(struct setting_reader *reader, const char *value)
{
	struct spec *spec = reader->spec;
	const char *denied = text_after(value, "~");
	struct text_list names = { 0 };

	if (text_empty(value) || text_equal(value, "none")) {
		spec->address_families_set = !text_empty(value);
		spec->address_families_deny = false;
		text_list_clear(&spec->address_families);
		return 0;
	}
	text_split(reader->arena, &names, denied ? denied : value, " \t\n");
	for (size_t i = 0; i < names.count; i++)
		if (!is_address_family(names.items[i]))
			return field_refuse(reader,
					    arena_format(reader->arena, "'%s' is no address family",
							 names.items[i]));
	if (spec->address_families.count > 0 && spec->address_families_deny != (denied != NULL))
		return field_refuse(reader, "allowed and blocked families cannot be mixed");
	spec->address_families_set = true;
	spec->address_families_deny = denied != NULL;
	for (size_t i = 0; i < names.count; i++)
		if (!text_list_has(&spec->address_families, names.items[i]))
			text_list_add(reader->arena, &spec->address_families, names.items[i]);
	return 0;
}

/* It becomes a mount option in quotes, so nothing may end them. */
int field_label(struct setting_reader *reader, const char *value)
{
	for (const char *c = value; *c; c++)
		if (*c == '"' || *c == '\\' || iscntrl((unsigned char)*c) ||
		    isspace((unsigned char)*c))
			return field_refuse(reader, "not a security label");
	return field_text(reader, value);
}

int field_oom_score(struct setting_reader *reader, const char *value)
{
	int32_t score;

	if (parse_i32(&score, value) < 0 || score < -1000 || score > 1000)
		return field_refuse(reader, "not a number from -1000 to 1000");
	reader->spec->oom_score = score;
	reader->spec->oom_score_set = true;
	return 0;
}

static int read_cpu_range(struct setting_reader *reader, uint8_t *set, const char *text)
{
	const char *dash = strchr(text, '-');
	uint32_t first, last;

	if (parse_u32(&first, arena_text_n(reader->arena, text,
					   dash ? (size_t)(dash - text) : strlen(text))) < 0)
		return field_refuse(reader, "not a list of CPU numbers and ranges");
	last = first;
	if (dash && parse_u32(&last, dash + 1) < 0)
		return field_refuse(reader, "not a list of CPU numbers and ranges");
	if (first > last)
		return field_refuse(reader, "a range of CPUs ends before it begins");
	if (last >= SPEC_CPU_MAX)
		return field_refuse(reader, "a CPU number is too large");
	for (uint32_t cpu = first; cpu <= last; cpu++)
		set[cpu / 8] |= (uint8_t)(1 << cpu % 8);
	return 0;
}

/* Lines of a file add up, options replace each other. */
int field_cpu_affinity(struct setting_reader *reader, const char *value)
{
	struct spec *spec = reader->spec;
	struct text_list ranges = { 0 };
	uint8_t set[SPEC_CPU_MAX / 8] = { 0 };

	text_split(reader->arena, &ranges, value, ", \t");
	if (ranges.count == 0 && reader->origin != BY_FILE)
		return field_refuse(reader, "no CPU is named");
	if (ranges.count > 0 && reader->origin == BY_FILE)
		memcpy(set, spec->cpu_affinity, sizeof(set));
	for (size_t i = 0; i < ranges.count; i++) {
		int r = read_cpu_range(reader, set, ranges.items[i]);

		if (r < 0)
			return r;
	}
	memcpy(spec->cpu_affinity, set, sizeof(set));
	spec->cpu_affinity_set = ranges.count > 0;
	return 0;
}

/* Every pair of architectures is told apart by the one bit that uname() looks at. */
int field_personality(struct setting_reader *reader, const char *value)
{
	for (unsigned i = 0; field_personality_words[i]; i++) {
		if (!text_equal(field_personality_words[i], value))
			continue;
		reader->spec->personality = i % 2 == 0 ? PER_LINUX32 : PER_LINUX;
		reader->spec->personality_set = true;
		return 0;
	}
	return field_refuse(reader, "this architecture is not known");
}

char *field_print_capabilities(struct arena *arena, const struct setting *row,
			       const struct spec *spec)
{
	uint64_t set = *(const uint64_t *)field_in(row, spec);
	struct text_list names = { 0 };

	if (set == SPEC_CAPABILITY_ALL)
		return arena_text(arena, "all");
	for (int i = 0; i <= CAPABILITY_MAX && set >> i; i++) {
		if (!(set >> i & 1))
			continue;
		text_list_add(arena, &names,
			      i < (int)ARRAY_SIZE(field_capability_words) - 1
				      ? arena_text(arena, field_capability_words[i])
				      : arena_format(arena, "%d", i));
	}
	return field_join(arena, &names, ",");
}

char *field_print_system_calls(struct arena *arena, const struct setting *row,
			       const struct spec *spec)
{
	char *allow = field_join(arena, &spec->syscall_allow, " ");
	char *deny = field_join(arena, &spec->syscall_deny, " ");

	(void)row;
	if (allow && deny)
		return arena_format(arena, "%s\n~%s", allow, deny);
	return deny ? arena_format(arena, "~%s", deny) : allow;
}

char *field_print_address_families(struct arena *arena, const struct setting *row,
				   const struct spec *spec)
{
	char *names = field_join(arena, &spec->address_families, " ");

	(void)row;
	if (!spec->address_families_set)
		return NULL;
	if (!names)
		return arena_text(arena, "none");
	return spec->address_families_deny ? arena_format(arena, "~%s", names) : names;
}

char *field_print_oom_score(struct arena *arena, const struct setting *row, const struct spec *spec)
{
	(void)row;
	return spec->oom_score_set ? arena_format(arena, "%d", spec->oom_score) : NULL;
}

static bool has_cpu(const struct spec *spec, unsigned cpu)
{
	return cpu < SPEC_CPU_MAX && spec->cpu_affinity[cpu / 8] >> cpu % 8 & 1;
}

char *field_print_cpu_affinity(struct arena *arena, const struct setting *row,
			       const struct spec *spec)
{
	struct text_list ranges = { 0 };

	(void)row;
	if (!spec->cpu_affinity_set)
		return NULL;
	for (unsigned first = 0, end; first < SPEC_CPU_MAX; first = end) {
		for (end = first; has_cpu(spec, end); end++)
			;
		if (end == first)
			end++;
		else
			text_list_add(arena, &ranges,
				      end == first + 1
					      ? arena_format(arena, "%u", first)
					      : arena_format(arena, "%u-%u", first, end - 1));
	}
	return field_join(arena, &ranges, ",");
}

char *field_print_arch(struct arena *arena, const struct setting *row, const struct spec *spec)
{
	(void)row;
	if (!spec->personality_set)
		return NULL;
	return arena_text(arena, field_personality_words[spec->personality == PER_LINUX32 ? 0 : 1]);
}
