#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/macros.h"
#include "base/text.h"
#include "io/clock.h"
#include "io/fd.h"
#include "kernel/terminal.h"
#include "prog/machinectl/machinectl.h"
#include "prog/machinectl/usages.h"

#define REFRESH_US 1000000
#define FIRST_REFRESH_US 250000 /* soon, since a first look knows no speeds */

#define SCREEN_BEGIN "\033[?1049h\033[?25l" /* another screen, no cursor */
#define SCREEN_END "\033[?25h\033[?1049l"
#define SCREEN_TOP "\033[H"
#define LINE_END "\033[K\r\n"
#define SCREEN_REST "\033[J"

/* What is shown lives in one of two arenas, what it is compared with in the other. */
struct sample {
	struct arena arena;
	struct usages usages;
	uint64_t time_us;
};

struct top {
	struct context *context;
	struct sample samples[2], *now, *before;
	int signals;
};

static const struct column columns[] = {
	{ .title = "MACHINE" },
	{ .title = "STATE" },
	{ .title = " CPU%" },
	{ .title = "MEMORY", .kind = COLUMN_SIZE },
	{ .title = "SWAP", .kind = COLUMN_SIZE },
	{ .title = "TASKS", .kind = COLUMN_NUMBER },
	{ .title = "READ/S", .kind = COLUMN_SIZE },
	{ .title = "WRITTEN/S", .kind = COLUMN_SIZE },
	{ .title = "RECEIVED/S", .kind = COLUMN_SIZE },
	{ .title = "SENT/S", .kind = COLUMN_SIZE },
};

/* ---- speeds ---- */

struct row {
	const struct machine *machine;
	const struct usage *now, *before; /* before: NULL: not seen */
	uint64_t cpu;			  /* thousandths of one */
};

static uint64_t speed(const struct top *top, uint64_t now, uint64_t before)
{
	uint64_t us = top->now->time_us - top->before->time_us;

	if (now == USAGE_UNKNOWN || before == USAGE_UNKNOWN || now < before || us == 0)
		return USAGE_UNKNOWN;
	return (uint64_t)((unsigned __int128)(now - before) * 1000000 / us);
}

static const struct usage *find_before(const struct top *top, const struct machine *machine)
{
	const struct usages *usages = &top->before->usages;

	for (size_t i = 0; i < usages->count; i++)
		if (text_equal(usages->machines[i].name, machine->name) &&
		    usages->machines[i].leader == machine->leader)
			return &usages->items[i];
	return NULL;
}

static struct row make_row(const struct top *top, size_t i)
{
	struct row row = { .machine = &top->now->usages.machines[i],
			   .now = &top->now->usages.items[i] };
	uint64_t us = USAGE_UNKNOWN;

	row.before = find_before(top, row.machine);
	if (row.before != NULL)
		us = speed(top, row.now->cpu_us, row.before->cpu_us);
	row.cpu = us == USAGE_UNKNOWN ? USAGE_UNKNOWN : us / 1000;
	return row;
}

static int busiest_first(const void *a_, const void *b_)
{
	const struct row *a = a_, *b = b_;
	uint64_t cpu_a = a->cpu == USAGE_UNKNOWN ? 0 : a->cpu;
	uint64_t cpu_b = b->cpu == USAGE_UNKNOWN ? 0 : b->cpu;

	if (cpu_a != cpu_b)
		return cpu_a < cpu_b ? 1 : -1;
	return strcmp(a->machine->name, b->machine->name);
}

/* ---- the screen ---- */

static void add_number(struct table *table, uint64_t number)
{
	if (number == USAGE_UNKNOWN)
		table_empty(table);
	else
		table_number(table, number);
}

#define SPEED(field) \
	(row->before == NULL ? USAGE_UNKNOWN : speed(top, row->now->field, row->before->field))

static void add_row(const struct top *top, struct table *table, const struct row *row)
{
	table_text(table, row->machine->name);
	table_text(table, usages_state(row->machine, row->now));
	if (row->cpu == USAGE_UNKNOWN)
		table_empty(table);
	else
		table_text(table, arena_format(&top->now->arena, "%3llu.%llu",
					       (unsigned long long)row->cpu / 10,
					       (unsigned long long)row->cpu % 10));
	add_number(table, row->now->memory);
	add_number(table, row->now->swap);
	add_number(table, row->now->tasks);
	add_number(table, SPEED(read));
	add_number(table, SPEED(written));
	add_number(table, SPEED(received));
	add_number(table, SPEED(sent));
}

static const char *make_table(struct top *top)
{
	struct table_style style = { .legend = true };
	size_t count = top->now->usages.count;
	struct arena *arena = &top->now->arena;
	struct row *rows = arena_take_array(arena, count, sizeof(*rows));
	struct table table;

	for (size_t i = 0; i < count; i++)
		rows[i] = make_row(top, i);
	if (count > 0)
		qsort(rows, count, sizeof(*rows), busiest_first);
	table_init(&table, arena, columns, ARRAY_SIZE(columns));
	for (size_t i = 0; i < count; i++)
		add_row(top, &table, &rows[i]);
	return count == 0 ? "No machines.\n" : table_print(&table, &style);
}

