/* Definitions from texts: what is kept, what is refused, and that a printed one is read as the
 * same. */
#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/macros.h"
#include "base/text.h"
#include "base/unit.h"
#include "declare/definition.h"

static struct arena arena;
static struct definition definition;
static const struct definition_facts facts = { .machine_id = "0123", .host_name = "host" };

static int read_texts(const char *first, const char *second)
{
	struct definition_items items = { 0 };

	fail_forget();
	definition_add_text(&arena, &items, first, strlen(first), "/etc/x/web.nspawn");
	if (second != NULL)
		definition_add_text(&arena, &items, second, strlen(second), "/etc/x/b.conf");
	return definition_make(&arena, &definition, "web", "/etc/x/web.nspawn", &items, &facts);
}

static void expect(const char *text, const char *printed)
{
	ck_assert_msg(read_texts(text, NULL) == 0, "%s", fail_recorded()->text);
	ck_assert_str_eq(definition_print(&arena, &definition, false), printed);
}

static void expect_refusal(const char *text, const char *sentence)
{
	ck_assert_int_lt(read_texts(text, NULL), 0);
	ck_assert_str_eq(fail_recorded()->text, sentence);
}

static const char web[] = "[Exec]\nBoot=yes\nPrivateUsers=pick\nHostname=web\n"
			  "[Files]\nBind=/srv/www:/var/www:idmap\n"
			  "[Network]\nVirtualEthernet=yes\nPort=tcp:8080:80\n"
			  "[X-Image]\nSource=oci:registry.example.org/web-os:12\nRoot=overlay\n"
			  "Persist=/var/lib/nginx /var/log\nUpdate=manual\n"
			  "[X-Network]\nHostAddress=10.233.7.1\nAddress=10.233.7.2\n"
			  "Address=fd00:7::2/64\nDNS=auto\nNAT=yes\n"
			  "[X-Credential]\nLoad=tls.key:/etc/ssl/private/web.key\n"
			  "[X-Unit]\nRequires=db.nspawn\nAfter=db.nspawn\n"
			  "[X-Service]\nMemoryMax=512M\nCPUQuota=150%\n"
			  "[X-Health]\nCommand=/usr/bin/curl -fsS http://localhost/\nInterval=10s\n"
			  "Retries=3\nOnFailure=rollback\n"
			  "[X-Install]\nWantedBy=machines.target\n";

START_TEST(an_example_is_understood)
{
	ck_assert_int_eq(read_texts(web, NULL), 0);
	ck_assert(definition.managed && definition.autostart);
	ck_assert_int_eq(definition.spec->boot, TRISTATE_YES);
	ck_assert_uint_eq(definition.spec->ports.count, 1);
	ck_assert_int_eq(definition.image.source, IMAGE_OCI);
	ck_assert_str_eq(definition.image.ref, "registry.example.org/web-os:12");
	ck_assert_int_eq(definition.image.root, ROOT_OVERLAY);
	ck_assert_uint_eq(definition.image.persist.count, 2);
	ck_assert_uint_eq(definition.primary.addresses->addresses.count, 2);
	ck_assert_uint_eq(definition.credential_count, 1);
	ck_assert_str_eq(definition.credentials[0].value, "/etc/ssl/private/web.key");
	ck_assert_uint_eq(definition.health.interval_us, 10000000);
	ck_assert_int_eq(definition.health.on_failure, HEALTH_ROLLBACK);
	ck_assert_str_eq(definition_value(&definition, "X-Service", "CPUQuota"), "150%");
}
END_TEST

START_TEST(what_is_printed_is_read_as_the_same)
{
	char *printed;

	ck_assert_int_eq(read_texts(web, NULL), 0);
	printed = definition_print(&arena, &definition, false);
	expect(printed, printed);
	/* What says where each line is from is a comment. */
	ck_assert_int_eq(read_texts(web, NULL), 0);
	expect(definition_print(&arena, &definition, true), printed);
}
END_TEST

