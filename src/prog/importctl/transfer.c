#include "prog/importctl/transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/text.h"
#include "cli/bars.h"
#include "format/json-out.h"
#include "image/own-ids.h"
#include "image/store.h"
#include "io/clock.h"
#include "io/fd.h"
#include "kernel/terminal.h"
#include "prog/importctl/importctl.h"
#include "transfer/jobs.h"

/* ---- what killed ones left ---- */

static int sweep_store(struct context *context)
{
	struct store store = STORE_EMPTY;
	int r = store_open(context->arena, &store, &context->images, false);

	if (r >= 0)
		r = store_sweep(&store);
	store_done(&store);
	return r == -ENOENT ? 0 : r;
}

/* In a process of its own, as it becomes root over the user's ids for good. */
void transfer_sweep(struct context *context, const struct jobs_entry *entry)
{
	pid_t child = fork();

	if (child == 0) {
		int r = own_ids_become_root(context->arena, context->program.environment);

		if (r >= 0 && entry->pool != NULL)
			r = publish_sweep(entry->pool);
		if (r >= 0 && text_ends(entry->type, "-oci"))
			r = sweep_store(context);
		if (r < 0)
			log_warning("%s, going on without", fail_recorded()->text);
		_exit(EXIT_SUCCESS);
	}
	while (child > 0 && waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
}

void transfer_tidy(struct context *context)
{
	struct jobs_entry *entries;
	size_t count;

	if (jobs_list(context->arena, &entries, &count, context->runtime) < 0)
		return;
	for (size_t i = 0; i < count; i++) {
		if (entries[i].alive)
			continue;
		transfer_sweep(context, &entries[i]);
		jobs_forget(context->runtime, entries[i].id);
	}
}

/* ---- what the caller sees ---- */

struct show {
	struct context *context;
	const struct transfer *transfer;
	uint32_t id;
	bool json, terminal;
	struct bars bars;
};

static void to_terminal(const char *text)
{
	(void)fd_write_all(STDERR_FILENO, text, strlen(text));
}

static void clear_bars(struct show *show)
{
	char room[BARS_ROOM];

	if (show->terminal)
		to_terminal(bars_clear(&show->bars, room));
}

/* One line a thing that happens; who reads them need not wait for the end. */
static void say_json(struct show *show, const char *event, const char *part, uint64_t done,
		     uint64_t total)
{
	autoarena struct arena arena = { 0 };
	struct json_out json;
	const char *text;

	if (!show->json)
		return;
	json_out_init(&json, &arena, false);
	json_out_begin_object(&json, NULL);
	json_out_text(&json, "event", event);
	json_out_unsigned(&json, "id", show->id);
	json_out_text(&json, "type", show->transfer->type);
	json_out_text(&json, "local", show->transfer->local);
	json_out_text(&json, "remote", show->transfer->remote);
	if (text_equal(event, "progress")) {
		json_out_text(&json, "part", part);
		json_out_unsigned(&json, "done", done);
		if (total > 0)
			json_out_unsigned(&json, "total", total);
		else
			json_out_null(&json, "total");
	}
	json_out_end_object(&json);
	text = json_out_done(&json);
	(void)fd_write_all(show->transfer->output_taken ? STDERR_FILENO : STDOUT_FILENO, text,
			   strlen(text));
}

static void hear_begun(void *context, uint32_t id)
{
	struct show *show = context;

	show->id = id;
	say_json(show, "begun", NULL, 0, 0);
	if (!show->json && show->terminal)
		log_info("Transfer %" PRIu32 " begins. Ctrl-C leaves it going in the background.",
			 id);
}

static void hear_progress(void *context, const char *part, uint64_t done, uint64_t total)
{
	uint64_t now = clock_monotonic_us();
	struct show *show = context;
	char room[BARS_ROOM];

	say_json(show, "progress", part, done, total);
	if (!show->terminal)
		return;
	bars_note(&show->bars, now, part != NULL ? part : "", done, total);
	to_terminal(bars_draw(&show->bars, room, now, total > 0 && done >= total));
}

static void hear_log(void *context, const char *text, size_t size)
{
	struct show *show = context;

	clear_bars(show);
	(void)fd_write_all(STDERR_FILENO, text, size);
}

static void prepare(struct show *show)
{
	unsigned int rows;

	show->json = show->context->options.json;
	show->terminal = !show->json && !show->context->options.quiet && terminal_is(STDERR_FILENO);
	if (!show->terminal || terminal_size(STDERR_FILENO, &rows, &show->bars.columns) < 0)
		show->bars.columns = 0;
	show->bars.started_us = clock_monotonic_us();
}

static int finish(struct show *show, int r, enum job_end end)
{
	clear_bars(show);
	if (r < 0) {
		say_json(show, "failed", NULL, 0, 0);
		return r;
	}
	switch (end) {
	case JOB_DONE: say_json(show, "done", NULL, 0, 0); return EXIT_SUCCESS;
	case JOB_LEFT:
		say_json(show, "left", NULL, 0, 0);
		log_notice("Transfer %" PRIu32 " goes on in the background. "
			   "'importctl cancel-transfer %" PRIu32 "' ends it.",
			   show->id, show->id);
		return EXIT_FAILURE;
	case JOB_KILLED: break;
	}
	transfer_tidy(show->context);
	say_json(show, "canceled", NULL, 0, 0);
	return fail_plain(-ECANCELED, "cannot finish transfer %" PRIu32 ": it was canceled",
			  show->id);
}

int transfer_run(struct context *context, const struct transfer *transfer)
{
	struct show *show = arena_take(context->arena, sizeof(*show));
	char made[PATH_MAX];
	struct job_watcher watcher = {
		.begun = hear_begun,
		.progress = hear_progress,
		.logged = hear_log,
		.context = show,
	};
	struct job_request request = {
		.runtime = context->runtime,
		.type = transfer->type,
		.class = class_name(context->options.class),
		.local = transfer->local,
		.remote = transfer->remote,
		.pool = transfer->pool,
		.made = transfer->made != NULL ? realpath(transfer->made, made) : NULL,
		.environment = context->program.environment,
		.run = transfer->run,
		.context = transfer->context,
	};
	enum job_end end = JOB_DONE;
	int r;

	transfer_tidy(context);
	show->context = context;
	show->transfer = transfer;
	prepare(show);
	r = job_run(context->arena, &end, &request, &watcher);
	r = finish(show, r, end);
	if (r < 0 && transfer->made != NULL)
		(void)unlink(transfer->made);
	return r;
}

/* What is exported must not be emptied before it is read. */
static int refuse_itself(int fd, const char *path, const char *image)
{
	struct stat output, source;

	if (fstat(fd, &output) < 0 || stat(image, &source) < 0 || output.st_dev != source.st_dev ||
	    output.st_ino != source.st_ino)
		return 0;
	return fail_input("cannot export to '%s': that is the image itself (try another file)",
			  path);
}

int transfer_open_output(struct transfer *transfer, const char *path, const char *image)
{
	const int flags = O_WRONLY | O_CREAT | O_NOCTTY | O_CLOEXEC;
	autoclose int fd = open(path, flags | O_EXCL, 0666);
	int r;

	if (fd >= 0) {
		transfer->made = path;
		return take_fd(&fd);
	}
	fd = open(path, flags, 0666);
	if (fd < 0)
		return fail(-errno, "cannot open '%s' to write", path);
	r = refuse_itself(fd, path, image);
	if (r < 0)
		return r;
	/* What is no file has no length. */
	if (ftruncate(fd, 0) < 0 && errno != EINVAL)
		return fail(-errno, "cannot empty '%s'", path);
	return take_fd(&fd);
}

/* ---- what is made ---- */

/* A variable of the reference that turns something off. */
static bool is_off(const struct context *context, const char *name)
{
	const char *value = text_variable(context->program.environment, name);
	bool on = true;

	if (!text_empty(value) && parse_bool(&on, value) < 0)
		log_warning("cannot use '%s=%s': it is neither yes nor no, going on without", name,
			    value);
	return !on;
}

int transfer_target(struct context *context, struct publish_request *ret, const char *name,
		    enum publish_kind kind)
{
	const struct options *options = &context->options;
	struct publish_request request = {
		.name = name,
		.suffix = kind == PUBLISH_FILE ? ".raw" : NULL,
		.kind = kind,
		.force = options->force,
		.read_only = options->read_only,
		.user = context->images.uid != 0,
	};
	int r;

	if (options->class == CLASS_UNSET)
		return fail_input("cannot make image '%s' without a class (try --class=machine, "
				  "or -m)",
				  name != NULL ? name : "-");
	request.pool = options->image_root != NULL
			       ? options->image_root
			       : class_pool(context->arena, options->class, &context->images);
	if (request.pool == NULL)
		return fail_input("cannot make image '%s': there is no place for it ($HOME is not "
				  "set)",
				  name != NULL ? name : "-");
	if (options->class == CLASS_MACHINE && options->image_root == NULL) {
		request.search = &context->images;
		request.closed = true;
	}
	request.plain = is_off(context, "SYSTEMD_IMPORT_BTRFS_SUBVOL");
	request.lazy = is_off(context, "SYSTEMD_IMPORT_SYNC");
	r = name != NULL ? publish_check(context->arena, &request) : 0;
	if (r < 0)
		return r;
	*ret = request;
	return 0;
}

bool transfer_is_standard(const char *word)
{
	return text_empty(word) || text_equal(word, "-");
}

static void pass_progress(void *job, uint64_t done, uint64_t total)
{
	job_progress(job, NULL, done, total);
}

static void pass_notice(void *job, const char *sentence)
{
	autoarena struct arena arena = { 0 };

	(void)job;
	/* Names in it may have line ends, too. */
	log_notice("%s", text_printable(&arena, sentence));
}

struct archive_listener transfer_listener(struct job *job)
{
	return (struct archive_listener){ pass_progress, pass_notice, job };
}
