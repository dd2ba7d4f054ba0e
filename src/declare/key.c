/* The sections of a definition and their keys. */
#include "declare/key.h"

#include <string.h>

#include "base/macros.h"
#include "base/nearest.h"
#include "base/text.h"
#include "declare/definition.h"
#include "declare/key-parse.h"
#include "spec/settings.h"

#define SLIP_MAX 2 /* letters */
#define FIELD(name) .offset = offsetof(struct definition, name)

/* clang-format off */

static const char *const root_words[] = { "overlay", "copy", "ephemeral", "direct", NULL };
static const char *const update_words[] = { "manual", "never", "digest", NULL };
static const char *const verify_words[] = { "signature", "checksum", "no", NULL };
static const char *const failure_words[] = { "none", "restart", "stop", "rollback", NULL };
static const char *const strategy_words[] = { "auto", "reload", "restart", "none", NULL };
static const char *const store_words[] = { "closure", "full", "off", NULL };
static const char *const bool_words[] = { "yes", "no", NULL };
static const char *const restart_words[] = {
	"no", "on-success", "on-failure", "on-abnormal", "on-watchdog", "on-abort", "always", NULL
};
static const char *const policy_words[] = { "auto", "closed", "strict", NULL };

#define UNIT(name_, consequence_, flags_) \
	{ .section = "X-Unit", .name = (name_), .value = "NAME...", \
	  .consequence = (consequence_), .flags = (flags_) }
#define SERVICE(name_, value_, flags_) \
	{ .section = "X-Service", .name = (name_), .value = (value_), \
	  .consequence = CONSEQUENCE_RESTART, .flags = (flags_) }
#define SPAN(name_) \
	{ .section = "X-Service", .name = (name_), .value = "TIME", .parse = key_check_span, \
	  .consequence = CONSEQUENCE_NONE, .flags = KEY_HONOURED }
#define LIMIT(name_, value_, controller_, flags_) \
	{ .section = "X-Service", .name = (name_), .value = (value_), .controller = (controller_), \
	  .consequence = CONSEQUENCE_LIVE, .flags = KEY_HONOURED | (flags_) }

