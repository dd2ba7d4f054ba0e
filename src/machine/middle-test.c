#include "machine/middle.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/nsfs.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/unit.h"
#include "format/uplink.h"
#include "io/fd.h"
#include "kernel/fixture.h"
#include "kernel/namespace.h"
#include "kernel/process.h"

#undef fail /* an old macro of Check */

#define RUNTIME "/mnt/redd"
#define RECORDS RUNTIME "/machines"
#define LIST RECORDS "/.middle"
#define WAIT_US (50 * 1000)

static struct arena arena;

/* Root of a user namespace that may be looked at, as a supervisor without root is. */
static void begin(void)
{
	fixture_enter(0);
	ck_assert_int_eq(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0), 0);
}

/* ---- the list ---- */

static struct middle open_it(void)
{
	struct middle middle;

	fail_forget();
	ck_assert_msg(middle_open(&arena, &middle, RUNTIME) == 0, "%s", fail_recorded()->text);
	return middle;
}

static bool is_listed(void)
{
	autoclose int records = open(RECORDS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return middle_is_listed(records);
}

static const char *list(void)
{
	static char text[1024];
	autoclose int fd = open(LIST, O_RDONLY | O_CLOEXEC);
	ssize_t size = read(fd, text, sizeof(text) - 1);

	ck_assert_int_ge(size, 0);
	text[size] = '\0';
	return text;
}

static uint64_t start_of(pid_t pid)
{
	uint64_t start;

	ck_assert_int_eq(process_start_time(pid, &start), 0);
	return start;
}

static uint32_t number_of(int fd)
{
	uint32_t number;

	ck_assert_int_eq(namespace_number_of(&number, fd), 0);
	return number;
}

static uint64_t id; /* of the one that was made last */

static char *line(pid_t pid, uint64_t start, int net_fd, int fd, uint32_t slot)
{
	struct middle_member member = { pid, start, number_of(net_fd), (uint32_t)fd, id, slot };

	return middle_print(&arena, &member);
}

static int add(int records, pid_t pid, int net_fd)
{
	const struct middle middle = { .net_fd = net_fd, .id = id != 0 ? id : 77, .slot = 9 };

	return middle_add(&arena, records, &middle, pid, net_fd);
}

/* ---- who is in it ---- */

/* Has what we have but the lock. Dies with the case, as Check sees to. */
static pid_t holder(const struct middle *middle)
{
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid > 0)
		return pid;
	close(middle->list_fd);
	for (;;)
		pause();
}

static pid_t inhabitant(const struct middle *middle)
{
	int ends[2];
	char byte;
	pid_t pid;

	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		close(middle->list_fd);
		if (namespace_join(middle->net_fd, CLONE_NEWNET) < 0 || write(ends[1], "i", 1) != 1)
			_exit(1);
		close(middle->net_fd);
		for (;;)
			pause();
	}
	close(ends[1]);
	ck_assert_int_eq(read(ends[0], &byte, 1), 1);
	close(ends[0]);
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

/* One that nobody is in yet, and the lock. */
static struct middle make(void)
{
	struct middle middle = open_it();

	ck_assert_int_eq(middle.pid, 0);
	ck_assert_int_eq(middle_make(&middle), 0);
	id = middle.id;
	return middle;
}

/* With one process in it, and without the lock. */
static pid_t settle(uint32_t *ret_number)
{
	automiddle struct middle middle = make();
	pid_t pid = inhabitant(&middle);

	*ret_number = number_of(middle.net_fd);
	ck_assert_int_eq(middle_note(&arena, &middle, pid, middle.net_fd), 0);
	return pid;
}

START_TEST(at_first_there_is_none)
{
	struct middle middle;

	begin();
	middle = open_it();
	ck_assert_int_eq(middle.pid, 0);
	ck_assert_int_lt(middle.net_fd, 0);
	ck_assert_int_lt(middle.user_fd, 0);
	middle_close(&middle);
	middle_close(&middle);
}
END_TEST