START_TEST(of_a_key_with_one_value_the_last_counts)
{
	ck_assert_int_eq(read_texts("[X-Image]\nRoot=copy\n[Exec]\nBoot=yes\nEnvironment=A=1\n",
				    "[Exec]\nBoot=no\nEnvironment=B=2\n[X-Image]\nRoot=direct\n"),
			 0);
	ck_assert_str_eq(definition_print(&arena, &definition, false),
			 "[Exec]\nEnvironment=A=1\nBoot=no\nEnvironment=B=2\n\n"
			 "[X-Image]\nRoot=direct\n");
	ck_assert_int_eq(definition.spec->boot, TRISTATE_NO);
	ck_assert_uint_eq(definition.spec->environment.count, 2);
	ck_assert_str_eq(definition.items.items[1].file, "/etc/x/b.conf");
	ck_assert_uint_eq(definition.items.items[1].line, 2);
}
END_TEST

START_TEST(an_empty_value_drops_those_before)
{
	expect("[Exec]\nEnvironment=A=1\nEnvironment=\nEnvironment=B=2\nBoot=yes\nBoot=\n",
	       "[Exec]\nEnvironment=B=2\n");
	expect("[X-Service]\nMemoryMax=1G\nMemoryMax=\n", "");
	/* systemd's own keys are its business, and nothing at all is what may be reached. */
	expect("[X-Service]\nExecStartPre=/bin/a\nExecStartPre=\n[X-Network]\nEgress=\n",
	       "[X-Service]\nExecStartPre=/bin/a\nExecStartPre=\n\n[X-Network]\nEgress=\n");
	ck_assert(definition.spec->addressing.egress_set);
}
END_TEST

START_TEST(specifiers_are_resolved_but_in_units)
{
	expect("[Exec]\nHostname=%i-%H\nParameters=/a %m 100%% %n "
	       "%\n[X-Unit]\nAfter=%i-db.nspawn\n",
	       "[Exec]\nHostname=web-host\nParameters=/a 0123 100% %n %\n\n"
	       "[X-Unit]\nAfter=%i-db.nspawn\n");
	ck_assert_str_eq(definition_specifiers(&arena, "%i-db", "web", &facts), "web-db");
	ck_assert_str_eq(definition_specifiers(&arena, "%%i", "web", &facts), "%i");
}
END_TEST

START_TEST(extra_links_have_sections_of_their_own)
{
	ck_assert_int_eq(read_texts("[X-Network:lan1]\nAddress=10.0.0.2/24\nNames=WWW www\n"
				    "[X-Network:lan2]\nAddress=10.0.1.2/24\nBridge=br0\n"
				    "[X-Network]\nAddress=10.0.2.2/24\nNames=mail\n"
				    "[X-Network:lan1]\nAddress=fd00::1\n",
				    NULL),
			 0);
	ck_assert_uint_eq(definition.network_count, 2);
	ck_assert_str_eq(definition.networks[0].link, "lan1");
	ck_assert_uint_eq(definition.networks[0].addresses->addresses.count, 2);
	ck_assert_uint_eq(definition.names.count, 2);
	ck_assert(text_list_has(&definition.names, "www"));
	ck_assert(text_list_has(&definition.names, "mail"));
	ck_assert_uint_eq(definition.networks[1].addresses->addresses.count, 1);
	ck_assert_uint_eq(definition.primary.addresses->addresses.count, 1);
	ck_assert_uint_eq(definition.items.count, 7);
	ck_assert_ptr_null(definition.spec->network_bridge);
}
END_TEST

START_TEST(only_what_names_an_image_is_managed)
{
	expect("[X-Image]\n", "[X-Image]\n");
	ck_assert(definition.managed && definition.image.root == ROOT_DIRECT);
	expect("[Exec]\nBoot=yes\n", "[Exec]\nBoot=yes\n");
	ck_assert(!definition.managed);
	ck_assert_int_eq(read_texts("[X-Nix]\nProfile=/nix/var/nix/profiles/x\n", NULL), 0);
	ck_assert(definition.managed);
}
END_TEST

START_TEST(what_belongs_to_others_is_left_out)
{
	static const char *const sections[] = { "X-Git", "X-Lab",	"X-Wiki",
						"X-Foo", "X-Unix-Team", "X-Role" };

	expect("[X-Backup]\nWhen=daily\n[Exec]\nX-Note=hello\nBoot=yes\n", "[Exec]\nBoot=yes\n");
	for (size_t i = 0; i < ARRAY_SIZE(sections); i++)
		expect(arena_format(&arena, "[%s]\na=b\n", sections[i]), "");
}
END_TEST

