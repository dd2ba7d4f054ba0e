#include <stdio.h>
#include <unistd.h>

#include "base/arena.h"
#include "io/scratch.h"
#include "kernel/process.h"
#include "machine/record.h"
#include "machine/refusals.h"
#include "machine/watch.h"

static struct arena arena;
static const struct text_list all;

/* "KIND NAME" of the next event, or "" when there is none. */
static const char *next(struct watch *watch)
{
	struct watch_event event;
	int r = watch_next(watch, &event, 100);

	ck_assert_int_ge(r, 0);
	return r == 0 ? ""
		      : arena_format(&arena, "%s %s", watch_kind_name(event.kind), event.machine);
}

static void note_own_leader(struct record *record)
{
	uint64_t start;

	ck_assert_int_eq(process_start_time(getpid(), &start), 0);
	ck_assert_int_eq(record_leader(record, getpid(), start), 0);
}

START_TEST(a_machine_opens_starts_is_ready_and_ends)
{
	struct record record;
	struct watch watch;

	ck_assert_int_eq(watch_open(&watch, scratch_path, &all), 0);
	ck_assert_str_eq(next(&watch), "");
	ck_assert_int_eq(record_create(&arena, &record, scratch_path, "web"), 0);
	ck_assert_str_eq(next(&watch), "opening web");
	note_own_leader(&record);
	ck_assert_str_eq(next(&watch), "started web");
	ck_assert_int_eq(record_note(&record, RECORD_READY, "5 6"), 0);
	ck_assert_str_eq(next(&watch), "ready web");
	ck_assert_int_eq(record_note(&record, RECORD_STOPPING, "7 8"), 0);
	ck_assert_str_eq(next(&watch), "stopping web");
	ck_assert_int_eq(record_note(&record, RECORD_UNIT, "x.service"), 0);
	ck_assert_str_eq(next(&watch), "");
	record_remove(&record);
	ck_assert_str_eq(next(&watch), "ended web");
	ck_assert_str_eq(next(&watch), "");
	watch_done(&watch);
}
END_TEST

START_TEST(one_that_is_gone_before_anybody_looks_is_told)
{
	struct record record;
	struct watch watch;

	ck_assert_int_eq(watch_open(&watch, scratch_path, &all), 0);
	ck_assert_str_eq(next(&watch), "");
	ck_assert_int_eq(record_create(&arena, &record, scratch_path, "brief"), 0);
	note_own_leader(&record);
	record_remove(&record);
	ck_assert_str_eq(next(&watch), "opening brief");
	ck_assert_str_eq(next(&watch), "ended brief");
	ck_assert_str_eq(next(&watch), "");
	watch_done(&watch);
}
END_TEST

START_TEST(what_is_there_is_told_first)
{
	struct record one, two;
	struct watch watch;

	ck_assert_int_eq(record_create(&arena, &one, scratch_path, "one"), 0);
	note_own_leader(&one);
	ck_assert_int_eq(record_create(&arena, &two, scratch_path, "two"), 0);
	ck_assert_int_eq(watch_open(&watch, scratch_path, &all), 0);
	next(&watch);
	ck_assert_ptr_nonnull(strstr(next(&watch), "running "));
	note_own_leader(&two);
	ck_assert_str_eq(next(&watch), "started two");
	record_remove(&one);
	record_remove(&two);
	watch_done(&watch);
}
END_TEST

START_TEST(another_of_the_same_name_is_another)
{
	struct record record;
	struct watch watch;

	ck_assert_int_eq(record_create(&arena, &record, scratch_path, "again"), 0);
	note_own_leader(&record);
	ck_assert_int_eq(watch_open(&watch, scratch_path, &all), 0);
	ck_assert_str_eq(next(&watch), "running again");
	record_remove(&record);
	ck_assert_int_eq(record_create(&arena, &record, scratch_path, "again"), 0);
	ck_assert_str_eq(next(&watch), "ended again");
	ck_assert_str_eq(next(&watch), "opening again");
	record_remove(&record);
	ck_assert_str_eq(next(&watch), "ended again");
	watch_done(&watch);
}
END_TEST