const struct key key_rows[] = {
	{ .section = "X-Image", .name = "Source", .value = "KIND:PLACE",
	  .parse = key_parse_source,
	  .consequence = CONSEQUENCE_RECREATE, .flags = KEY_HONOURED },
	{ .section = "X-Image", .name = "Template", .value = "NAME...",
	  .parse = key_parse_template,
	  .consequence = CONSEQUENCE_NONE, .flags = KEY_HONOURED | KEY_REPEATS },
	{ .section = "X-Image", .name = "Digest", .value = "sha256:HEX",
	  .parse = key_parse_digest, FIELD(image.digest),
	  .consequence = CONSEQUENCE_RECREATE, .flags = KEY_HONOURED },
	{ .section = "X-Image", .name = "Verify", .value = "MODE", .words = verify_words,
	  .parse = key_parse_verify, FIELD(image.verify),
	  .consequence = CONSEQUENCE_NONE, .flags = KEY_HONOURED },
	{ .section = "X-Image", .name = "Root", .value = "MODE", .words = root_words,
	  .parse = key_parse_root, FIELD(image.root),
	  .consequence = CONSEQUENCE_RECREATE, .flags = KEY_HONOURED },
	{ .section = "X-Image", .name = "Update", .value = "MODE", .words = update_words,
	  .parse = key_parse_word, FIELD(image.update),
	  .consequence = CONSEQUENCE_NONE, .flags = KEY_HONOURED },
	{ .section = "X-Image", .name = "Persist", .value = "PATH...",
	  .parse = key_parse_persist, FIELD(image.persist),
	  .consequence = CONSEQUENCE_RESTART, .flags = KEY_HONOURED | KEY_REPEATS | KEY_SPACES },

	/* Besides those of the settings table. */
	{ .section = "X-Network", .name = "Names", .value = "NAME...",
	  .parse = key_parse_names,
	  .consequence = CONSEQUENCE_LIVE, .flags = KEY_HONOURED | KEY_REPEATS | KEY_SPACES },
	{ .section = "X-Network", .name = "NamespacePath", .value = "PATH",
	  .parse = key_parse_namespace,
	  .consequence = CONSEQUENCE_RESTART, .flags = KEY_HONOURED },

	{ .section = "X-Credential", .name = "Load", .value = "ID:PATH",
	  .parse = key_parse_load,
	  .consequence = CONSEQUENCE_LIVE, .flags = KEY_HONOURED | KEY_REPEATS },
	{ .section = "X-Credential", .name = "Set", .value = "ID:TEXT",
	  .parse = key_parse_set,
	  .consequence = CONSEQUENCE_LIVE, .flags = KEY_HONOURED | KEY_REPEATS },
	{ .section = "X-Credential", .name = "LoadEncrypted", .value = "ID:PATH",
	  .parse = key_parse_load_encrypted,
	  .consequence = CONSEQUENCE_RESTART, .flags = KEY_REPEATS },

	/* The runner has them from its start. */
	{ .section = "X-Health", .name = "Command", .value = "COMMAND",
	  .parse = key_parse_health,
	  .consequence = CONSEQUENCE_RESTART, .flags = KEY_HONOURED },
	{ .section = "X-Health", .name = "Interval", .value = "TIME",
	  .parse = key_parse_health,
	  .consequence = CONSEQUENCE_RESTART, .flags = KEY_HONOURED },
	{ .section = "X-Health", .name = "Timeout", .value = "TIME",
	  .parse = key_parse_health,
	  .consequence = CONSEQUENCE_RESTART, .flags = KEY_HONOURED },
	{ .section = "X-Health", .name = "Retries", .value = "NUMBER",
	  .parse = key_parse_health,
	  .consequence = CONSEQUENCE_RESTART, .flags = KEY_HONOURED },
	{ .section = "X-Health", .name = "StartPeriod", .value = "TIME",
	  .parse = key_parse_health,
	  .consequence = CONSEQUENCE_RESTART, .flags = KEY_HONOURED },
	{ .section = "X-Health", .name = "OnFailure", .value = "WORD", .words = failure_words,
	  .parse = key_parse_word, FIELD(health.on_failure),
	  .consequence = CONSEQUENCE_RESTART, .flags = KEY_HONOURED },

	{ .section = "X-Reload", .name = "Strategy", .value = "WORD", .words = strategy_words,
	  .parse = key_parse_word, FIELD(reload.strategy),
	  .consequence = CONSEQUENCE_NONE, .flags = KEY_HONOURED },
	{ .section = "X-Reload", .name = "Command", .value = "COMMAND",
	  .parse = key_parse_command, FIELD(reload.command),
	  .consequence = CONSEQUENCE_RELOAD, .flags = KEY_HONOURED },

	{ .section = "X-Nix", .name = "Store", .value = "MODE", .words = store_words,
	  .parse = key_parse_word, FIELD(nix.store),
	  .consequence = CONSEQUENCE_RESTART, .flags = KEY_HONOURED },
	{ .section = "X-Nix", .name = "Daemon", .value = "BOOL", .words = bool_words,
	  .parse = key_parse_bool, FIELD(nix.daemon),
	  .consequence = CONSEQUENCE_RESTART, .flags = KEY_HONOURED },
	{ .section = "X-Nix", .name = "Profile", .value = "PATH",
	  .parse = key_parse_path, FIELD(nix.profile),
	  .consequence = CONSEQUENCE_RELOAD, .flags = KEY_HONOURED },

	UNIT("Description", CONSEQUENCE_NONE, KEY_HONOURED),
	UNIT("Documentation", CONSEQUENCE_NONE, KEY_HONOURED | KEY_REPEATS),
	UNIT("After", CONSEQUENCE_NONE, KEY_HONOURED | KEY_REPEATS | KEY_SPACES),
	UNIT("Requires", CONSEQUENCE_NONE, KEY_HONOURED | KEY_REPEATS | KEY_SPACES),
	UNIT("Wants", CONSEQUENCE_NONE, KEY_HONOURED | KEY_REPEATS | KEY_SPACES),
	UNIT("BindsTo", CONSEQUENCE_NONE, KEY_HONOURED | KEY_REPEATS | KEY_SPACES),
	UNIT("RequiresMountsFor", CONSEQUENCE_NONE, KEY_HONOURED | KEY_REPEATS | KEY_SPACES),
	UNIT("ConditionPathExists", CONSEQUENCE_NONE, KEY_HONOURED | KEY_REPEATS),
	UNIT("Before", CONSEQUENCE_NONE, KEY_REPEATS | KEY_SPACES),
	UNIT("PartOf", CONSEQUENCE_NONE, KEY_REPEATS | KEY_SPACES),
	UNIT("Conflicts", CONSEQUENCE_NONE, KEY_REPEATS | KEY_SPACES),

	{ .section = "X-Service", .name = "Restart", .value = "WORD", .words = restart_words,
	  .parse = key_check_word,
	  .consequence = CONSEQUENCE_NONE, .flags = KEY_HONOURED },
	SPAN("RestartSec"),
	SPAN("TimeoutStartSec"),
	SPAN("TimeoutStopSec"),
	SERVICE("Slice", "SLICE", 0),
	SERVICE("OOMScoreAdjust", "NUMBER", KEY_HONOURED),
	LIMIT("MemoryMin", "BYTES|PERCENT", "memory", 0),
	LIMIT("MemoryLow", "BYTES|PERCENT", "memory", 0),
	LIMIT("MemoryHigh", "BYTES|PERCENT", "memory", 0),
	LIMIT("MemoryMax", "BYTES|PERCENT", "memory", 0),
	LIMIT("MemorySwapMax", "BYTES|PERCENT", "memory", 0),
	LIMIT("MemoryZSwapMax", "BYTES|PERCENT", "memory", 0),
	LIMIT("TasksMax", "NUMBER|PERCENT", "pids", 0),
	LIMIT("CPUQuota", "PERCENT", "cpu", 0),
	LIMIT("CPUQuotaPeriodSec", "TIME", "cpu", 0),
	LIMIT("CPUWeight", "NUMBER", "cpu", 0),
	LIMIT("AllowedCPUs", "LIST", "cpuset", 0),
	LIMIT("AllowedMemoryNodes", "LIST", "cpuset", 0),
	LIMIT("IOWeight", "NUMBER", "io", 0),
	LIMIT("IODeviceWeight", "PATH NUMBER", "io", KEY_REPEATS),
	LIMIT("IOReadBandwidthMax", "PATH BYTES", "io", KEY_REPEATS),
	LIMIT("IOWriteBandwidthMax", "PATH BYTES", "io", KEY_REPEATS),
	LIMIT("IOReadIOPSMax", "PATH NUMBER", "io", KEY_REPEATS),
	LIMIT("IOWriteIOPSMax", "PATH NUMBER", "io", KEY_REPEATS),
	{ .section = "X-Service", .name = "DevicePolicy", .value = "WORD", .words = policy_words,
	  .parse = key_check_word,
	  .consequence = CONSEQUENCE_RESTART, .flags = KEY_HONOURED },
	SERVICE("DeviceAllow", "PATH ACCESS", KEY_HONOURED | KEY_REPEATS),

	{ .section = "X-Install", .name = "WantedBy", .value = "UNIT...",
	  .consequence = CONSEQUENCE_NONE, .flags = KEY_HONOURED | KEY_REPEATS | KEY_SPACES },
};