START_TEST(what_systemd_alone_knows_is_its_business)
{
	static const char *const texts[] = {
		"[X-Service]\nNice=5\n",
		"[X-Service]\nMemoryKSM=yes\n",
		"[X-Service]\nTimeoutAbortSec=5\n",
		"[X-Service]\nRestartSteps=5\n",
		"[X-Service]\nRestart=on-watchdog\n",
		"[X-Service]\nTimeoutStopSec=1min 30s\n",
		"[X-Service]\nCPUWeight=idle\n",
		"[X-Service]\nTasksMax=infinity\n",
		"[X-Service]\nDeviceAllow=char-pts\n",
		"[X-Unit]\nWantsMountsFor=/srv\n",
		"[X-Unit]\nRequisite=a.service\n",
		"[X-Unit]\nOnFailure=a.service\n",
		"[X-Install]\nAlias=a.service\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		expect(texts[i], texts[i]);
}
END_TEST

START_TEST(slips_are_told_with_what_was_meant)
{
	expect_refusal("[X-Image]\nSorce=dir:/srv\n",
		       "cannot use '/etc/x/web.nspawn' line 2: there is no setting 'Sorce=' in "
		       "[X-Image] (try 'Source=')");
	expect_refusal("[Exec]\n\nBot=yes\n",
		       "cannot use '/etc/x/web.nspawn' line 3: there is no setting 'Bot=' in "
		       "[Exec] (try 'Boot=')");
	expect_refusal("[X-Imag]\nSource=dir:/srv\n",
		       "cannot use '/etc/x/web.nspawn' line 1: there is no section [X-Imag] (try "
		       "[X-Image])");
	expect_refusal("[X-Network]\nAdress=auto\n",
		       "cannot use '/etc/x/web.nspawn' line 2: there is no setting 'Adress=' in "
		       "[X-Network] (try 'Address=')");
	expect_refusal("[X-Helth]\nCommand=a\n",
		       "cannot use '/etc/x/web.nspawn' line 1: there is no section [X-Helth] (try "
		       "[X-Health])");
	expect_refusal("[Image]\nSource=dir:/srv\n",
		       "cannot use '/etc/x/web.nspawn' line 1: there is no section [Image] (try "
		       "[X-Image])");
	expect_refusal("[X-Service]\nMemroyMax=1G\n",
		       "cannot use '/etc/x/web.nspawn' line 2: there is no setting 'MemroyMax=' in "
		       "[X-Service] (try 'MemoryMax=')");
	expect_refusal("[X-Unit]\nRequire=db.nspawn\n",
		       "cannot use '/etc/x/web.nspawn' line 2: there is no setting 'Require=' in "
		       "[X-Unit] (try 'Requires=')");
	expect_refusal(
		"[X-Service]\nMemoryMax=1Q\n",
		"cannot use '/etc/x/web.nspawn' line 2: 'MemoryMax=1Q': not a value for this "
		"setting (expected SIZE)");
	expect_refusal("[X-Service]\nRestartSec=x\n",
		       "cannot use '/etc/x/web.nspawn' line 2: 'RestartSec=x': not a time, as in "
		       "'1min 30s' (expected TIME)");
	expect_refusal("[X-Image]\nRoot=fast\n",
		       "cannot use '/etc/x/web.nspawn' line 2: 'Root=fast': this word is not known "
		       "here (one of overlay, copy, ephemeral or direct)");
	expect_refusal(
		"[X-Image]\nSource=web:12\n",
		"cannot use '/etc/x/web.nspawn' line 2: 'Source=web:12': it begins with none "
		"of dir:, tar:, raw:, oci:, oci-layout:, nix:, nix-profile:, snapshot: "
		"(expected KIND:PLACE)");
	expect_refusal("Boot=yes\n", "cannot use '/etc/x/web.nspawn' line 1: 'Boot=' stands before "
				     "the first section");
	expect_refusal("[Exec]\nBoot\n",
		       "cannot use '/etc/x/web.nspawn' line 2: there is no '=' in it");
}
END_TEST

#define WORDS "a a a a a a a a a a a a a a a a "

START_TEST(bad_values_of_ours_are_refused)
{
	static const char *const texts[] = {
		"[X-Image]\nSource=dir:srv\n",
		"[X-Image]\nSource=nix:/srv\n",
		"[X-Image]\nSource=tar:ftp://example.org/a.tar\n",
		"[X-Image]\nSource=snapshot:../x\n",
		"[X-Image]\nDigest=sha256:12\n",
		"[X-Image]\nPersist=/\n",
		"[X-Image]\nPersist=/var /var/log\n",
		"[X-Image]\nPersist=/a/../b\n",
		"[X-Image]\nRoot=direct\nPersist=/var\n",
		"[X-Health]\nInterval=0\n",
		"[X-Health]\nRetries=0\n",
		"[X-Health]\nCommand=\"a\n",
		/* What the runner would go on without. */
		"[X-Health]\nInterval=5ms\n",
		"[X-Health]\nTimeout=infinity\n",
		"[X-Health]\nStartPeriod=60d\n",
		"[X-Health]\nRetries=1001\n",
		"[X-Health]\nCommand=" WORDS WORDS WORDS WORDS "a\n",
		"[X-Credential]\nLoad=a\n",
		"[X-Credential]\nLoad=a:b\n",
		"[X-Credential]\nSet=a:1\nSet=a:2\n",
		"[X-Network:a/b]\nAddress=auto\n",
		"[X-Network]\nAddress=10.0.0.300\n",
		"[X-Unit]\nNot A Key=1\n",
		"[X-Service]\nCPUQuota=abc\n",
		"[X-Service]\nTasksMax=-1\n",
		"[X-Service]\nRestart=sometimes\n",
		"[X-Service]\nTimeoutStartSec=x\n",
		"[X-Service]\nOOMScoreAdjust=5000\n",
		"[X-Service]\nDevicePolicy=open\n",
		"[X-Service]\nDeviceAllow=null rwm\n",
		"[X-Service]\nIOReadBandwidthMax=1M\n",
		"[Exec]\nBoot=perhaps\n",
		"[Exec]\nBoot=yes\nProcessTwo=yes\n",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		ck_assert_msg(read_texts(texts[i], NULL) < 0, "accepted: %s", texts[i]);
}
END_TEST

START_TEST(health_is_what_the_runner_makes_of_it)
{
	struct health runners;

	health_init(&runners);
	ck_assert_int_eq(read_texts("[X-Health]\nCommand=/bin/true 'a b'\n", NULL), 0);
	ck_assert_uint_eq(definition.health.command.count, 2);
	ck_assert_uint_eq(definition.health.interval_us, runners.interval_us);
	ck_assert_uint_eq(definition.health.timeout_us, runners.timeout_us);
	ck_assert_uint_eq(definition.health.retries, runners.retries);
	expect_refusal("[X-Health]\nTimeout=infinity\n",
		       "cannot use '/etc/x/web.nspawn' line 2: 'Timeout=infinity': not a time "
		       "between 100ms and 30 days (expected TIME)");
}
END_TEST

START_TEST(one_line_is_one_line)
{
	expect_refusal("[X-Unit]\nDescription=x\r[Service]\rExecStartPre=/bin/sh\n",
		       "cannot use '/etc/x/web.nspawn' line 2: there is a control character in "
		       "'Description='");
	ck_assert_int_lt(read_texts("[X-Service]\nA\rB=x\n", NULL), 0);
	ck_assert_int_lt(read_texts("[Exec]\nHostname=a\x1b\n", NULL), 0);
	expect("[X-Unit]\r\nDescription=a\tb\r\n", "[X-Unit]\nDescription=a\tb\n");
}
END_TEST

int main(void)
{
	return UNIT_RUN("declare/definition", an_example_is_understood,
			what_is_printed_is_read_as_the_same,
			of_a_key_with_one_value_the_last_counts, an_empty_value_drops_those_before,
			specifiers_are_resolved_but_in_units,
			extra_links_have_sections_of_their_own, only_what_names_an_image_is_managed,
			what_belongs_to_others_is_left_out,
			what_systemd_alone_knows_is_its_business,
			slips_are_told_with_what_was_meant, bad_values_of_ours_are_refused,
			health_is_what_the_runner_makes_of_it, one_line_is_one_line);
}
