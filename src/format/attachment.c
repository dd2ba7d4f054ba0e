#include "format/attachment.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/names.h"

const char *const attachment_words[ATTACH_KINDS] = {
	[ATTACH_INTERFACE] = "interface", [ATTACH_MACVLAN] = "macvlan", [ATTACH_IPVLAN] = "ipvlan",
	[ATTACH_BRIDGE] = "bridge",	  [ATTACH_ZONE] = "zone",	[ATTACH_VETH] = "veth",
};

/* The next field of *TEXT, which is NULL behind the last. False: it is too long. */
static bool take(char *ret, size_t room, const char **text)
{
	size_t length = strcspn(*text, ":");

	if (length >= room)
		return false;
	memcpy(ret, *text, length);
	ret[length] = '\0';
	*text = (*text)[length] == ':' ? *text + length + 1 : NULL;
	return true;
}

/* A zone's is its bridge's, without what that begins with. */
static bool is_name(enum attachment_kind kind, const char *name)
{
	char bridge[ATTACHMENT_OF_ROOM + 3];

	if (kind == ATTACH_VETH)
		return name_is_interface(name);
	if (kind != ATTACH_ZONE)
		return name_is_alternative(name);
	snprintf(bridge, sizeof(bridge), "vz-%s", name);
	return *name != '\0' && name_is_interface(bridge);
}

static const char *judge(struct attachment *ret, const char *text)
{
	char word[ATTACHMENT_NAME_ROOM] = "";
	int kind = 0;

	if (!take(word, sizeof(word), &text))
		return "it is too long";
	while (kind < ATTACH_KINDS && strcmp(word, attachment_words[kind]) != 0)
		kind++;
	if (kind == ATTACH_KINDS)
		return "try interface:, macvlan:, ipvlan:, bridge:, zone: or veth";
	ret->kind = (enum attachment_kind)kind;
	if (text == NULL)
		return kind == ATTACH_VETH ? NULL : "it does not say of what";
	if (!take(ret->of, sizeof(ret->of), &text) || !is_name(ret->kind, ret->of))
		return "that is no name of an interface";
	if (text != NULL &&
	    (!take(ret->name, sizeof(ret->name), &text) || !name_is_interface(ret->name)))
		return "no interface of the machine can be called so";
	return text == NULL ? NULL : "it has too many parts";
}

int attachment_parse(struct attachment *ret, const char *text, const char **why)
{
	struct attachment parsed = { 0 };

	*why = judge(&parsed, text);
	if (*why != NULL)
		return -EINVAL;
	*ret = parsed;
	return 0;
}
