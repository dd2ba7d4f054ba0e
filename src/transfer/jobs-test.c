#include "transfer/jobs.h"

#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "io/scratch.h"

static struct arena arena;

/* A runtime directory a case. */
static const char *runtime(const char *name)
{
	return arena_format(&arena, "%s/%s", scratch_path, name);
}

static void add(int *ret_fd, struct jobs_entry *entry, const char *where)
{
	int r = jobs_add(&arena, ret_fd, entry, where);

	ck_assert_msg(r == 0, "%s", fail_recorded()->text);
}

static size_t list(struct jobs_entry **ret, const char *where)
{
	size_t count;

	ck_assert_int_eq(jobs_list(&arena, ret, &count, where), 0);
	return count;
}

START_TEST(what_is_noted_is_listed_by_id)
{
	struct jobs_entry one = { .type = "import-tar", .class = "machine", .local = "web" };
	struct jobs_entry two = { .type = "pull-raw",
				  .remote = "http://localhost/\n y",
				  .pool = "/p" };
	struct jobs_entry *entries;
	const char *where = runtime("list");
	int first, second;

	ck_assert_uint_eq(list(&entries, where), 0);
	add(&first, &one, where);
	add(&second, &two, where);
	jobs_note(second, 30, 100);
	ck_assert_uint_eq(list(&entries, where), 2);
	ck_assert_uint_eq(entries[0].id, one.id);
	ck_assert_uint_gt(entries[1].id, one.id);
	ck_assert_str_eq(entries[0].type, "import-tar");
	ck_assert_str_eq(entries[0].class, "machine");
	ck_assert_str_eq(entries[0].local, "web");
	ck_assert_ptr_null(entries[0].remote);
	ck_assert_uint_eq(entries[0].total, 0);
	ck_assert_str_eq(entries[1].remote, "http://localhost/  y");
	ck_assert_str_eq(entries[1].pool, "/p");
	ck_assert_uint_eq(entries[1].done, 30);
	ck_assert_uint_eq(entries[1].total, 100);
	ck_assert_int_eq(entries[1].pid, getpid());
	ck_assert(entries[0].alive && entries[1].alive);
	jobs_forget(where, one.id);
	ck_assert_uint_eq(list(&entries, where), 1);
}
END_TEST

START_TEST(ids_are_not_used_again)
{
	struct jobs_entry one = { .type = "t" }, two = { .type = "t" };
	const char *where = runtime("ids");
	int fd;

	add(&fd, &one, where);
	jobs_forget(where, one.id);
	fd_close(&fd);
	add(&fd, &two, where);
	ck_assert_uint_eq(two.id, one.id + 1);
}
END_TEST

START_TEST(what_is_transferred_already_is_refused)
{
	struct jobs_entry one = { .type = "pull-tar", .remote = "http://localhost" }, two = one;
	struct jobs_entry other = { .type = "pull-raw", .remote = "http://localhost" };
	const char *where = runtime("twice");
	int fd, more;

	add(&fd, &one, where);
	ck_assert_int_eq(jobs_add(&arena, &more, &two, where), -EALREADY);
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "transfer 1 does that already"));
	add(&more, &other, where);
	fd_close(&fd); /* dead now */
	add(&fd, &two, where);
}
END_TEST

static pid_t begin(struct jobs_entry *ret, const char *where, bool deaf)
{
	struct jobs_entry entry = { .type = "t" }, *entries;
	int ready[2], fd;
	char byte;
	pid_t child;

	ck_assert_int_eq(pipe(ready), 0);
	child = fork();
	if (child == 0) {
		signal(SIGTERM, deaf ? SIG_IGN : SIG_DFL);
		add(&fd, &entry, where);
		if (write(ready[1], "x", 1) == 1)
			for (;;)
				pause();
		_exit(1);
	}
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	ck_assert_uint_eq(list(&entries, where), 1);
	*ret = entries[0];
	return child;
}

static int ended_by(pid_t child)
{
	int status;

	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFSIGNALED(status));
	return WTERMSIG(status);
}

