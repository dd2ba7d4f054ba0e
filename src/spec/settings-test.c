/* The table against the reference: nothing is missing, and who may set what. */
#include "spec/settings.h"

#include <string.h>

#include "base/arena.h"
#include "base/macros.h"
#include "base/text.h"
#include "base/unit.h"

/* Reference, sections 2.1 to 2.6, and Redd's own: --print-plan, --json, --nesting,
 * --on-supervisor-death, --on-reboot, and what [X-Network] has. */
static const char *const options[] = {
	"help",
	"version",
	"no-pager",
	"quiet",
	"no-ask-password",
	"settings",
	"cleanup",
	"directory",
	"template",
	"ephemeral",
	"image",
	"image-policy",
	"mstack",
	"oci-bundle",
	"read-only",
	"volatile",
	"root-hash",
	"root-hash-sig",
	"verity-data",
	"pivot-root",
	"as-pid2",
	"init",
	"boot",
	"chdir",
	"setenv",
	"uid",
	"kill-signal",
	"notify-ready",
	"suppress-sync",
	"machine",
	"hostname",
	"uuid",
	"slice",
	"property",
	"register",
	"keep-unit",
	"user",
	"system",
	"private-users",
	"private-users-ownership",
	"private-users-chown",
	"private-users-delegate",
	"private-network",
	"network-interface",
	"network-macvlan",
	"network-ipvlan",
	"network-veth",
	"network-veth-extra",
	"network-bridge",
	"network-zone",
	"network-namespace-path",
	"port",
	"capability",
	"drop-capability",
	"ambient-capability",
	"no-new-privileges",
	"system-call-filter",
	"restrict-address-families",
	"selinux-context",
	"selinux-apifs-context",
	"rlimit",
	"oom-score-adjust",
	"cpu-affinity",
	"personality",
	"resolv-conf",
	"timezone",
	"link-journal",
	"forward-journal",
	"forward-journal-max-use",
	"forward-journal-keep-free",
	"forward-journal-max-file-size",
	"forward-journal-max-files",
	"bind",
	"bind-ro",
	"inaccessible",
	"tmpfs",
	"overlay",
	"overlay-ro",
	"bind-user",
	"bind-user-shell",
	"bind-user-group",
	"console",
	"pipe",
	"background",
	"set-credential",
	"load-credential",
	"share-system",
	"introspect-cli",
	"print-plan",
	"json",
	"nesting",
	"on-supervisor-death",
	"on-reboot",
	"network-address",
	"network-host-address",
	"network-gateway",
	"network-route",
	"network-name",
	"network-mac",
	"network-dns",
	"network-nat",
	"network-egress",
};

static const char letters[] = "hDuabLMjSZqixpnUEP";

/* Reference, section 3.2, and class S46: every key is in one of the two lists, or the build fails.
 * A key of the first list takes effect although it came with the tree, so it must be harmless to
 * the host: it only shapes what the container does to itself. */
static const char *const keys_for_anybody[] = {
	"Exec.Boot",	       "Exec.ProcessTwo",
	"Exec.Parameters",     "Exec.Environment",
	"Exec.User",	       "Exec.WorkingDirectory",
	"Exec.DropCapability", "Exec.NoNewPrivileges",
	"Exec.KillSignal",     "Exec.Personality",
	"Exec.NotifyReady",    "Exec.RestrictAddressFamilies",
	"Exec.Hostname",       "Exec.ResolvConf",
	"Exec.Timezone",       "Exec.SuppressSync",
	"Files.ReadOnly",      "Files.Volatile",
	"X-Nix.Init",
};

