#include "transfer/oci-ask.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/macros.h"
#include "base/text.h"
#include "io/clock.h"
#include "io/fd.h"
#include "transfer/oci-read.h"

#define PARALLEL 8
#define SHARE_US (3 * UINT64_C(1000000)) /* while somebody waits, an answer may take this long */

struct asking {
	struct oci_ask *item; /* NULL: none */
	uint64_t since_us;
	struct registry registry;
	int document;
};

struct oci_asking {
	struct arena *arena;
	const struct download_trust *trust;
	struct oci_wanted wanted;
	struct oci_ask *items;
	size_t count, waiting;
	bool *asked;   /* each, or it is not to be */
	size_t *first; /* for each, the first one of its registry */
	size_t *owing; /* answers of a registry, by its first one */
	struct asking at_once[PARALLEL];
};

static size_t *owing_of(const struct oci_asking *all, const struct oci_ask *item)
{
	return &all->owing[all->first[item - all->items]];
}

static void note_why(const struct oci_asking *all, struct oci_ask *item)
{
	item->why = arena_text(all->arena, fail_recorded()->text);
	fail_forget();
}

static int begin(const struct oci_asking *all, struct asking *one)
{
	const struct imageref *ref = &one->item->ref;
	const char *name = ref->digest.text[0] != '\0' ? ref->digest.text : ref->tag;
	struct registry_question question = {
		.verb = REGISTRY_GET_MANIFEST,
		.id = 1,
		.size = OCI_DOCUMENT_MAX,
	};
	int r;

	memcpy(question.reference, name, strlen(name) + 1);
	one->document = memfd_create("document", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (one->document < 0)
		return fail(-errno, "cannot make a file for a document");
	r = registry_open(all->arena, &one->registry, ref, &one->item->login, all->trust, false,
			  NULL);
	return r < 0 ? r : registry_put(&one->registry, &question, one->document);
}

/* Of an index, that of the image that a pull would choose. */
static int take(const struct oci_asking *all, struct asking *one,
		const struct registry_answer *answer)
{
	struct oci_document document;
	struct digest digest;
	int r = oci_seal(one->document);

	if (r >= 0)
		r = oci_hash(&digest, one->document);
	if (r >= 0)
		r = oci_read_document(all->arena, &document, one->document, answer->type,
				      &all->wanted);
	if (r < 0)
		return r;
	if (document.is_index && document.chosen.media == OCI_INDEX)
		return fail_plain(-EOPNOTSUPP, "cannot tell which image it is: there is an index "
					       "in an index");
	one->item->digest = document.is_index ? document.chosen.digest : digest;
	return 0;
}

static void end(struct asking *one)
{
	registry_done(&one->registry);
	one->registry = (struct registry)REGISTRY_EMPTY;
	fd_close(&one->document);
	one->item = NULL;
}

static void hear(const struct oci_asking *all, struct asking *one)
{
	struct registry_answer answer;
	int r = registry_hear(&one->registry, &answer);

	if (r == 0)
		return;
	if (r > 0)
		r = take(all, one, &answer);
	if (r < 0)
		note_why(all, one->item);
	--*owing_of(all, one->item);
	end(one);
}

/* Of the registry that owes the fewest answers: one that gives none is not in others' way. NULL:
 * all were asked. */
static struct oci_ask *choose(struct oci_asking *all)
{
	struct oci_ask *best = NULL;

	for (size_t i = 0; i < all->count; i++)
		if (!all->asked[i] &&
		    (best == NULL || *owing_of(all, &all->items[i]) < *owing_of(all, best)))
			best = &all->items[i];
	if (best == NULL)
		return NULL;
	all->asked[best - all->items] = true;
	all->waiting--;
	++*owing_of(all, best);
	best->why = arena_format(all->arena, "the registry '%s' gave no answer in time",
				 best->ref.registry);
	return best;
}

/* How many are being asked. */
static size_t fill(struct oci_asking *all)
{
	size_t asked = 0;

	for (size_t i = 0; i < PARALLEL; i++) {
		struct asking *one = &all->at_once[i];

		while (one->item == NULL && (one->item = choose(all)) != NULL) {
			one->since_us = clock_monotonic_us();
			if (begin(all, one) >= 0)
				break;
			note_why(all, one->item);
			--*owing_of(all, one->item);
			end(one);
		}
		asked += one->item != NULL;
	}
	return asked;
}

/* For as many as wait. What such a registry owes, it goes on owing. */
static void make_room(struct oci_asking *all)
{
	uint64_t now = clock_monotonic_us();
	size_t wanted = all->waiting;

	for (size_t i = 0; i < PARALLEL && wanted > 0; i++)
		if (all->at_once[i].item != NULL && now - all->at_once[i].since_us >= SHARE_US) {
			end(&all->at_once[i]);
			wanted--;
		}
}

/* Until the first of them says something or has to make room. 0: not in time. */
static int wait_for(struct oci_asking *all, uint64_t until)
{
	struct pollfd waits[PARALLEL];
	uint64_t now = clock_monotonic_us(), next = until;
	int r;

	for (size_t i = 0; i < PARALLEL; i++)
		waits[i] = (struct pollfd){
			.fd = all->at_once[i].item != NULL
				      ? worker_fd(&all->at_once[i].registry.worker)
				      : -1,
			.events = POLLIN,
		};
	for (size_t i = 0; i < PARALLEL; i++)
		if (all->at_once[i].item != NULL && all->waiting > 0)
			next = MIN(next, all->at_once[i].since_us + SHARE_US);
	if (now >= until)
		return 0;
	do
		r = poll(waits, PARALLEL, next <= now ? 0 : (int)((next - now) / 1000) + 1);
	while (r < 0 && errno == EINTR);
	for (size_t i = 0; i < PARALLEL; i++)
		if (all->at_once[i].item != NULL && waits[i].revents != 0)
			hear(all, &all->at_once[i]);
	return r < 0 ? 0 : r > 0 || next < until;
}

/* Nobody was asked yet. */
static void begin_all(struct oci_asking *all)
{
	all->asked = arena_take_array(all->arena, all->count, sizeof(*all->asked));
	all->first = arena_take_array(all->arena, all->count, sizeof(*all->first));
	all->owing = arena_take_array(all->arena, all->count, sizeof(*all->owing));
	for (size_t i = 0; i < all->count; i++) {
		struct oci_ask *item = &all->items[i];

		while (!text_equal(all->items[all->first[i]].ref.registry, item->ref.registry))
			all->first[i]++;
		item->digest = (struct digest){ 0 };
		all->asked[i] = item->why != NULL;
		if (all->asked[i])
			continue;
		all->waiting++;
		item->why =
			arena_format(all->arena,
				     "the registry '%s' was not asked: others took all the time "
				     "for their answers",
				     item->ref.registry);
	}
	for (size_t i = 0; i < PARALLEL; i++)
		all->at_once[i] = (struct asking){ .registry = REGISTRY_EMPTY, .document = -EBADF };
}

void oci_ask(struct arena *arena, struct oci_ask *items, size_t count,
	     const struct download_trust *trust, uint64_t timeout_us)
{
	struct oci_asking all = { .arena = arena, .trust = trust, .items = items, .count = count };
	uint64_t until = clock_monotonic_us() + timeout_us;

	oci_wanted_here(&all.wanted);
	begin_all(&all);
	while (fill(&all) > 0 && wait_for(&all, until) > 0)
		make_room(&all);
	for (size_t i = 0; i < PARALLEL; i++)
		end(&all.at_once[i]);
}