START_TEST(a_job_is_ended_by_its_id)
{
	const char *where = runtime("end");
	struct jobs_entry entry, cancelled, *entries;
	pid_t child = begin(&entry, where, false);

	ck_assert_int_eq(entry.pid, child);
	ck_assert_int_eq(jobs_cancel(&arena, &cancelled, where, entry.id), 0);
	ck_assert_int_eq(ended_by(child), SIGTERM);
	ck_assert_uint_eq(cancelled.id, entry.id);
	/* Its note stays until what it left was removed. */
	ck_assert_uint_eq(list(&entries, where), 1);
	ck_assert(!entries[0].alive);
	ck_assert_int_eq(jobs_cancel(&arena, &cancelled, where, entry.id), -ENXIO);
}
END_TEST

START_TEST(who_does_not_listen_is_killed)
{
	const char *where = runtime("deaf");
	struct jobs_entry entry, cancelled;
	pid_t child = begin(&entry, where, true);

	ck_assert_int_eq(jobs_cancel(&arena, &cancelled, where, entry.id), 0);
	ck_assert_int_eq(ended_by(child), SIGKILL);
}
END_TEST

/* What a worker does until the kernel has taken it away. */
static void die_slowly(int number)
{
	(void)number;
	usleep(300000);
	_exit(0);
}

static void begin_worker(int ready_fd)
{
	int fd;

	if (fork() != 0)
		return;
	signal(SIGUSR1, die_slowly);
	prctl(PR_SET_PDEATHSIG, SIGUSR1);
	fd = openat(scratch_fd, "growing", O_RDONLY | O_CLOEXEC);
	if (flock(fd, LOCK_EX) == 0 && write(ready_fd, "x", 1) == 1)
		for (;;)
			pause();
	_exit(1);
}

START_TEST(it_is_over_when_its_workers_are_gone)
{
	const char *where = runtime("workers");
	struct jobs_entry entry = { .type = "t" }, cancelled, *entries;
	int fd, lock_fd, ready[2];
	pid_t child;
	char byte;

	scratch_put("growing", "");
	ck_assert_int_eq(pipe(ready), 0);
	child = fork();
	if (child == 0) {
		signal(SIGTERM, SIG_DFL);
		add(&fd, &entry, where);
		begin_worker(ready[1]);
		for (;;)
			pause();
	}
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	ck_assert_uint_eq(list(&entries, where), 1);
	ck_assert_int_eq(jobs_cancel(&arena, &cancelled, where, entries[0].id), 0);
	lock_fd = openat(scratch_fd, "growing", O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(flock(lock_fd, LOCK_EX | LOCK_NB), 0);
	close(lock_fd);
	ck_assert_int_eq(ended_by(child), SIGTERM);
}
END_TEST

START_TEST(files_that_are_no_jobs_are_not_listed)
{
	const char *where = runtime("junk");
	struct jobs_entry one = { .type = "t" }, *entries;
	int fd;

	add(&fd, &one, where);
	scratch_put("junk/transfers/7", "");
	scratch_put("junk/transfers/8", "nonsense\n");
	scratch_put("junk/transfers/9", "1/2\nTYPE=x\n");
	scratch_put("junk/transfers/name", "1/2\nPID=1\nTYPE=x\n");
	ck_assert_uint_eq(list(&entries, where), 1);
	/* Left by who was killed while it noted itself. */
	ck_assert_int_lt(faccessat(scratch_fd, "junk/transfers/7", F_OK, 0), 0);
}
END_TEST

START_TEST(nobody_elses_directory_is_used)
{
	struct jobs_entry one = { .type = "t" };
	const char *where = runtime("others");
	int fd;

	if (geteuid() != 0)
		return;
	add(&fd, &one, where);
	ck_assert_int_eq(fchownat(scratch_fd, "others/transfers", 1234, 1234, 0), 0);
	ck_assert_int_eq(jobs_add(&arena, &fd, &one, where), -EPERM);
}
END_TEST

int main(void)
{
	return SCRATCH_RUN("transfer/jobs", what_is_noted_is_listed_by_id, ids_are_not_used_again,
			   what_is_transferred_already_is_refused, a_job_is_ended_by_its_id,
			   who_does_not_listen_is_killed, it_is_over_when_its_workers_are_gone,
			   files_that_are_no_jobs_are_not_listed, nobody_elses_directory_is_used);
}