START_TEST(only_who_is_asked_for_is_told_of)
{
	char name[] = "mine";
	struct text_list names = { (char *[]){ name, NULL }, 1 };
	struct record mine, other;
	struct watch watch;

	ck_assert_int_eq(watch_open(&watch, scratch_path, &names), 0);
	ck_assert_int_eq(record_create(&arena, &other, scratch_path, "other"), 0);
	ck_assert_int_eq(record_create(&arena, &mine, scratch_path, "mine"), 0);
	ck_assert_str_eq(next(&watch), "opening mine");
	ck_assert_str_eq(next(&watch), "");
	record_remove(&mine);
	record_remove(&other);
	ck_assert_str_eq(next(&watch), "ended mine");
	watch_done(&watch);
}
END_TEST

static void refuse(struct refusals *refusals, const char *name)
{
	struct refusal refusal = { 0 };

	snprintf(refusal.name, sizeof(refusal.name), "%s", name);
	refusals_add(refusals, &refusal);
}

START_TEST(what_a_machine_is_refused_is_told_one_by_one)
{
	struct refusals web = REFUSALS_EMPTY;
	struct watch_event event;
	struct record record;
	struct watch watch;

	web.runtime = scratch_path;
	web.machine = "web";
	ck_assert_int_eq(record_create(&arena, &record, scratch_path, "web"), 0);
	note_own_leader(&record);
	refuse(&web, "before.example");
	ck_assert_int_eq(watch_open(&watch, scratch_path, &all), 0);
	ck_assert_str_eq(next(&watch), "running web");
	ck_assert_str_eq(next(&watch), "");
	for (int i = 0; i < 2 * WATCH_QUEUE_MAX; i++)
		refuse(&web, arena_format(&arena, "%d.example", i));
	for (int i = 0; i < 2 * WATCH_QUEUE_MAX; i++) {
		ck_assert_int_eq(watch_next(&watch, &event, 100), 1);
		ck_assert_int_eq(event.kind, WATCH_REFUSED);
		ck_assert_str_eq(event.machine, "web");
		ck_assert_str_eq(event.refusal->name, arena_format(&arena, "%d.example", i));
	}
	ck_assert_str_eq(next(&watch), "");
	refuse(&web, "last.example");
	refusals_done(&web);
	record_remove(&record);
	ck_assert_str_eq(next(&watch), "refused web");
	ck_assert_str_eq(next(&watch), "ended web");
	watch_done(&watch);
}
END_TEST

START_TEST(refusals_of_a_machine_that_began_later_are_all_told)
{
	struct refusals web = REFUSALS_EMPTY;
	struct record record;
	struct watch watch;

	ck_assert_int_eq(watch_open(&watch, scratch_path, &all), 0);
	web.runtime = scratch_path;
	web.machine = "web";
	ck_assert_int_eq(record_create(&arena, &record, scratch_path, "web"), 0);
	note_own_leader(&record);
	refuse(&web, "first.example");
	ck_assert_str_eq(next(&watch), "opening web");
	ck_assert_str_eq(next(&watch), "started web");
	ck_assert_str_eq(next(&watch), "refused web");
	ck_assert_str_eq(next(&watch), "");
	refusals_done(&web);
	record_remove(&record);
	ck_assert_str_eq(next(&watch), "ended web");
	watch_done(&watch);
}
END_TEST

/* Memory and descriptors are those of one machine, however many there were. */
START_TEST(memory_is_used_again)
{
	const struct arena_block *block = NULL;
	struct watch watch;

	ck_assert_int_eq(watch_open(&watch, scratch_path, &all), 0);
	for (int i = 0; i < 200; i++) {
		struct record record;

		ck_assert_int_eq(record_create(&arena, &record, scratch_path, "many"), 0);
		note_own_leader(&record);
		ck_assert_str_eq(next(&watch), "opening many");
		ck_assert_str_eq(next(&watch), "started many");
		record_remove(&record);
		ck_assert_str_eq(next(&watch), "ended many");
		if (i == 0)
			block = watch.arena.newest;
	}
	ck_assert_ptr_eq(watch.arena.newest, block);
	watch_done(&watch);
}
END_TEST

int main(void)
{
	return SCRATCH_RUN("machine/watch", a_machine_opens_starts_is_ready_and_ends,
			   one_that_is_gone_before_anybody_looks_is_told,
			   what_is_there_is_told_first, another_of_the_same_name_is_another,
			   only_who_is_asked_for_is_told_of,
			   what_a_machine_is_refused_is_told_one_by_one,
			   refusals_of_a_machine_that_began_later_are_all_told,
			   memory_is_used_again);
}