/* As much of TEXT as the screen has room for; all of it is ASCII. */
static int draw(struct top *top, const char *text)
{
	unsigned int rows = 24, width = 80;
	struct arena *arena = &top->now->arena;
	const char *screen = SCREEN_TOP;
	int r;

	(void)terminal_size(STDOUT_FILENO, &rows, &width);
	for (unsigned int line = 0; *text != '\0' && line + 1 < rows; line++) {
		size_t length = strcspn(text, "\n");

		screen = arena_format(arena, "%s%.*s" LINE_END, screen, (int)MIN(length, width),
				      text);
		text += length + (text[length] == '\n');
	}
	screen = arena_format(arena, "%s" SCREEN_REST, screen);
	r = fd_write_all(STDOUT_FILENO, screen, strlen(screen));
	return r < 0 ? fail(r, "cannot write to the terminal") : 0;
}

static int refresh(struct top *top)
{
	const struct text_list all = { 0 };
	struct sample *old = top->before;
	int r;

	top->before = top->now;
	top->now = old;
	arena_done(&old->arena);
	*old = (struct sample){ .time_us = clock_monotonic_us() };
	r = usages_read(&old->arena, &old->usages, top->context->runtime, &all);
	return r < 0 ? r : draw(top, make_table(top));
}

/* ---- the loop ---- */

/* 1: it is enough. */
static int read_key(void)
{
	char keys[64];
	ssize_t n = read(STDIN_FILENO, keys, sizeof(keys));

	if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
		return 1;
	for (ssize_t i = 0; i < n; i++)
		if (keys[i] == 'q' || keys[i] == 'Q' || keys[i] == 3 || keys[i] == 4)
			return 1;
	return 0;
}

/* Until DEADLINE: 1: it is enough; 0: draw again. */
static int wait_until(struct top *top, uint64_t deadline_us)
{
	struct pollfd polls[] = { { .fd = STDIN_FILENO, .events = POLLIN },
				  { .fd = top->signals, .events = POLLIN } };
	struct signalfd_siginfo info;

	for (;;) {
		uint64_t now = clock_monotonic_us();

		if (now >= deadline_us)
			return 0;
		if (poll(polls, ARRAY_SIZE(polls), (int)((deadline_us - now) / 1000 + 1)) < 0 &&
		    errno != EINTR)
			return fail(-errno, "cannot wait");
		if (polls[0].revents != 0 && read_key() > 0)
			return 1;
		if (polls[1].revents == 0)
			continue;
		if (read(top->signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
			return fail(-EIO, "cannot read a signal");
		return info.ssi_signo == SIGWINCH ? 0 : 1;
	}
}

static int loop(struct top *top)
{
	uint64_t step = FIRST_REFRESH_US;
	int r;

	do {
		r = refresh(top);
		if (r >= 0)
			r = wait_until(top, top->now->time_us + step);
		step = REFRESH_US;
	} while (r == 0);
	return r < 0 ? r : 0;
}

int verb_top(void *context, const struct text_list *words)
{
	struct top top = { .context = context, .signals = -EBADF };
	struct terminal_state state = { .fd = -1 };
	sigset_t wanted, old;
	int r;

	(void)words;
	if (!terminal_is(STDIN_FILENO) || !terminal_is(STDOUT_FILENO))
		return fail_plain(-ENOTTY, "cannot show a live table: this is no terminal (try "
					   "'machinectl stats')");
	top.now = &top.samples[0];
	top.before = &top.samples[1];
	sigemptyset(&wanted);
	sigaddset(&wanted, SIGINT);
	sigaddset(&wanted, SIGTERM);
	sigaddset(&wanted, SIGHUP);
	sigaddset(&wanted, SIGWINCH);
	sigprocmask(SIG_BLOCK, &wanted, &old);
	top.signals = signalfd(-1, &wanted, SFD_CLOEXEC);
	r = top.signals < 0 ? -errno : terminal_make_raw(&state, STDIN_FILENO);
	if (r < 0)
		r = fail(r, "cannot prepare the terminal");
	if (r >= 0) {
		fd_write_all(STDOUT_FILENO, SCREEN_BEGIN, strlen(SCREEN_BEGIN));
		r = loop(&top);
		fd_write_all(STDOUT_FILENO, SCREEN_END, strlen(SCREEN_END));
		terminal_restore(&state);
	}
	fd_close(&top.signals);
	sigprocmask(SIG_SETMASK, &old, NULL);
	arena_done(&top.samples[0].arena);
	arena_done(&top.samples[1].arena);
	return r;
}