START_TEST(it_is_made_beside_the_caller_and_belongs_to_its_user_namespace)
{
	struct middle middle;
	uint32_t here, there;
	autoclose int owner = -EBADF;

	begin();
	ck_assert_int_eq(namespace_own_number(&here, "net"), 0);
	middle = make();
	ck_assert_uint_ne(number_of(middle.net_fd), here);
	ck_assert_int_eq(namespace_own_number(&there, "net"), 0);
	ck_assert_uint_eq(here, there);
	owner = ioctl(middle.net_fd, NS_GET_USERNS);
	ck_assert_int_eq(namespace_own_number(&here, "user"), 0);
	ck_assert_uint_eq(number_of(owner), here);
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
	middle_close(&middle);
}
END_TEST

START_TEST(who_is_in_it_is_found)
{
	struct middle middle;
	uint32_t number, user;
	pid_t pid;

	begin();
	pid = settle(&number);
	middle = open_it();
	ck_assert_int_eq(middle.pid, pid);
	ck_assert_uint_eq(number_of(middle.net_fd), number);
	ck_assert_int_eq(namespace_own_number(&user, "user"), 0);
	ck_assert_uint_eq(number_of(middle.user_fd), user);
	middle_close(&middle);
}
END_TEST

START_TEST(who_only_holds_it_is_found_by_its_descriptor)
{
	struct middle middle;
	uint32_t number;
	pid_t pid;

	begin();
	middle = make();
	number = number_of(middle.net_fd);
	pid = holder(&middle);
	ck_assert_int_eq(middle_note(&arena, &middle, pid, middle.net_fd), 0);
	middle_close(&middle);
	middle = open_it();
	ck_assert_int_eq(middle.pid, pid);
	ck_assert_uint_eq(number_of(middle.net_fd), number);
	middle_close(&middle);
}
END_TEST

/* It was closed, and something else has its number. */
START_TEST(a_descriptor_of_something_else_is_not_it)
{
	static const char *const others[] = { "/proc/self/ns/net", "/dev/null", "/mnt" };
	struct middle middle;

	begin();
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		int other = open(others[i], O_RDONLY | O_CLOEXEC);
		pid_t pid;

		middle = make();
		pid = holder(&middle);
		ck_assert_int_eq(middle_note(&arena, &middle, pid, other), 0);
		middle_close(&middle);
		middle = open_it();
		ck_assert_int_eq(middle.pid, 0);
		ck_assert_int_lt(middle.net_fd, 0);
		middle_close(&middle);
		end(pid);
		close(other);
	}
}
END_TEST

START_TEST(the_dead_are_passed_over_and_struck_out)
{
	struct middle middle;
	pid_t gone, next, last;
	int net;

	begin();
	middle = make();
	net = fcntl(middle.net_fd, F_DUPFD_CLOEXEC, 3);
	gone = inhabitant(&middle);
	next = inhabitant(&middle);
	last = inhabitant(&middle);
	ck_assert_int_eq(middle_note(&arena, &middle, gone, 3), 0);
	ck_assert_int_eq(middle_note(&arena, &middle, next, 4), 0);
	middle_close(&middle);
	end(gone);
	middle = open_it();
	ck_assert_int_eq(middle.pid, next);
	ck_assert_int_eq(middle_note(&arena, &middle, last, 5), 0);
	ck_assert_str_eq(list(),
			 arena_format(&arena, "%s\n%s\n", line(next, start_of(next), net, 4, 0),
				      line(last, start_of(last), net, 5, 1)));
	middle_close(&middle);
	/* Not reaped yet, it is in none either. */
	kill(next, SIGKILL);
	ck_assert_int_eq(waitid(P_PID, (id_t)next, &(siginfo_t){ 0 }, WEXITED | WNOWAIT), 0);
	middle = open_it();
	ck_assert_int_eq(middle.pid, last);
	middle_close(&middle);
	end(last);
	middle = open_it();
	ck_assert_int_eq(middle.pid, 0);
	middle_close(&middle);
}
END_TEST