/* clang-format on */

const size_t key_rows_count = ARRAY_SIZE(key_rows);

const char *const key_sections[] = { "X-Image",	  "X-Network", "X-Credential", "X-Health",
				     "X-Reload",  "X-Nix",     "X-Unit",       "X-Service",
				     "X-Install", NULL };

static const char *const base_sections[] = { "Exec", "Files", "Network", NULL };

/* What is changed in the base sections costs a restart, but this. */
static const struct {
	const char *key;
	enum consequence consequence;
	unsigned int flags;
} base_rows[] = {
	{ "Exec.Parameters", CONSEQUENCE_RESTART, KEY_ORDERED },
	{ "Exec.Environment", CONSEQUENCE_RESTART, KEY_ORDERED },
	{ "Exec.SystemCallFilter", CONSEQUENCE_RESTART, KEY_ORDERED },
	{ "Files.Bind", CONSEQUENCE_RESTART, KEY_ADDS_LIVE },
	{ "Files.BindReadOnly", CONSEQUENCE_RESTART, KEY_ADDS_LIVE },
	{ "Network.Port", CONSEQUENCE_LIVE, 0 },
	{ "X-Network.DNS", CONSEQUENCE_LIVE, 0 },
	{ "X-Network.NAT", CONSEQUENCE_LIVE, 0 },
	{ "X-Network.Egress", CONSEQUENCE_LIVE, KEY_EMPTY },
};

static bool in_list(const char *const *list, const char *word)
{
	for (size_t i = 0; list[i] != NULL; i++)
		if (text_equal(list[i], word))
			return true;
	return false;
}

/* [X-Network:LINK] has the keys of [X-Network]. */
static const char *section_of(const char *section)
{
	return text_after(section, "X-Network:") ? "X-Network" : section;
}

