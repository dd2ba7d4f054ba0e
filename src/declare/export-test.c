/* Definitions in the words of other programs. */
#include <string.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/text.h"
#include "base/unit.h"
#include "declare/definition.h"
#include "declare/export.h"

static struct arena arena;

static const char web[] = "[Exec]\nProcessTwo=yes\nParameters=/bin/web '-x y' 50%%\nUser=www\n"
			  "Environment=A=1 'B=x $y'\nCapability=CAP_NET_ADMIN CAP_SYS_TIME\n"
			  "[Files]\nBindReadOnly=/srv/www:/var/www\nBind=+/a:/b\n"
			  "[Network]\nVirtualEthernet=yes\nPort=udp:127.0.0.1:5000-5001:53\n"
			  "[X-Image]\nSource=oci:example.org/web:12\nPersist=/var/log\n"
			  "[X-Credential]\nSet=key:secret\n"
			  "[X-Unit]\nAfter=db.nspawn network.target\n"
			  "[X-Service]\nMemoryMax=1G\nCPUQuota=150%\n"
			  "[X-Health]\nCommand=/bin/ok -q\nInterval=1min 30s\nOnFailure=rollback\n";

static struct export_result export_text(const char *text, enum export_format format)
{
	const struct definition_facts facts = { .machine_id = "0", .host_name = "host" };
	struct definition_items items = { 0 };
	struct export_result result = { 0 };
	struct definition definition;

	definition_add_text(&arena, &items, text, strlen(text), "web.nspawn");
	ck_assert_msg(definition_make(&arena, &definition, "web", "web.nspawn", &items, &facts) ==
				      0 &&
			      export_definition(&arena, &result, &definition, format) == 0,
		      "%s", fail_recorded()->text);
	return result;
}

START_TEST(a_quadlet_has_all_but_what_podman_cannot)
{
	struct export_result result = export_text(web, EXPORT_QUADLET);

	ck_assert_str_eq(result.text,
			 "[Unit]\nAfter=db.service network.target\n\n"
			 "[Container]\nContainerName=web\nRunInit=true\n"
			 "Exec=/bin/web '-x y' 50%%\nUser=www\nEnvironment=A=1 'B=x $y'\n"
			 "AddCapability=CAP_NET_ADMIN\nAddCapability=CAP_SYS_TIME\n"
			 "Volume=/srv/www:/var/www:ro\n"
			 "PublishPort=127.0.0.1:5000-5001:53-54/udp\n"
			 "Image=example.org/web:12\nVolume=web-var-log:/var/log\n"
			 "HealthCmd=/bin/ok -q\nHealthInterval=90s\n\n"
			 "[Service]\nMemoryMax=1G\nCPUQuota=150%\n");
	ck_assert_uint_eq(result.left.count, 3);
	ck_assert_str_eq(result.left.items[0], "[Files] Bind=+/a:/b");
	ck_assert_str_eq(result.left.items[1], "[X-Credential] Set=key:…");
	ck_assert_str_eq(result.left.items[2], "[X-Health] OnFailure=rollback");
}
END_TEST

START_TEST(a_compose_file_has_one_service)
{
	struct export_result result = export_text(web, EXPORT_COMPOSE);

	ck_assert_str_eq(result.text,
			 "services:\n  \"web\":\n    init: true\n    command:\n"
			 "      - \"/bin/web\"\n      - \"-x y\"\n      - \"50%\"\n"
			 "    user: \"www\"\n    environment:\n      - \"A=1\"\n"
			 "      - \"B=x $$y\"\n    cap_add:\n      - \"CAP_NET_ADMIN\"\n"
			 "      - \"CAP_SYS_TIME\"\n    volumes:\n"
			 "      - \"/srv/www:/var/www:ro\"\n      - \"web-var-log:/var/log\"\n"
			 "    ports:\n      - \"127.0.0.1:5000-5001:53-54/udp\"\n"
			 "    image: \"example.org/web:12\"\n    depends_on:\n      - \"db\"\n"
			 "    mem_limit: \"1073741824\"\n    cpus: \"1.50\"\n    healthcheck:\n"
			 "      test:\n        - \"CMD\"\n        - \"/bin/ok\"\n"
			 "        - \"-q\"\n      interval: \"90s\"\nvolumes:\n"
			 "  \"web-var-log\": {}\n");
	/* That a unit of the host comes first is not said either. */
	ck_assert_uint_eq(result.left.count, 4);
}
END_TEST

START_TEST(a_conf_of_nixos_has_options_for_the_rest)
{
	struct export_result result = export_text(
		"[Exec]\nBoot=yes\nPrivateUsers=no\nCapability=CAP_NET_ADMIN\n"
		"[Files]\nBind=/srv/a:/b\nTemporaryFileSystem=/t:mode=0755\n"
		"[Network]\nVirtualEthernet=yes\nPort=8080:80\nPort=8081:81\n"
		"[X-Network]\nHostAddress=10.0.0.1\nAddress=10.0.0.2 fd00::2/64\nDNS=auto\n"
		"[X-Image]\nSource=nix:/nix/store/a-system\n[X-Install]\nWantedBy=x.target\n",
		EXPORT_NIXOS_CONF);

	ck_assert_str_eq(
		result.text,
		"PRIVATE_NETWORK=1\nHOST_ADDRESS=10.0.0.1\nLOCAL_ADDRESS=10.0.0.2\n"
		"HOST_PORT=8080:80,8081:81\nAUTO_START=1\nSYSTEM_PATH=/nix/store/a-system\n"
		"LOCAL_ADDRESS6=fd00::2/64\nPRIVATE_USERS=no\n"
		"EXTRA_NSPAWN_FLAGS=--capability=CAP_NET_ADMIN --bind=/srv/a:/b "
		"--tmpfs=/t:mode=0755\n");
	ck_assert_uint_eq(result.left.count, 1);
	ck_assert_str_eq(result.left.items[0], "[X-Network] DNS=auto");
}
END_TEST

START_TEST(a_bundle_runs_the_command)
{
	struct export_result result = export_text(web, EXPORT_OCI);

	ck_assert_ptr_nonnull(strstr(result.text, "\"args\": [\n\t\t\t\"/bin/web\",\n\t\t\t\"-x y\""
						  ",\n\t\t\t\"50%\"\n\t\t]"));
	ck_assert_ptr_nonnull(strstr(result.text, "\"limit\": 1073741824"));
	ck_assert_ptr_nonnull(strstr(result.text, "\"quota\": 150000"));
	ck_assert_ptr_null(strstr(result.text, "\"/b\""));
	result = export_text("[X-Image]\n[Exec]\nBoot=yes\n", EXPORT_OCI);
	ck_assert_ptr_nonnull(strstr(result.text, "\"/sbin/init\""));
	ck_assert_uint_eq(result.left.count, 0);
}
END_TEST

int main(void)
{
	return UNIT_RUN("declare/export", a_quadlet_has_all_but_what_podman_cannot,
			a_compose_file_has_one_service, a_conf_of_nixos_has_options_for_the_rest,
			a_bundle_runs_the_command);
}