START_TEST(a_stranger_with_a_members_number_is_none)
{
	struct middle middle;
	pid_t pid;

	begin();
	middle = make();
	pid = inhabitant(&middle);
	fixture_write(LIST, line(pid, start_of(pid) + 1, middle.net_fd, middle.net_fd, 0));
	middle_close(&middle);
	middle = open_it();
	ck_assert_int_eq(middle.pid, 0);
	middle_close(&middle);
}
END_TEST

START_TEST(lines_that_are_none_are_skipped)
{
	struct middle middle;
	pid_t pid;
	const char *good, *text;

	begin();
	middle = make();
	pid = inhabitant(&middle);
	good = line(pid, start_of(pid), middle.net_fd, middle.net_fd, 0);
	text = arena_format(&arena, "\nnobody\n%d\n%d %" PRIu64 "\n0 0 0 0\n-1 2 3 4\n%s 5\n%s\n%d",
			    pid, pid, start_of(pid), good, good, pid);
	fixture_write(LIST, text);
	middle_close(&middle);
	middle = open_it();
	ck_assert_int_eq(middle.pid, pid);
	ck_assert_int_eq(middle_note(&arena, &middle, getpid(), middle.net_fd), 0);
	ck_assert_str_eq(list(), arena_format(&arena, "%s\n%s\n", good,
					      line(getpid(), start_of(getpid()), middle.net_fd,
						   middle.net_fd, middle.slot)));
	middle_close(&middle);
}
END_TEST

START_TEST(a_line_is_read_as_it_was_written)
{
	static const char *const wrong[] = { "",
					     "1",
					     "1 2 3 4 5",
					     "1 2 3 4 5 6 7",
					     "0 2 3 4 5 6",
					     "2147483648 2 3 4 5 6",
					     "1 2 4294967296 4 5 6",
					     "1 2 3 4294967296 5 6",
					     "1 -2 3 4 5 6",
					     "1 2 3 4x 5 6",
					     "0x1 2 3 4 5 6",
					     "1 2 3 4 0 6",
					     "1 2 3 4 5 4096" };
	const struct middle_member most = { INT32_MAX,	UINT64_MAX, UINT32_MAX,
					    UINT32_MAX, UINT64_MAX, UPLINK_SLOTS - 1 };
	struct middle_member member = { .pid = 77 };

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		ck_assert_msg(!middle_parse(&arena, &member, wrong[i]), "%s", wrong[i]);
	ck_assert_int_eq(member.pid, 77);
	ck_assert(middle_parse(&arena, &member, "1 2 3 4 5 6"));
	ck_assert(member.pid == 1 && member.start == 2 && member.number == 3 && member.fd == 4 &&
		  member.id == 5 && member.slot == 6);
	ck_assert(middle_parse(&arena, &member, middle_print(&arena, &most)));
	ck_assert(member.pid == most.pid && member.start == most.start &&
		  member.number == most.number && member.fd == most.fd && member.id == most.id &&
		  member.slot == most.slot);
}
END_TEST

START_TEST(the_list_goes_with_the_last)
{
	struct middle middle;
	pid_t one, two, gone;

	begin();
	ck_assert(!is_listed());
	middle_leave(&arena, RUNTIME, getpid());
	middle = make();
	one = inhabitant(&middle);
	two = inhabitant(&middle);
	gone = inhabitant(&middle);
	ck_assert_int_eq(middle_note(&arena, &middle, one, middle.net_fd), 0);
	ck_assert_int_eq(middle_note(&arena, &middle, two, middle.net_fd), 0);
	ck_assert_int_eq(middle_note(&arena, &middle, gone, middle.net_fd), 0);
	middle_close(&middle);
	end(gone);
	middle_leave(&arena, RUNTIME, getpid());
	middle_leave(&arena, RUNTIME, one);
	ck_assert(is_listed());
	middle = open_it();
	ck_assert_int_eq(middle.pid, two);
	middle_close(&middle);
	middle_leave(&arena, RUNTIME, two);
	ck_assert(!is_listed());
	middle_leave(&arena, RUNTIME, two);
}
END_TEST

