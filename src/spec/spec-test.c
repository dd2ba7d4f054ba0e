/* A spec may be filled by code instead of options, as the reader of an OCI bundle will do. */
#include "spec/spec.h"

#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/text.h"
#include "base/unit.h"
#include "spec/readers.h"

#define BIT(number) (UINT64_C(1) << (number))

static struct arena arena;
static struct spec spec;
static const struct resolve_facts root = { .host_name = "host", .working_directory = "/" };

static void setup(void)
{
	fail_forget();
	spec_init(&spec);
}

static void mount_at(const char *destination, enum mount_kind kind)
{
	struct custom_mount *mount = list_grow(&arena, (void **)&spec.mounts.items,
					       &spec.mounts.count, sizeof(*mount));

	mount->kind = kind;
	mount->source = "/srv";
	mount->destination = destination;
	mount->words = destination;
	mount->reason = "config.json";
	mount->recursive = true;
}

START_TEST(a_spec_filled_by_code_resolves_like_one_of_options)
{
	setup();
	spec.directory = "/bundle/rootfs";
	spec.machine = "box";
	spec.hostname = "inside";
	spec.userns = USERNS_FIXED;
	spec.uid_base = 100000;
	spec.uid_range = 65536;
	spec.private_network = TRISTATE_YES;
	spec.capability_minus = BIT(21);
	spec.no_new_privileges = TRISTATE_YES;
	spec.console = CONSOLE_PIPE;
	spec.limits[RLIMIT_NOFILE] = (struct limit){ .set = true, .value = { 1024, 4096 } };
	text_list_add(&arena, &spec.parameters, arena_text(&arena, "/bin/sh"));
	text_list_add(&arena, &spec.environment, arena_text(&arena, "A=1"));
	mount_at("/data/deep", MOUNT_BIND);
	mount_at("/data", MOUNT_TMPFS);

	ck_assert_int_eq(spec_resolve(&arena, &spec, &root), 0);
	ck_assert_int_eq(spec.start, START_COMMAND);
	ck_assert_int_eq(spec.ownership, OWNERSHIP_OFF);
	ck_assert_int_eq(spec.read_only, TRISTATE_NO);
	ck_assert_int_eq(spec.ephemeral, TRISTATE_NO);
	ck_assert(spec.quiet);
	ck_assert_str_eq(spec.machine, "box");
	ck_assert_str_eq(spec.mounts.items[0].destination, "/data");
	ck_assert_str_eq(spec.mounts.items[1].destination, "/data/deep");
	ck_assert(spec_capabilities(&spec) & BIT(12));
	ck_assert(!(spec_capabilities(&spec) & BIT(21)));
}
END_TEST

START_TEST(a_spec_filled_by_code_is_refused_like_one_of_options)
{
	setup();
	spec.directory = "/bundle/rootfs";
	spec.boot = spec.as_pid2 = TRISTATE_YES;
	ck_assert_int_lt(spec_resolve(&arena, &spec, &root), 0);
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "--as-pid2"));
}
END_TEST

START_TEST(resolving_twice_changes_nothing)
{
	static struct spec once;

	setup();
	spec.directory = "/srv/web";
	spec.ephemeral = TRISTATE_YES;
	mount_at("/b", MOUNT_BIND);
	mount_at("/a", MOUNT_BIND);
	ck_assert_int_eq(spec_resolve_name(&arena, &spec, &root), 0);
	ck_assert_int_eq(spec_resolve(&arena, &spec, &root), 0);
	once = spec;
	ck_assert_int_eq(spec_resolve(&arena, &spec, &root), 0);
	ck_assert(memcmp(&once, &spec, sizeof(spec)) == 0);
}
END_TEST

START_TEST(capabilities_follow_network_and_ids)
{
	const uint64_t kept = UINT64_C(0xfdecafff);

	setup();
	/* The set of the reference, 26 of them, is for the host's ids and network. */
	spec.userns = USERNS_NO;
	ck_assert_uint_eq(spec_capabilities(&spec), kept);
	ck_assert_int_eq(__builtin_popcountll(kept), 26);

	spec.private_network = TRISTATE_YES;
	ck_assert_uint_eq(spec_capabilities(&spec), kept | BIT(12));
	spec.userns = USERNS_PICK;
	ck_assert_uint_eq(spec_capabilities(&spec), kept | BIT(12));

	/* A low port is not for foreign ids, not even in somebody else's network. */
	spec.private_network = TRISTATE_NO;
	spec.network_namespace_path = "/run/netns/blue";
	ck_assert(!spec_has_private_network(&spec));
	ck_assert_uint_eq(spec_capabilities(&spec), kept & ~BIT(10));

	/* What is dropped is dropped, whoever gave it. */
	spec.capability_plus = SPEC_CAPABILITY_ALL;
	spec.capability_minus = BIT(0) | BIT(12);
	spec.network_veth = TRISTATE_YES;
	ck_assert_uint_eq(spec_capabilities(&spec), ~(BIT(0) | BIT(12)));
}
END_TEST

START_TEST(a_tree_is_read_only_when_nothing_can_write_to_it)
{
	setup();
	ck_assert(!spec_tree_is_read_only(&spec));
	mount_at("/data", MOUNT_BIND);
	ck_assert(!spec_tree_is_read_only(&spec));
	spec.volatile_mode = VOLATILE_OVERLAY;
	ck_assert(spec_tree_is_read_only(&spec));
	spec.volatile_mode = VOLATILE_NO;
	spec.read_only = TRISTATE_YES;
	ck_assert(spec_tree_is_read_only(&spec));
	spec.read_only = TRISTATE_NO;
	mount_at("/", MOUNT_BIND);
	ck_assert(spec_tree_is_read_only(&spec));
}
END_TEST

START_TEST(limits_have_their_names)
{
	setup();
	ck_assert_str_eq(spec_limit_name(RLIMIT_NOFILE), "NOFILE");
	for (int i = 0; i < RLIM_NLIMITS; i++)
		ck_assert_ptr_nonnull(spec_limit_name(i));
	ck_assert_ptr_null(spec_limit_name(RLIM_NLIMITS));
	ck_assert_ptr_null(spec_limit_name(-1));
}
END_TEST

int main(void)
{
	return UNIT_RUN("spec/spec", a_spec_filled_by_code_resolves_like_one_of_options,
			a_spec_filled_by_code_is_refused_like_one_of_options,
			resolving_twice_changes_nothing, capabilities_follow_network_and_ids,
			a_tree_is_read_only_when_nothing_can_write_to_it, limits_have_their_names);
}
