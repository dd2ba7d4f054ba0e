#include "engine/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/macros.h"
#include "base/parse.h"
#include "io/fd.h"
#include "io/file.h"
#include "kernel/uapi.h"

#define MAGIC "redd-state="
#define LENGTH_ROOM 24

enum type { NUMBER, TEXT, LIST, BLOB };

static const struct row {
	const char *key;
	enum type type;
	size_t offset;
} rows[] = {
#define ROW(type_, name_)                                    \
	{                                                    \
#name_, type_, offsetof(struct state, name_) \
	}
	ROW(LIST, arguments),
	ROW(LIST, environment),
	ROW(TEXT, directory),
	ROW(TEXT, program),
	ROW(NUMBER, uid),
	ROW(NUMBER, confined),
	ROW(NUMBER, listen_fds),
	ROW(NUMBER, log_level),
	ROW(TEXT, machine),
	ROW(TEXT, runtime),
	ROW(NUMBER, start),
	ROW(NUMBER, kill_signal),
	ROW(NUMBER, notify_ready),
	ROW(NUMBER, console),
	ROW(NUMBER, keep_unit),
	ROW(NUMBER, keep),
	ROW(NUMBER, init_kind),
	ROW(NUMBER, init_stop),
	ROW(NUMBER, init_poweroff),
	ROW(NUMBER, init_reboot),
	ROW(TEXT, init_program),
	ROW(LIST, health_command),
	ROW(NUMBER, health_interval),
	ROW(NUMBER, health_timeout),
	ROW(NUMBER, health_start),
	ROW(NUMBER, health_retries),
	ROW(NUMBER, health_failure),
	ROW(TEXT, tree),
	ROW(TEXT, tree_lock),
	ROW(TEXT, tree_lock_global),
	ROW(TEXT, snapshot),
	ROW(TEXT, snapshot_rung),
	ROW(TEXT, upper),
	ROW(NUMBER, device),
	ROW(NUMBER, inode),
	ROW(NUMBER, lock_exclusive),
	ROW(BLOB, machine_id),
	ROW(NUMBER, image),
	ROW(NUMBER, image_read_only),
	ROW(BLOB, disk),
	ROW(NUMBER, image_served),
	ROW(NUMBER, rung),
	ROW(NUMBER, base),
	ROW(NUMBER, range),
	ROW(NUMBER, map),
	ROW(NUMBER, chown),
	ROW(NUMBER, map_from),
	ROW(BLOB, uids),
	ROW(BLOB, gids),
	ROW(TEXT, ids_text),
	ROW(TEXT, ids_lock),
	ROW(NUMBER, outer),
	ROW(TEXT, cgroup),
	ROW(TEXT, cgroup_name),
	ROW(TEXT, state_directory),
	ROW(NUMBER, scope_of_user),
	ROW(NUMBER, registered),
	ROW(NUMBER, cgroup_rung),
	ROW(NUMBER, cgroup_inode),
	ROW(NUMBER, moved_down),
	ROW(LIST, temporary),
	ROW(NUMBER, pid),
	ROW(NUMBER, stopping),
	ROW(NUMBER, adopted),
	ROW(NUMBER, console_in),
	ROW(NUMBER, console_out),
	ROW(NUMBER, console_socket),
	ROW(BLOB, terminal),
	ROW(BLOB, to_guest),
	ROW(BLOB, from_guest),
	ROW(NUMBER, descriptors),
#undef ROW
};

/* ---- out ---- */

struct out {
	char *at; /* NULL: only the size is wanted */
	size_t size;
};

static void put(struct out *out, const void *data, size_t size)
{
	if (out->at != NULL && size > 0)
		memcpy(out->at + out->size, data, size);
	out->size += size;
}

static void put_entry(struct out *out, const char *key, const void *data, size_t size)
{
	char length[LENGTH_ROOM];
	int n = snprintf(length, sizeof(length), " %zu\n", size);

	put(out, key, strlen(key));
	put(out, length, (size_t)n);
	put(out, data, size);
	put(out, "\n", 1);
}

static void put_row(struct out *out, const struct row *row, const struct state *state)
{
	const char *field = (const char *)state + row->offset;
	const struct text_list *list = (const void *)field;
	const struct state_blob *blob = (const void *)field;
	const char *text = row->type == TEXT ? *(const char *const *)(const void *)field : NULL;
	char number[LENGTH_ROOM];

	switch (row->type) {
	case NUMBER:
		snprintf(number, sizeof(number), "%llu",
			 (unsigned long long)*(const uint64_t *)(const void *)field);
		put_entry(out, row->key, number, strlen(number));
		break;
	case TEXT:
		if (text != NULL)
			put_entry(out, row->key, text, strlen(text));
		break;
	case LIST:
		for (size_t i = 0; i < list->count; i++)
			put_entry(out, row->key, list->items[i], strlen(list->items[i]));
		break;
	case BLOB:
		if (blob->size > 0)
			put_entry(out, row->key, blob->data, blob->size);
		break;
	}
}

static void put_all(struct out *out, const struct state *state)
{
	char magic[sizeof(MAGIC) + LENGTH_ROOM];
	int n = snprintf(magic, sizeof(magic), MAGIC "%d\n", STATE_VERSION);

	put(out, magic, (size_t)n);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		put_row(out, &rows[i], state);
}