/* PivotRoot= is stricter than the reference: files that came with images have used it to escape. */
static const char *const keys_for_trusted_files[] = {
	"X-Network.Address",
	"X-Network.HostAddress",
	"X-Network.Gateway",
	"X-Network.Route",
	"X-Network.InterfaceName",
	"X-Network.MACAddress",
	"X-Network.DNS",
	"X-Network.NAT",
	"X-Network.Egress",
	"X-Network.NamespacePath",
	"X-Network.Names",
	"X-Image.Persist",
	"X-Credential.Set",
	"X-Credential.Load",
	"X-Credential.LoadEncrypted",
	"X-Service.MemoryMin",
	"X-Service.MemoryLow",
	"X-Service.MemoryHigh",
	"X-Service.MemoryMax",
	"X-Service.MemorySwapMax",
	"X-Service.MemoryZSwapMax",
	"X-Service.CPUQuotaPeriodSec",
	"X-Service.AllowedMemoryNodes",
	"X-Service.IODeviceWeight",
	"X-Service.IOReadBandwidthMax",
	"X-Service.IOWriteBandwidthMax",
	"X-Service.IOReadIOPSMax",
	"X-Service.IOWriteIOPSMax",
	"X-Service.DevicePolicy",
	"X-Service.CPUQuota",
	"X-Service.CPUWeight",
	"X-Service.AllowedCPUs",
	"X-Service.IOWeight",
	"X-Service.TasksMax",
	"X-Service.DeviceAllow",
	"X-Service.OOMScoreAdjust",
	"X-Health.Command",
	"X-Health.Interval",
	"X-Health.Timeout",
	"X-Health.StartPeriod",
	"X-Health.Retries",
	"X-Health.OnFailure",
	"Exec.PivotRoot",
	"Exec.Ephemeral",
	"Exec.Capability",
	"Exec.AmbientCapability",
	"Exec.MachineID",
	"Exec.PrivateUsers",
	"Exec.PrivateUsersDelegate",
	"Exec.LimitCPU",
	"Exec.LimitFSIZE",
	"Exec.LimitDATA",
	"Exec.LimitSTACK",
	"Exec.LimitCORE",
	"Exec.LimitRSS",
	"Exec.LimitNOFILE",
	"Exec.LimitAS",
	"Exec.LimitNPROC",
	"Exec.LimitMEMLOCK",
	"Exec.LimitLOCKS",
	"Exec.LimitSIGPENDING",
	"Exec.LimitMSGQUEUE",
	"Exec.LimitNICE",
	"Exec.LimitRTPRIO",
	"Exec.LimitRTTIME",
	"Exec.OOMScoreAdjust",
	"Exec.CPUAffinity",
	"Exec.LinkJournal",
	"Files.Bind",
	"Files.BindReadOnly",
	"Files.TemporaryFileSystem",
	"Files.Inaccessible",
	"Files.Overlay",
	"Files.OverlayReadOnly",
	"Files.BindUser",
	"Files.BindUserShell",
	"Files.PrivateUsersOwnership",
	"Files.PrivateUsersChown",
	"Network.Private",
	"Network.NamespacePath",
	"Network.VirtualEthernet",
	"Network.VirtualEthernetExtra",
	"Network.Interface",
	"Network.MACVLAN",
	"Network.IPVLAN",
	"Network.Bridge",
	"Network.Zone",
	"Network.Port",
};

static const char *const keys_trusted_when_they_allow[] = { "Exec.SystemCallFilter" };

/* Empty assignments clear these in a file, and nothing else. */
static const char *const keys_that_reset[] = {
	"Exec.Parameters", "Exec.Environment", "Network.Interface",
	"Network.MACVLAN", "Network.IPVLAN",   "Files.BindUser",
};

static bool has(const char *const *list, size_t count, const char *text)
{
	for (size_t i = 0; i < count; i++)
		if (text_equal(list[i], text))
			return true;
	return false;
}
#define HAS(list, text) has(list, ARRAY_SIZE(list), text)

START_TEST(every_option_of_the_reference_has_a_row)
{
	bool ambiguous;

	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		const struct setting *row = setting_by_option(options[i], strlen(options[i]),
							      &ambiguous);

		ck_assert_msg(row && !ambiguous, "--%s has no row", options[i]);
		ck_assert_str_eq(row->option, options[i]);
	}
	for (size_t i = 0; i < spec_settings_count; i++)
		ck_assert_msg(!spec_settings[i].option || HAS(options, spec_settings[i].option),
			      "--%s is not in the list", spec_settings[i].option);
}
END_TEST

START_TEST(every_letter_has_one_row)
{
	size_t count = 0;

	for (size_t i = 0; letters[i]; i++)
		ck_assert_msg(setting_by_letter(letters[i]) != NULL, "-%c", letters[i]);
	for (size_t i = 0; i < spec_settings_count; i++)
		count += spec_settings[i].letter != 0;
	ck_assert_uint_eq(count, strlen(letters));
	ck_assert_ptr_null(setting_by_letter(0));
}
END_TEST

START_TEST(every_key_has_one_trust_class)
{
	size_t count = 0;

	for (size_t i = 0; i < spec_settings_count; i++) {
		const struct setting *row = &spec_settings[i];
		bool anybody = HAS(keys_for_anybody, row->key);
		bool trusted = HAS(keys_for_trusted_files, row->key);
		bool allow = HAS(keys_trusted_when_they_allow, row->key);

		if (!row->key)
			continue;
		count++;
		ck_assert_msg(anybody + trusted + allow == 1, "%s has no trust class", row->key);
		ck_assert_msg(!!(row->flags & SETTING_TRUSTED) == trusted, "%s", row->key);
		ck_assert_msg(!!(row->flags & SETTING_TRUSTED_ALLOW) == allow, "%s", row->key);
	}
	ck_assert_uint_eq(count - ARRAY_SIZE(keys_for_anybody) - ARRAY_SIZE(keys_for_trusted_files),
			  ARRAY_SIZE(keys_trusted_when_they_allow));
}
END_TEST

START_TEST(every_key_belongs_to_a_group_and_is_found_by_name)
{
	for (size_t i = 0; i < spec_settings_count; i++) {
		const struct setting *row = &spec_settings[i];
		char section[16] = { 0 };

		if (!row->key)
			continue;
		memcpy(section, row->key, strcspn(row->key, "."));
		ck_assert_msg(row->group > GROUP_NONE && row->group < GROUP_COUNT, "%s", row->key);
		ck_assert_ptr_eq(setting_by_key(section, strchr(row->key, '.') + 1), row);
		ck_assert_msg(!!(row->flags & SETTING_RESETS) == HAS(keys_that_reset, row->key),
			      "%s", row->key);
	}
	ck_assert_ptr_null(setting_by_key("Exec", "boot"));
	ck_assert_ptr_null(setting_by_key("Exe", "c.Boot"));
	ck_assert_ptr_null(setting_by_key("Files", "Boot"));
}
END_TEST

