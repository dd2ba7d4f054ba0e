#include "transfer/job.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "io/scratch.h"
#include "transfer/jobs.h"

static struct arena arena;

static const char *const environment[] = { "PATH=/usr/bin:/bin", NULL };

struct heard {
	uint32_t id;
	uint64_t done, total;
	char part[JOB_PART_ROOM];
	char log[4096];
	void (*then)(void); /* once it has begun */
};

static void hear_begun(void *context, uint32_t id)
{
	struct heard *heard = context;

	heard->id = id;
	if (heard->then != NULL)
		heard->then();
}

static void hear_progress(void *context, const char *part, uint64_t done, uint64_t total)
{
	struct heard *heard = context;

	heard->done = done;
	heard->total = total;
	snprintf(heard->part, sizeof(heard->part), "%s", part != NULL ? part : "");
}

static void hear_log(void *context, const char *text, size_t size)
{
	struct heard *heard = context;
	size_t used = strlen(heard->log);

	ck_assert_uint_lt(used + size, sizeof(heard->log));
	memcpy(heard->log + used, text, size);
}

static int run(enum job_end *ret, struct heard *heard, job_fn *function, const char *name)
{
	struct job_request request = {
		.runtime = arena_format(&arena, "%s/%s", scratch_path, name),
		.type = "test",
		.local = "web",
		.environment = environment,
		.run = function,
		.context = (void *)name,
	};
	struct job_watcher watcher = {
		.begun = hear_begun,
		.progress = hear_progress,
		.logged = hear_log,
		.context = heard,
	};

	return job_run(&arena, ret, &request, &watcher);
}

static size_t jobs(struct jobs_entry **ret, const char *name)
{
	size_t count;

	ck_assert_int_eq(jobs_list(&arena, ret, &count,
				   arena_format(&arena, "%s/%s", scratch_path, name)),
			 0);
	return count;
}

static int work(struct job *job, void *context)
{
	(void)context;
	job_progress(job, NULL, 5, 10);
	job_progress(job, "layer", 7, 7);
	log_warning("half way");
	return 0;
}

START_TEST(the_caller_hears_how_far_it_is_and_what_it_logs)
{
	struct heard heard = { 0 };
	struct jobs_entry *entries;
	enum job_end end;

	ck_assert_int_eq(run(&end, &heard, work, "work"), 0);
	ck_assert_int_eq(end, JOB_DONE);
	ck_assert_uint_eq(heard.id, 1);
	ck_assert_uint_eq(heard.done, 7);
	ck_assert_str_eq(heard.part, "layer");
	ck_assert_ptr_nonnull(strstr(heard.log, "half way"));
	ck_assert_uint_eq(jobs(&entries, "work"), 0);
}
END_TEST

static int fail_by_sentence(struct job *job, void *context)
{
	(void)job;
	(void)context;
	return fail_plain(-ENOSPC, "cannot write 'x': there is no room");
}

START_TEST(its_sentence_is_the_callers)
{
	struct heard heard = { 0 };
	enum job_end end;

	ck_assert_int_eq(run(&end, &heard, fail_by_sentence, "fails"), -ENOSPC);
	ck_assert_str_eq(fail_recorded()->text, "cannot write 'x': there is no room");
}
END_TEST

static int fail_without(struct job *job, void *context)
{
	(void)job;
	(void)context;
	return -EIO;
}

START_TEST(no_failure_is_without_a_sentence)
{
	struct heard heard = { 0 };
	enum job_end end;

	ck_assert_int_eq(run(&end, &heard, fail_without, "silent"), -EIO);
	ck_assert_str_eq(fail_recorded()->text, "cannot finish the transfer: Input/output error");
}
END_TEST

static int die(struct job *job, void *context)
{
	(void)job;
	(void)context;
	raise(SIGKILL);
	return 0;
}

START_TEST(a_killed_one_is_told_and_stays_noted_as_dead)
{
	struct heard heard = { 0 };
	struct jobs_entry *entries;
	enum job_end end;

	ck_assert_int_eq(run(&end, &heard, die, "dies"), 0);
	ck_assert_int_eq(end, JOB_KILLED);
	ck_assert_uint_eq(jobs(&entries, "dies"), 1);
	ck_assert(!entries[0].alive);
}
END_TEST

/* Of the case below: the job waits for this before it ends. */
static int gate[2];

static int wait_at_gate(struct job *job, void *context)
{
	char byte;

	(void)context;
	job_progress(job, "one", 10, 100);
	job_progress(job, "two", 20, 100);
	close(gate[1]);
	return read(gate[0], &byte, 1) == 0 ? 0 : -EPROTO;
}

static void interrupt(void)
{
	kill(getpid(), SIGINT);
}

START_TEST(an_interrupted_caller_leaves_it_going)
{
	struct heard heard = { .then = interrupt };
	struct jobs_entry *entries;
	enum job_end end;
	int status;

	ck_assert_int_eq(pipe(gate), 0);
	ck_assert_int_eq(run(&end, &heard, wait_at_gate, "left"), 0);
	ck_assert_int_eq(end, JOB_LEFT);
	ck_assert_uint_eq(jobs(&entries, "left"), 1);
	ck_assert(entries[0].alive);
	ck_assert_int_ne(getsid(entries[0].pid), getsid(0));
	close(gate[1]);
	ck_assert_int_eq(waitpid(entries[0].pid, &status, 0), entries[0].pid);
	ck_assert_int_eq(status, 0);
	ck_assert_uint_eq(jobs(&entries, "left"), 0);
}
END_TEST

static int sum_and_die(struct job *job, void *context)
{
	(void)context;
	job_progress(job, "one", 10, 100);
	job_progress(job, "two", 20, 100);
	raise(SIGKILL);
	return 0;
}

START_TEST(parts_add_up)
{
	struct heard heard = { 0 };
	struct jobs_entry *entries;
	enum job_end end;

	ck_assert_int_eq(run(&end, &heard, sum_and_die, "sum"), 0);
	ck_assert_uint_eq(jobs(&entries, "sum"), 1);
	ck_assert_uint_eq(entries[0].done, 30);
	ck_assert_uint_eq(entries[0].total, 200);
}
END_TEST

int main(void)
{
	return SCRATCH_RUN("transfer/job", the_caller_hears_how_far_it_is_and_what_it_logs,
			   its_sentence_is_the_callers, no_failure_is_without_a_sentence,
			   a_killed_one_is_told_and_stays_noted_as_dead,
			   an_interrupted_caller_leaves_it_going, parts_add_up);
}