bool key_is_section(const char *section)
{
	return in_list(base_sections, section) || in_list(key_sections, section_of(section));
}

bool key_is_unit_section(const char *section)
{
	return text_equal(section, "X-Unit") || text_equal(section, "X-Service") ||
	       text_equal(section, "X-Install");
}

static void of_setting(struct key *ret, const char *section, const struct setting *setting)
{
	*ret = (struct key){
		.section = section,
		.name = strchr(setting->key, '.') + 1,
		.value = setting->value,
		.words = setting->words,
		.setting = setting,
		.consequence = CONSEQUENCE_RESTART,
		.flags = KEY_HONOURED,
	};
	if (setting->flags & SETTING_REPEATS)
		ret->flags |= KEY_REPEATS;
	if (setting->flags & SETTING_SPACES)
		ret->flags |= KEY_SPACES;
	for (size_t i = 0; i < ARRAY_SIZE(base_rows); i++) {
		if (!text_equal(base_rows[i].key, setting->key))
			continue;
		ret->consequence = base_rows[i].consequence;
		ret->flags |= base_rows[i].flags;
	}
}

static struct nearest nearest_key(const char *section, const char *name)
{
	struct nearest nearest;

	section = section_of(section);
	nearest_init(&nearest, name, strlen(name));
	for (size_t i = 0; i < key_rows_count; i++)
		if (text_equal(key_rows[i].section, section))
			nearest_offer(&nearest, key_rows[i].name);
	for (size_t i = 0; i < spec_settings_count; i++) {
		const char *key = spec_settings[i].key;
		const char *rest = key == NULL ? NULL : text_after(key, section);

		if (rest != NULL && *rest == '.')
			nearest_offer(&nearest, rest + 1);
	}
	return nearest;
}

/* So near that no other name is meant: a third of a short one makes a word of its own. */
static bool is_slip(const struct nearest *nearest)
{
	return nearest->name != NULL && nearest->distance <= SLIP_MAX &&
	       nearest->distance * 3 <= nearest->length;
}

/* systemd knows more keys than Redd does, none of them as near as a slip. */
static bool is_unit_key(const char *section, const char *name)
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
	struct nearest nearest;

	if (strlen(name) > NEAREST_MAX_LENGTH || strspn(name, letters) != strlen(name))
		return false;
	nearest = nearest_key(section, name);
	return !is_slip(&nearest);
}

bool key_find(struct key *ret, const char *section, const char *name)
{
	const struct setting *setting;

	/* The one that [X-Network] has no need of. */
	section = text_after(section, "X-Network:") && text_equal(name, "Bridge")
			  ? "Network"
			  : section_of(section);
	for (size_t i = 0; i < key_rows_count; i++) {
		if (!text_equal(key_rows[i].name, name) ||
		    !text_equal(key_rows[i].section, section))
			continue;
		*ret = key_rows[i];
		/* As the runner will read it. */
		if (ret->parse == NULL && text_equal(section, "X-Service"))
			ret->setting = setting_by_key(section, name);
		return true;
	}
	setting = setting_by_key(section, name);
	if (setting != NULL) {
		of_setting(ret, section, setting);
		return true;
	}
	if (!key_is_unit_section(section) || !is_unit_key(section, name))
		return false;
	*ret = (struct key){
		.section = section,
		.name = name,
		.value = "VALUE",
		.consequence = text_equal(section, "X-Service") ? CONSEQUENCE_RESTART
								: CONSEQUENCE_NONE,
		.flags = KEY_REPEATS | KEY_ORDERED,
	};
	return true;
}

const char *key_nearest(const char *section, const char *name)
{
	return nearest_key(section, name).name;
}

/* What is before the dash is said by all of them. */
const char *key_nearest_section(const char *section)
{
	const char *own = text_after(section, "X-");
	const char *name = own != NULL ? own : section, *found = NULL;
	struct nearest nearest;

	nearest_init(&nearest, name, strlen(name));
	for (size_t i = 0; key_sections[i] != NULL; i++) {
		nearest_offer(&nearest, text_after(key_sections[i], "X-"));
		if (nearest.name == text_after(key_sections[i], "X-"))
			found = key_sections[i];
	}
	for (size_t i = 0; base_sections[i] != NULL; i++) {
		nearest_offer(&nearest, base_sections[i]);
		if (nearest.name == base_sections[i])
			found = base_sections[i];
	}
	return own == NULL || is_slip(&nearest) ? found : NULL;
}