START_TEST(who_comes_by_another_way_is_added)
{
	autoclose int records = -EBADF, net = -EBADF;
	struct middle middle;
	pid_t one, two;

	begin();
	middle = make();
	net = fcntl(middle.net_fd, F_DUPFD_CLOEXEC, 3);
	one = inhabitant(&middle);
	two = holder(&middle);
	ck_assert_int_eq(middle_note(&arena, &middle, one, 3), 0);
	middle_close(&middle);
	records = open(RECORDS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_eq(add(records, two, net), 0);
	end(one);
	middle = open_it();
	ck_assert_int_eq(middle.pid, two);
	ck_assert_uint_eq(number_of(middle.net_fd), number_of(net));
	middle_close(&middle);
	fail_forget();
	ck_assert_int_eq(add(-ENOENT, two, net), -ENOENT);
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "cannot look who is"));
	fail_forget();
	ck_assert_int_eq(add(records, one, net), -ESRCH);
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "cannot read who is"));
}
END_TEST

START_TEST(a_list_that_is_a_link_is_not_followed)
{
	struct middle middle;

	begin();
	middle = open_it();
	middle_close(&middle);
	ck_assert_int_eq(rename(LIST, "/mnt/elsewhere"), 0);
	ck_assert_int_eq(symlink("/mnt/elsewhere", LIST), 0);
	ck_assert_int_eq(middle_open(&arena, &middle, RUNTIME), -ELOOP);
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "cannot look for the network"));
	ck_assert_int_eq(middle_run(&arena, RUNTIME, 1, NULL, NULL), -ELOOP);
}
END_TEST

/* ---- the lock ---- */

/* Another process opens it; its list's inode comes by the pipe when it has the lock. */
static pid_t opener(const struct middle *middle, int *ret)
{
	struct middle own;
	struct stat st;
	int ends[2];
	pid_t pid;

	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		close(middle->list_fd);
		if (middle_open(&arena, &own, RUNTIME) < 0 || fstat(own.list_fd, &st) < 0 ||
		    write(ends[1], &st.st_ino, sizeof(st.st_ino)) != sizeof(st.st_ino))
			_exit(1);
		_exit(0);
	}
	close(ends[1]);
	*ret = ends[0];
	return pid;
}

static bool waits(int fd)
{
	return poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, WAIT_US / 1000) == 0;
}

static ino_t inode_from(int fd)
{
	ino_t inode;

	ck_assert_int_eq(read(fd, &inode, sizeof(inode)), sizeof(inode));
	return inode;
}

static ino_t inode_of(int fd)
{
	struct stat st;

	ck_assert_int_eq(fstat(fd, &st), 0);
	return st.st_ino;
}

START_TEST(one_looks_at_a_time)
{
	struct middle middle;
	ino_t inode;
	int other;

	begin();
	middle = open_it();
	inode = inode_of(middle.list_fd);
	opener(&middle, &other);
	ck_assert(waits(other));
	middle_close(&middle);
	ck_assert_uint_eq(inode_from(other), inode);
	close(other);
}
END_TEST

START_TEST(who_waited_for_a_list_that_is_gone_gets_the_new_one)
{
	autoclose int old = -EBADF;
	struct middle middle;
	struct stat st;
	int other;

	begin();
	middle = open_it();
	old = fcntl(middle.list_fd, F_DUPFD_CLOEXEC, 3); /* so that its inode is not used again */
	opener(&middle, &other);
	ck_assert(waits(other));
	ck_assert_int_eq(unlink(LIST), 0);
	ck_assert_int_eq(flock(middle.list_fd, LOCK_UN), 0);
	ck_assert_int_eq(stat(LIST, &st) == 0 || errno == ENOENT, 1);
	ck_assert_uint_ne(inode_from(other), inode_of(old));
	ck_assert_int_eq(stat(LIST, &st), 0);
	ck_assert_uint_ne(st.st_ino, inode_of(old));
	middle_close(&middle);
	close(other);
}
END_TEST

