/* net/firewall-build - from facts about machines to transactions of the packet filter. Quiet. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "kernel/nftables.h"
#include "net/firewall-elements.h"

struct firewall_machine;

enum firewall_deed {
	FIREWALL_PUT,	   /* there afterwards */
	FIREWALL_TAKE_OUT, /* not there afterwards, whether it was or not */
	FIREWALL_RENEW,	   /* there for its full time */
};

#define FIREWALL_LEFT_OUT_MAX 16

struct firewall_build {
	struct nftables nftables;
	enum firewall_deed deed;
	bool shared;	      /* take out what others on the bridge have as well */
	unsigned int count;   /* elements so far */
	unsigned int watched; /* a message by its number (netlink->failed) … */
	bool hit;
	unsigned int hit_number;	     /* … which of the elements it was about, … */
	struct firewall_element hit_element; /* … and that (without a chain's name) */
	/* elements, by their number, that are not wanted */
	unsigned int left_out[FIREWALL_LEFT_OUT_MAX];
	size_t left_out_count;
};

/* Bytes that are enough for the tables, and for everything of these machines. */
size_t firewall_build_room(const struct firewall_machine *machines, size_t count);

/* Begin in SIZE bytes at ROOM; what was left out stays so. */
void firewall_build_begin(struct firewall_build *build, enum firewall_deed deed, void *room,
			  size_t size, uint32_t generation);

/* Which of the tables; that of bridges alone beside an inet that was made without. The first
 * message makes the first of them. */
void firewall_build_tables(struct firewall_build *build, bool inet, bool bridges);
void firewall_build_machine(struct firewall_build *build, const struct firewall_machine *machine);

/* The chain of a machine that has one, with its rules, before anything leads there. */
void firewall_build_chain(struct firewall_build *build, const struct firewall_machine *machine);

/* AFTER in the place of BEFORE. What both have is not touched: whoever looks for it while the
 * kernel goes from one generation to the next may find neither what was taken out nor what was put,
 * and a chain that was made in the same transaction is still empty for him. */
void firewall_build_exchange(struct firewall_build *build, const struct firewall_machine *before,
			     const struct firewall_machine *after);

/* What follows is about the table that SET is in. */
void firewall_build_use(struct nftables *nftables, enum firewall_set set);

/* For firewall_elements_port() and so on, with the build as CONTEXT. */
void firewall_build_element(const struct firewall_element *element, void *context);
