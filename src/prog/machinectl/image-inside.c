#include "prog/machinectl/image-inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/log.h"
#include "format/envfile.h"
#include "image/image.h"
#include "image/lock.h"
#include "image/own-ids.h"
#include "image/raw.h"
#include "image/view.h"
#include "io/fd.h"
#include "io/file.h"
#include "kernel/process.h"
#include "kernel/resolve.h"
#include "prog/machinectl/machinectl.h"

#define FILE_MAX 65536
#define WORD_MAX 256
#define ANSWER_MS 10000 /* longer than a server that begins has for answers (raw_peek()) */

/* ---- a tree ---- */

static char *read_below(struct arena *arena, size_t *ret_size, int root_fd, const char *path)
{
	autoclose int fd = resolve_open_file(root_fd, path);
	char *text;

	if (fd < 0 || file_read_fd(arena, &text, ret_size, fd, FILE_MAX) < 0)
		return NULL;
	return text;
}

static char *read_word(struct arena *arena, int root_fd, const char *path)
{
	size_t size;
	char *text = read_below(arena, &size, root_fd, path);

	if (text == NULL)
		return NULL;
	text[strcspn(text, "\n")] = '\0';
	return *text == '\0' ? NULL : text;
}

static struct image_inside look_into(struct arena *arena, int fd)
{
	struct image_inside inside = {
		.hostname = read_word(arena, fd, "etc/hostname"),
		.id = read_word(arena, fd, "etc/machine-id"),
	};
	size_t size;
	char *text = read_below(arena, &size, fd, "etc/machine-info");

	if (text != NULL)
		inside.deployment = envfile_find(arena, text, size, "DEPLOYMENT");
	(void)facts_os_release(arena, &inside.os, NULL, fd, false);
	return inside;
}

/* ---- a disk image ---- */

/* "": not told. */
struct answer {
	char hostname[WORD_MAX + 1], id[WORD_MAX + 1], deployment[WORD_MAX + 1];
	char os_id[WORD_MAX + 1], version_id[WORD_MAX + 1], pretty_name[WORD_MAX + 1];
};

static void put(char to[WORD_MAX + 1], const char *value)
{
	snprintf(to, WORD_MAX + 1, "%s", value == NULL ? "" : value);
}

static const char *get(struct arena *arena, const char *value)
{
	return *value == '\0' ? NULL : arena_text(arena, value);
}

/* In the child. A single id is enough: what is read may be read by all. */
static int look(void *image_, void *answer_)
{
	static const struct own_ids self = { .single = true };
	const struct image *image = image_;
	autoarena struct arena arena = { 0 };
	struct answer *answer = answer_;
	struct image_inside inside;
	struct raw raw = RAW_EMPTY;
	int fd = own_ids_enter(&arena, &self);

	if (fd >= 0)
		fd = raw_peek(&arena, &raw, image->path);
	if (fd < 0) {
		log_debug("%s", fail_recorded()->text);
		return fd;
	}
	inside = look_into(&arena, fd);
	put(answer->hostname, inside.hostname);
	put(answer->id, inside.id);
	put(answer->deployment, inside.deployment);
	put(answer->os_id, inside.os.id);
	put(answer->version_id, inside.os.version_id);
	put(answer->pretty_name, inside.os.pretty_name);
	fd_close(&fd);
	raw_done(&raw);
	return 0;
}

/* One that a machine writes to is left alone, because what is read of it would not fit together. */
static struct image_inside look_into_disk(struct arena *arena, const struct image *image)
{
	autoclose int file = open(image->path, O_PATH | O_CLOEXEC);
	struct image_inside inside = { .id = NULL };
	struct lock lock = LOCK_EMPTY;
	struct answer answer;
	int r = -EBADF;

	if (file >= 0)
		r = lock_take(arena, &lock, image->path, file, false, geteuid() == 0);
	if (r < 0)
		return inside;
	r = process_ask(look, (void *)image, &answer, sizeof(answer), ANSWER_MS);
	lock_release(&lock);
	if (r >= 0)
		inside = (struct image_inside){
			.hostname = get(arena, answer.hostname),
			.id = get(arena, answer.id),
			.deployment = get(arena, answer.deployment),
			.os = { .id = get(arena, answer.os_id),
				.version_id = get(arena, answer.version_id),
				.pretty_name = get(arena, answer.pretty_name) },
		};
	return inside;
}

/* ---- */

struct image_inside image_inside(const struct context *context, const struct image *image)
{
	struct image_inside inside = { .id = NULL };
	autoclose int fd = -EBADF;

	if (image->found.kind == FIND_RAW || image->found.kind == FIND_BLOCK) {
		inside = look_into_disk(context->arena, image);
	} else {
		fd = view_tree(context->arena, image->path, true);
		if (fd >= 0)
			inside = look_into(context->arena, fd);
	}
	fail_forget();
	return inside;
}
