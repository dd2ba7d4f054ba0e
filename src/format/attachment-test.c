#include "format/attachment.h"

#include <errno.h>
#include <string.h>

#include "base/macros.h"
#include "base/unit.h"

START_TEST(each_kind_is_understood)
{
	static const struct {
		const char *text;
		struct attachment is;
	} cases[] = {
		{ "interface:eth1", { ATTACH_INTERFACE, "eth1", "" } },
		{ "interface:eth1:lan0", { ATTACH_INTERFACE, "eth1", "lan0" } },
		{ "macvlan:eth0", { ATTACH_MACVLAN, "eth0", "" } },
		{ "ipvlan:eth0:ip0", { ATTACH_IPVLAN, "eth0", "ip0" } },
		{ "bridge:br0", { ATTACH_BRIDGE, "br0", "" } },
		{ "interface:the-third-cable:a", { ATTACH_INTERFACE, "the-third-cable", "a" } },
		{ "macvlan:the-fourth-cable", { ATTACH_MACVLAN, "the-fourth-cable", "" } },
		{ "zone:web:host1", { ATTACH_ZONE, "web", "host1" } },
		{ "zone:7", { ATTACH_ZONE, "7", "" } },
		{ "zone:abcdefghijkl", { ATTACH_ZONE, "abcdefghijkl", "" } },
		{ "veth", { ATTACH_VETH, "", "" } },
		{ "veth:out", { ATTACH_VETH, "out", "" } },
		{ "veth:out:in", { ATTACH_VETH, "out", "in" } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct attachment found;
		const char *why;

		ck_assert_int_eq(attachment_parse(&found, cases[i].text, &why), 0);
		ck_assert_int_eq(found.kind, cases[i].is.kind);
		ck_assert_str_eq(found.of, cases[i].is.of);
		ck_assert_str_eq(found.name, cases[i].is.name);
	}
}
END_TEST

START_TEST(anything_else_is_refused_and_why)
{
	static const char *const bad[] = {
		"",
		"eth0",
		":",
		"zone",
		"zone:",
		"interface",
		"veth:",
		"veth::",
		"veth:out:",
		"veth:a:b:c",
		"zone:web:",
		"zone:a b",
		"zone:../x",
		"macvlan:/",
		"Zone:web",
		"interface:.",
		"bridge:br0:/",
		"zone:web:a%",
		"zone: web",
		"vethx",
		"bridge:\n0",
		"ipvlan::x",
		"zone:abcdefghijklm",
		"bridge:7",
		"veth:the-fourth-cable",
		"macvlan:eth0:the-fourth-cable",
	};
	struct attachment found = { .kind = ATTACH_ZONE };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		const char *why = NULL;

		ck_assert_msg(attachment_parse(&found, bad[i], &why) == -EINVAL, "'%s'", bad[i]);
		ck_assert_ptr_nonnull(why);
		ck_assert_int_eq(found.kind, ATTACH_ZONE);
	}
}
END_TEST

START_TEST(names_have_an_end)
{
	char text[400];
	struct attachment found;
	const char *why;

	memset(text, 'a', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	ck_assert_int_eq(attachment_parse(&found, text, &why), -EINVAL);
	memcpy(text, "veth:", 5);
	ck_assert_int_eq(attachment_parse(&found, text, &why), -EINVAL);
	memcpy(text, "veth:out:", 9);
	ck_assert_int_eq(attachment_parse(&found, text, &why), -EINVAL);
}
END_TEST

int main(void)
{
	return UNIT_RUN("format/attachment", each_kind_is_understood,
			anything_else_is_refused_and_why, names_have_an_end);
}