char *state_print(struct arena *arena, size_t *ret_size, const struct state *state)
{
	struct out out = { 0 };

	put_all(&out, state);
	out = (struct out){ .at = arena_take(arena, out.size + 1) };
	put_all(&out, state);
	*ret_size = out.size;
	return out.at;
}

/* ---- in ---- */

static int take_number(uint64_t *ret, const char *data, size_t size)
{
	char number[LENGTH_ROOM];

	if (size >= sizeof(number))
		return -EBADMSG;
	memcpy(number, data, size);
	number[size] = '\0';
	return parse_u64(ret, number) < 0 ? -EBADMSG : 0;
}

static int take_row(struct arena *arena, const struct row *row, struct state *state,
		    const char *data, size_t size)
{
	char *field = (char *)state + row->offset;
	struct text_list *list = (void *)field;

	if (row->type == NUMBER)
		return take_number((void *)field, data, size);
	if (row->type == BLOB) {
		*(struct state_blob *)(void *)field = (struct state_blob){ data, size };
		return 0;
	}
	if (memchr(data, '\0', size) != NULL)
		return -EBADMSG;
	if (row->type == TEXT)
		*(const char **)(void *)field = arena_text_n(arena, data, size);
	else if (list->count < STATE_LIST_MAX)
		text_list_add(arena, list, arena_text_n(arena, data, size));
	else
		return -EBADMSG;
	return 0;
}

/* The line at *TEXT without its end, which is skipped; NULL: there is no whole one. */
static const char *take_line(const char **text, size_t *size, size_t *ret_length)
{
	const char *line = *text, *end = memchr(line, '\n', *size);

	if (end == NULL)
		return NULL;
	*ret_length = (size_t)(end - line);
	*size -= *ret_length + 1;
	*text = end + 1;
	return line;
}

static int take_entry(struct arena *arena, struct state *state, const char **text, size_t *size)
{
	const char *line, *blank, *data;
	size_t length, key;
	uint64_t room;

	line = take_line(text, size, &length);
	blank = line == NULL ? NULL : memchr(line, ' ', length);
	if (blank == NULL)
		return -EBADMSG;
	key = (size_t)(blank - line);
	if (take_number(&room, blank + 1, length - key - 1) < 0 || room >= *size ||
	    (*text)[room] != '\n')
		return -EBADMSG;
	data = *text;
	*text += room + 1;
	*size -= (size_t)room + 1;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (strlen(rows[i].key) == key && memcmp(rows[i].key, line, key) == 0)
			return take_row(arena, &rows[i], state, data, (size_t)room);
	return 0;
}

int state_parse(struct arena *arena, struct state *ret, const char *text, size_t size)
{
	struct state state = { 0 };
	const char *line;
	uint64_t version;
	size_t length;
	int r;

	line = take_line(&text, &size, &length);
	if (line == NULL || length < strlen(MAGIC) || memcmp(line, MAGIC, strlen(MAGIC)) != 0 ||
	    take_number(&version, line + strlen(MAGIC), length - strlen(MAGIC)) < 0)
		return -EBADMSG;
	if (version != STATE_VERSION)
		return -EPROTONOSUPPORT;
	while (size > 0) {
		r = take_entry(arena, &state, &text, &size);
		if (r < 0)
			return r;
	}
	if (state.machine == NULL || state.runtime == NULL || state.tree == NULL ||
	    state.pid <= 1 || state.pid > INT32_MAX)
		return -EBADMSG;
	*ret = state;
	return 0;
}

/* ---- descriptors ---- */

void state_mark(struct state *state, const int fds[STATE_FDS])
{
	state->descriptors = 0;
	for (int i = 0; i < STATE_FDS; i++)
		if (fds[i] >= 0)
			state->descriptors |= UINT64_C(1) << i;
}

int state_spread(int ret[STATE_FDS], const struct state *state, const int *came, size_t count)
{
	size_t used = 0;

	for (int i = 0; i < STATE_FDS; i++)
		ret[i] = -EBADF;
	for (int i = 0; i < STATE_FDS; i++) {
		if (!(state->descriptors >> i & 1))
			continue;
		if (used == count)
			return -EBADMSG;
		ret[i] = came[used++];
	}
	return used == count ? 0 : -EBADMSG;
}

/* ---- as a file ---- */

int state_save(const struct state *state)
{
	const int seals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
	struct arena scratch = { 0 };
	autoclose int fd = -EBADF;
	size_t size;
	char *text;
	int r;

	fd = memfd_create("redd-state", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	text = state_print(&scratch, &size, state);
	r = size > STATE_SIZE_MAX ? -EFBIG : fd_write_all(fd, text, size);
	arena_done(&scratch);
	if (r < 0)
		return r;
	if (fcntl(fd, F_ADD_SEALS, seals) < 0)
		return -errno;
	return take_fd(&fd);
}

int state_load(struct arena *arena, struct state *ret, int fd)
{
	char *text;
	size_t size;
	int r;

	if (lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	r = file_read_fd(arena, &text, &size, fd, STATE_SIZE_MAX);
	return r < 0 ? r : state_parse(arena, ret, text, size);
}