START_TEST(every_row_can_be_read_and_told_about)
{
	for (size_t i = 0; i < spec_settings_count; i++) {
		const struct setting *row = &spec_settings[i];
		const char *n = row->option ? row->option : row->key ? row->key : row->section;

		ck_assert_msg(row->option || row->key || row->letter, "row %zu has no name", i);
		ck_assert_msg(row->parse != NULL, "%s", n);
		ck_assert_msg(!text_empty(row->help) && !text_empty(row->section), "%s", n);
		ck_assert_msg(!text_ends(row->help, "."), "%s: help is no sentence", n);
		/* "help" prints the words, so they must be there. */
		ck_assert_msg(!(row->flags & SETTING_HELP) || (row->words && row->value), "%s", n);
		ck_assert_msg(!(row->flags & SETTING_OPTIONAL_VALUE) || row->value, "%s", n);
		/* What is not built must be noticed (print), and named with a way out. */
		ck_assert_msg(!row->unbuilt || row->print, "%s", n);
		ck_assert_msg(!row->unbuilt || strstr(row->unbuilt, "not built yet (try"), "%s", n);
		ck_assert_msg(row->print || row->stands_for || text_equal(n, "share-system"), "%s",
			      n);
	}
}
END_TEST

START_TEST(nobody_asked_for_anything_before_anybody_spoke)
{
	struct arena arena = { 0 };
	static struct spec spec;

	spec_init(&spec);
	for (size_t i = 0; i < spec_settings_count; i++) {
		const struct setting *row = &spec_settings[i];
		char *value = row->print ? row->print(&arena, row, &spec) : NULL;

		ck_assert_msg(!value, "%s: %s", row->option ? row->option : row->key, value);
	}
	arena_done(&arena);
}
END_TEST

START_TEST(unique_beginnings_of_options_are_enough)
{
	bool ambiguous;

	ck_assert_str_eq(setting_by_option("dir", 3, &ambiguous)->option, "directory");
	ck_assert_str_eq(setting_by_option("directory=x", 9, &ambiguous)->option, "directory");
	/* A whole name is never ambiguous, although others begin with it. */
	ck_assert_str_eq(setting_by_option("bind", 4, &ambiguous)->option, "bind");
	ck_assert(!ambiguous);
	ck_assert_str_eq(setting_by_option("network-veth", 12, &ambiguous)->option, "network-veth");
	ck_assert(!ambiguous);
	ck_assert_ptr_null(setting_by_option("network", 7, &ambiguous));
	ck_assert(ambiguous);
	ck_assert_ptr_null(setting_by_option("nothing", 7, &ambiguous));
	ck_assert(!ambiguous);
}
END_TEST

START_TEST(a_forgotten_group_holds_nothing)
{
	struct arena arena = { 0 };
	static struct spec spec, untouched;
	struct setting_reader reader = { .arena = &arena, .spec = &spec, .origin = BY_OPTION };
	static const struct {
		const char *option, *value;
	} said[] = {
		{ "private-network", NULL },
		{ "network-veth", NULL },
		{ "network-interface", "a" },
		{ "network-zone", "z" },
		{ "bind", "/a" },
		{ "port", "80" },
		{ "bind-user", "joe" },
		{ "setenv", "A=1" },
		{ "system-call-filter", "@clock" },
		{ "system-call-filter", "~bpf" },
		{ "cpu-affinity", "1" },
		{ "restrict-address-families", "AF_UNIX" },
		{ "boot", NULL },
		{ "private-users", "5:6" },
		{ "private-users-ownership", "map" },
	};
	bool ambiguous;

	spec_init(&untouched);
	for (size_t i = 0; i < ARRAY_SIZE(said); i++) {
		const struct setting *row = setting_by_option(said[i].option,
							      strlen(said[i].option), &ambiguous);

		spec_init(&spec);
		ck_assert_int_eq(setting_apply(&reader, row, said[i].value), 0);
		ck_assert_ptr_nonnull(row->print(&arena, row, &spec));
		spec_forget_group(&spec, row->group);
		ck_assert_msg(!row->print(&arena, row, &spec), "%s", said[i].option);
		spec.group_origin[row->group] = BY_DEFAULT;
		spec.setting_line[row - spec_settings] = 0;
		ck_assert_msg(memcmp(&spec, &untouched, sizeof(spec)) == 0, "%s", said[i].option);
	}
	arena_done(&arena);
}
END_TEST

int main(void)
{
	return UNIT_RUN("spec/settings", every_option_of_the_reference_has_a_row,
			every_letter_has_one_row, every_key_has_one_trust_class,
			every_key_belongs_to_a_group_and_is_found_by_name,
			every_row_can_be_read_and_told_about,
			nobody_asked_for_anything_before_anybody_spoke,
			unique_beginnings_of_options_are_enough, a_forgotten_group_holds_nothing);
}