/* As a supervisor does: the lock is held until it is in the list. Its number, where others see it.
 */
static void come(uint32_t *ret)
{
	struct middle middle = open_it();
	int keep;

	if (middle.pid == 0)
		ck_assert_int_eq(middle_make(&middle), 0);
	keep = fcntl(middle.net_fd, F_DUPFD_CLOEXEC, 3);
	ck_assert_int_eq(middle_note(&arena, &middle, getpid(), keep), 0);
	__atomic_store_n(ret, number_of(keep), __ATOMIC_RELAXED);
	middle_close(&middle);
	for (;;)
		pause();
}

START_TEST(many_that_come_at_once_are_in_the_same)
{
	enum { MANY = 8 };
	uint32_t *numbers = mmap(NULL, MANY * sizeof(*numbers), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pids[MANY];

	begin();
	for (int i = 0; i < MANY; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			come(&numbers[i]);
	}
	for (int i = 0; i < MANY; i++) {
		while (__atomic_load_n(&numbers[i], __ATOMIC_RELAXED) == 0)
			usleep(1000);
		ck_assert_uint_eq(numbers[i], numbers[0]);
	}
	for (int i = 0; i < MANY; i++)
		end(pids[i]);
}
END_TEST

/* ---- something done there ---- */

struct visit {
	uint32_t net, user;
	int answer;
};

static struct visit *visit_of(int answer)
{
	struct visit *visit = mmap(NULL, sizeof(*visit), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(visit, MAP_FAILED);
	visit->answer = answer;
	return visit;
}

static int run_visit(void *context)
{
	struct visit *visit = context;

	if (namespace_own_number(&visit->net, "net") < 0 ||
	    namespace_own_number(&visit->user, "user") < 0)
		return -EIO;
	if (visit->answer > 0)
		raise(visit->answer);
	return visit->answer;
}

START_TEST(what_is_run_there_answers_from_there)
{
	struct visit *visit;
	uint32_t number, here, now;

	begin();
	ck_assert_int_eq(namespace_own_number(&here, "net"), 0);
	settle(&number);
	visit = visit_of(0);
	ck_assert_int_eq(middle_run(&arena, RUNTIME, id, run_visit, visit), 0);
	ck_assert_uint_eq(visit->net, number);
	ck_assert_int_eq(namespace_own_number(&now, "net"), 0);
	ck_assert_uint_eq(now, here);
	visit = visit_of(-EBUSY);
	ck_assert_int_eq(middle_run(&arena, RUNTIME, id, run_visit, visit), -EBUSY);
	visit = visit_of(SIGKILL);
	ck_assert_int_eq(middle_run(&arena, RUNTIME, id, run_visit, visit), -EIO);
	ck_assert_uint_eq(visit->net, number);
}
END_TEST

START_TEST(nothing_is_run_where_nobody_is)
{
	struct visit *visit = visit_of(0);
	uint32_t number;
	pid_t pid;

	begin();
	ck_assert_int_eq(middle_run(&arena, RUNTIME, 1, run_visit, visit), -ENOENT);
	pid = settle(&number);
	ck_assert_int_eq(middle_run(&arena, RUNTIME, id + 1, run_visit, visit), -ENOENT);
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitid(P_PID, (id_t)pid, &(siginfo_t){ 0 }, WEXITED | WNOWAIT), 0);
	ck_assert_int_eq(middle_run(&arena, RUNTIME, id, run_visit, visit), -ENOENT);
	end(pid);
	ck_assert_int_eq(middle_run(&arena, RUNTIME, id, run_visit, visit), -ENOENT);
	middle_leave(&arena, RUNTIME, pid);
	ck_assert_int_eq(middle_run(&arena, RUNTIME, id, run_visit, visit), -ENOENT);
	ck_assert_uint_eq(visit->net, 0);
}
END_TEST

/* Somebody in a namespace of an inner user namespace. */
static pid_t insider(void)
{
	int ends[2];
	char byte;
	pid_t pid;

	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0 ||
		    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0 || write(ends[1], "i", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ends[1]);
	ck_assert_int_eq(read(ends[0], &byte, 1), 1);
	close(ends[0]);
	return pid;
}

START_TEST(who_is_outside_enters_its_user_namespace_first)
{
	autoclose int records = -EBADF, process = -EBADF, net = -EBADF;
	struct visit *visit = visit_of(0);
	struct middle middle;
	uint32_t user;
	pid_t pid;

	begin();
	middle = open_it();
	middle_close(&middle);
	pid = insider();
	process = namespace_open_process(pid);
	net = namespace_open(process, "net");
	records = open(RECORDS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_eq(add(records, pid, net), 0);
	ck_assert_int_eq(namespace_number(&user, pid, "user"), 0);
	middle = open_it();
	ck_assert_int_eq(middle.pid, pid);
	ck_assert_uint_eq(number_of(middle.user_fd), user);
	middle_close(&middle);
	ck_assert_int_eq(middle_run(&arena, RUNTIME, 77, run_visit, visit), 0);
	ck_assert_uint_eq(visit->net, number_of(net));
	ck_assert_uint_eq(visit->user, user);
}
END_TEST

START_TEST(from_an_inner_user_namespace_it_is_out_of_reach)
{
	struct visit *visit = visit_of(0);
	struct middle middle;
	uint32_t number;

	begin();
	settle(&number);
	ck_assert_int_eq(unshare(CLONE_NEWUSER), 0);
	ck_assert_int_eq(middle_run(&arena, RUNTIME, id, run_visit, visit), -EPERM);
	ck_assert_uint_eq(visit->net, 0);
	/* Nor is another one made beside it. */
	ck_assert_int_eq(middle_open(&arena, &middle, RUNTIME), -EACCES);
}
END_TEST

START_TEST(each_has_a_slot_of_its_own)
{
	struct middle middle;
	pid_t pids[3];

	begin();
	for (uint32_t i = 0; i < ARRAY_SIZE(pids); i++) {
		middle = i == 0 ? make() : open_it();
		ck_assert_uint_eq(middle.slot, i);
		ck_assert_uint_eq(middle.id, id);
		pids[i] = inhabitant(&middle);
		ck_assert_int_eq(middle_note(&arena, &middle, pids[i], middle.net_fd), 0);
		middle_close(&middle);
	}
	end(pids[1]);
	middle = open_it();
	ck_assert_uint_eq(middle.slot, 1);
	middle_close(&middle);
}
END_TEST

int main(void)
{
	return UNIT_RUN(
		"machine/middle", at_first_there_is_none,
		it_is_made_beside_the_caller_and_belongs_to_its_user_namespace,
		who_is_in_it_is_found, who_only_holds_it_is_found_by_its_descriptor,
		a_descriptor_of_something_else_is_not_it, the_dead_are_passed_over_and_struck_out,
		a_stranger_with_a_members_number_is_none, lines_that_are_none_are_skipped,
		a_line_is_read_as_it_was_written, the_list_goes_with_the_last,
		who_comes_by_another_way_is_added, a_list_that_is_a_link_is_not_followed,
		one_looks_at_a_time, who_waited_for_a_list_that_is_gone_gets_the_new_one,
		many_that_come_at_once_are_in_the_same, what_is_run_there_answers_from_there,
		nothing_is_run_where_nobody_is, who_is_outside_enters_its_user_namespace_first,
		from_an_inner_user_namespace_it_is_out_of_reach, each_has_a_slot_of_its_own);
}
