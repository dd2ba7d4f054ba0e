#include "image/collect.h"

#include <sched.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fail.h"
#include "base/list.h"
#include "image/blob.h"
#include "image/change.h"
#include "image/clone.h"
#include "image/find.h"
#include "image/holders.h"
#include "image/layers.h"
#include "image/places.h"
#include "image/references.h"
#include "image/view.h"
#include "image/mstack.h"
#include "io/scratch.h"

static struct arena arena;
static struct store store = STORE_EMPTY;
static struct find_scope scope;
static char *pool;
static struct collect_result result;

static void start(void)
{
	scope = (struct find_scope){ .uid = 1000, .home = scratch_path };
	ck_assert_int_eq(store_open(&arena, &store, &scope, true), 0);
	pool = arena_format(&arena, "%s/.local/state/machines", scratch_path);
}

/* "sha256:aaaa…" */
static char *digest(char letter)
{
	char text[] = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

	memset(text + strlen("sha256:"), letter, 64);
	return arena_text(&arena, text);
}

static void make_layer(struct store_part *ret, char letter)
{
	ck_assert_int_eq(layer_begin(&store, ret), 0);
	ck_assert_int_eq(mkdirat(ret->fd, "usr", 0755), 0);
	ck_assert_int_ge(layer_commit(ret, digest(letter), false), 0);
}

static void add_layer(char letter)
{
	struct store_part part = STORE_PART_EMPTY;

	make_layer(&part, letter);
	store_part_done(&part);
}

static void add_blob(char letter)
{
	struct store_part part = STORE_PART_EMPTY;

	ck_assert_int_eq(blob_begin(&store, &part), 0);
	ck_assert_int_ge(blob_commit(&part, digest(letter)), 0);
	store_part_done(&part);
}

static void make_machine(const char *name, const char *letters)
{
	struct text_list list = { 0 };
	struct layers_machine machine = { pool, name, &list, false, false };

	for (; *letters != '\0'; letters++)
		text_list_add(&arena, &list, digest(*letters));
	ck_assert_int_eq(layers_machine(&arena, &store, &machine), 0);
}

/* As who makes one of an OCI image does (transfer/oci-machine). */
static void note_machine(const char *letters)
{
	struct text_list paths = { 0 };

	for (; *letters != '\0'; letters++)
		text_list_add(&arena, &paths, layer_path(&arena, &store, digest(*letters)));
	ck_assert_int_eq(place_add(&arena, &store, pool, &paths), 0);
}

static bool is_there(const char *room, char letter)
{
	char *path = arena_format(&arena, "%s/%s", room, store_digest_name(digest(letter)));

	return faccessat(store.fd, path, F_OK, 0) == 0;
}

static void collect_now(void)
{
	ck_assert_int_eq(collect(&arena, &result, &scope, false, NULL, NULL), 0);
	ck_assert(!result.busy);
}

static void clear(void)
{
	(void)dir_remove_all(AT_FDCWD, arena_format(&arena, "%s/.local", scratch_path));
	store_done(&store);
}

START_TEST(what_no_machine_uses_goes)
{
	start();
	add_layer('a');
	add_layer('b');
	add_layer('c');
	make_machine("web", "ab");
	collect_now();
	ck_assert_uint_eq(result.layers, 1);
	ck_assert(is_there(STORE_LAYERS, 'a') && is_there(STORE_LAYERS, 'b'));
	ck_assert(!is_there(STORE_LAYERS, 'c'));
	ck_assert_int_eq(dir_remove_all(AT_FDCWD, arena_format(&arena, "%s/web.mstack", pool)), 0);
	collect_now();
	ck_assert_uint_eq(result.layers, 2);
	clear();
}
END_TEST

START_TEST(what_is_leased_stays)
{
	struct store_part part = STORE_PART_EMPTY, unfinished = STORE_PART_EMPTY;
	autoclose int held = -EBADF;

	start();
	make_layer(&part, 'a');
	add_layer('b');
	held = layer_find(&store, digest('b'));
	ck_assert_int_eq(layer_begin(&store, &unfinished), 0);
	collect_now();
	ck_assert_uint_eq(result.layers + result.unfinished, 0);
	ck_assert(is_there(STORE_LAYERS, 'a') && is_there(STORE_LAYERS, 'b'));
	ck_assert_int_eq(faccessat(unfinished.room_fd, unfinished.name, F_OK, 0), 0);
	store_part_done(&part);
	fd_close(&held);
	/* As if its maker had been killed. */
	fd_close(&unfinished.fd);
	collect_now();
	ck_assert_uint_eq(result.layers, 2);
	ck_assert_uint_eq(result.unfinished, 1);
	ck_assert_int_lt(faccessat(unfinished.room_fd, unfinished.name, F_OK, 0), 0);
	clear();
}
END_TEST

static void note(const char *name, const char *letters, bool keep)
{
	struct reference reference = { .name = name, .manifest = digest('1'), .keep = keep };

	reference.config = digest('2');
	for (; *letters != '\0'; letters++)
		text_list_add(&arena, &reference.layers, digest(*letters));
	ck_assert_int_eq(reference_write(&arena, &store, &reference), 0);
}

START_TEST(a_kept_reference_holds_its_layers)
{
	struct reference read;

	start();
	add_layer('a');
	add_blob('1');
	add_blob('2');
	add_blob('3');
	note("kept", "a", true);
	collect_now();
	ck_assert_uint_eq(result.layers, 0);
	ck_assert_uint_eq(result.blobs, 1);
	ck_assert(is_there(STORE_LAYERS, 'a') && is_there(STORE_BLOBS, '1'));
	note("kept", "a", false);
	collect_now();
	ck_assert_uint_eq(result.layers, 1);
	ck_assert_uint_eq(result.blobs, 2);
	ck_assert_uint_eq(result.references, 1);
	ck_assert_int_eq(reference_read(&arena, &read, &store, "kept"), -ENOENT);
	clear();
}
END_TEST

START_TEST(what_is_kept_goes_when_that_is_wished_unless_a_machine_has_it)
{
	struct reference read;

	start();
	for (const char *letter = "abcd"; *letter != '\0'; letter++)
		add_layer(*letter);
	add_blob('1');
	add_blob('2');
	note("used", "ab", true);
	note("half-used", "bc", true);
	note("unused", "d", true);
	make_machine("web", "ab");
	collect_now();
	ck_assert_uint_eq(result.layers + result.references, 0);
	ck_assert_int_eq(collect(&arena, &result, &scope, true, NULL, NULL), 0);
	ck_assert_uint_eq(result.layers, 2);
	ck_assert_uint_eq(result.references, 2);
	ck_assert_uint_eq(result.blobs, 0);
	ck_assert(is_there(STORE_LAYERS, 'a') && is_there(STORE_LAYERS, 'b'));
	ck_assert(!is_there(STORE_LAYERS, 'c') && !is_there(STORE_LAYERS, 'd'));
	ck_assert_int_eq(reference_read(&arena, &read, &store, "used"), 0);
	ck_assert_int_eq(reference_read(&arena, &read, &store, "half-used"), -ENOENT);
	ck_assert_int_eq(reference_read(&arena, &read, &store, "unused"), -ENOENT);
	ck_assert_int_eq(dir_remove_all(AT_FDCWD, arena_format(&arena, "%s/web.mstack", pool)), 0);
	ck_assert_int_eq(collect(&arena, &result, &scope, true, NULL, NULL), 0);
	ck_assert_uint_eq(result.layers, 2);
	ck_assert_uint_eq(result.blobs, 2);
	clear();
}
END_TEST

START_TEST(a_machine_holds_manifest_and_configuration_through_its_layers)
{
	start();
	add_layer('a');
	add_blob('1');
	add_blob('2');
	note("image", "a", false);
	make_machine("web", "a");
	collect_now();
	ck_assert_uint_eq(result.blobs + result.references + result.layers, 0);
	ck_assert(is_there(STORE_BLOBS, '1') && is_there(STORE_BLOBS, '2'));
	clear();
}
END_TEST

START_TEST(unfinished_copies_of_images_hold_layers)
{
	start();
	add_layer('a');
	make_machine("web", "a");
	ck_assert_int_eq(rename(arena_format(&arena, "%s/web.mstack", pool),
				arena_format(&arena, "%s/.#new.web.0123", pool)),
			 0);
	collect_now();
	ck_assert_uint_eq(result.layers, 0);
	ck_assert_int_eq(mkdir(arena_format(&arena, "%s/.#transfer.x", pool), 0700), 0);
	ck_assert_int_eq(rename(arena_format(&arena, "%s/.#new.web.0123", pool),
				arena_format(&arena, "%s/.#transfer.x/new", pool)),
			 0);
	collect_now();
	ck_assert_uint_eq(result.layers, 0);
	clear();
}
END_TEST

static int elsewhere(struct arena *memory, struct text_list *ret, void *context)
{
	(void)context;
	text_list_add(memory, ret, arena_format(memory, "%s/else.mstack", scratch_path));
	return 0;
}

START_TEST(what_runs_from_another_directory_holds_layers)
{
	start();
	add_layer('a');
	make_machine("web", "a");
	ck_assert_int_eq(rename(arena_format(&arena, "%s/web.mstack", pool),
				arena_format(&arena, "%s/else.mstack", scratch_path)),
			 0);
	ck_assert_int_eq(collect(&arena, &result, &scope, false, elsewhere, NULL), 0);
	ck_assert_uint_eq(result.layers, 0);
	collect_now();
	ck_assert_uint_eq(result.layers, 1);
	clear();
}
END_TEST

START_TEST(nothing_is_taken_while_a_machine_starts)
{
	int rooms[VIEW_ROOMS_MAX], count;
	struct mstack stack;

	start();
	add_layer('a');
	add_layer('b');
	make_machine("web", "a");
	ck_assert_int_eq(mstack_read(&arena, &stack, arena_format(&arena, "%s/web.mstack", pool)),
			 0);
	count = view_hold(rooms, &stack);
	ck_assert_int_eq(count, 1);
	ck_assert_int_eq(collect(&arena, &result, &scope, false, NULL, NULL), 0);
	ck_assert(result.busy);
	ck_assert(is_there(STORE_LAYERS, 'b'));
	fd_close(&rooms[0]);
	collect_now();
	ck_assert(!is_there(STORE_LAYERS, 'b'));
	clear();
}
END_TEST

START_TEST(each_directory_with_layers_is_held_once)
{
	static const char *const others[] = { "one/1", "two/1", "one/2", "two/2" };
	int rooms[VIEW_ROOMS_MAX], room, count;
	struct mstack stack = { 0 };

	start();
	add_layer('a');
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		char *path = arena_format(&arena, "%s/.local/%s", scratch_path, others[i]);

		ck_assert_int_eq(dir_make_all(path, 0700), 0);
		text_list_add(&arena, &stack.layers, path);
	}
	text_list_add(&arena, &stack.layers, layer_path(&arena, &store, digest('a')));
	count = view_hold(rooms, &stack);
	ck_assert_int_eq(count, 3);
	room = openat(store.fd, STORE_LAYERS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_lt(flock(room, LOCK_EX | LOCK_NB), 0);
	while (count > 0)
		fd_close(&rooms[--count]);
	ck_assert_int_eq(flock(room, LOCK_EX | LOCK_NB), 0);
	close(room);
	clear();
}
END_TEST

/* In a process of its own; true: it was still waiting when its time was over. */
static bool waits(void (*act)(void))
{
	const struct itimerval soon = { .it_value.tv_usec = 200 * 1000 };
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		signal(SIGALRM, SIG_DFL);
		setitimer(ITIMER_REAL, &soon, NULL);
		act();
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM;
}

static void rename_machine(void)
{
	(void)change_rename(&arena, &scope, "web", "site");
}

static void clone_machine(void)
{
	(void)clone_image(&arena, &scope, &(struct clone_request){ .from = "web", .to = "site" });
}

static void note_image(void)
{
	note("image", "a", true);
}

static int act_meanwhile(struct arena *memory, struct text_list *ret, void *context)
{
	(void)memory;
	(void)ret;
	(void)context;
	ck_assert(waits(rename_machine));
	ck_assert(waits(clone_machine));
	ck_assert(waits(note_image));
	return 0;
}

START_TEST(no_name_changes_while_holders_are_looked_for)
{
	start();
	add_layer('a');
	make_machine("web", "a");
	ck_assert_int_eq(collect(&arena, &result, &scope, false, act_meanwhile, NULL), 0);
	ck_assert(!result.busy);
	ck_assert(is_there(STORE_LAYERS, 'a'));
	clear();
}
END_TEST

START_TEST(an_unfinished_layer_loses_its_name_at_once)
{
	struct store_part part = STORE_PART_EMPTY;
	char *inside;

	start();
	ck_assert_int_eq(layer_begin(&store, &part), 0);
	ck_assert_int_eq(mkdirat(part.fd, "usr", 0755), 0);
	inside = arena_format(&arena, "%s/%s/%s/usr", store.path, STORE_LAYERS, part.name);
	/* It cannot be removed now. */
	if (unshare(CLONE_NEWNS) == 0 && mount("tmpfs", inside, "tmpfs", 0, NULL) == 0) {
		fd_close(&part.fd);
		collect_now();
		ck_assert_uint_eq(result.unfinished, 1);
		ck_assert_int_lt(faccessat(part.room_fd, part.name, F_OK, 0), 0);
		inside = arena_format(&arena, "%s/%s/.#old.%s/usr", store.path, STORE_LAYERS,
				      part.name);
		ck_assert_int_eq(umount(inside), 0);
	}
	part.name[0] = '\0';
	store_part_done(&part);
	collect_now();
	clear();
}
END_TEST

START_TEST(sizes_tell_who_holds_what)
{
	struct holders holders;
	struct holders_layer *a;

	start();
	add_layer('a');
	add_layer('b');
	make_machine("one", "a");
	make_machine("two", "ab");
	ck_assert_int_eq(holders_read(&arena, &holders, &store, &scope, NULL), 0);
	holders_measure(&arena, &holders, &store);
	ck_assert_uint_eq(holders.layer_count, 2);
	ck_assert_uint_eq(holders.machine_count, 2);
	a = holders_layer(&holders, digest('a'));
	ck_assert_uint_eq(a->machines.count, 2);
	for (size_t i = 0; i < 2; i++) {
		const struct holders_machine *machine = &holders.machines[i];

		ck_assert_uint_eq(machine->shared, a->size);
		ck_assert_uint_eq(machine->exclusive, machine->count == 2 ? a->size : 0);
	}
	clear();
}
END_TEST

START_TEST(machines_in_any_directory_hold_their_layers)
{
	start();
	pool = arena_format(&arena, "%s/elsewhere", scratch_path);
	add_layer('a');
	add_layer('b');
	make_machine("web", "a");
	note_machine("a");
	collect_now();
	ck_assert(is_there(STORE_LAYERS, 'a') && !is_there(STORE_LAYERS, 'b'));
	ck_assert_int_eq(dir_remove_all(scratch_fd, "elsewhere/web.mstack"), 0);
	collect_now();
	ck_assert(!is_there(STORE_LAYERS, 'a'));
	ck_assert_int_eq(dir_remove_all(scratch_fd, "elsewhere"), 0);
	clear();
}
END_TEST

START_TEST(what_cannot_be_looked_at_holds_its_layers)
{
	struct holders_layer *a;
	struct holders holders;
	struct statfs fs;

	start();
	add_layer('a');
	add_layer('b');
	make_machine("web", "a");
	make_machine("gone", "b");
	collect_now(); /* notes who uses what */
	ck_assert_int_eq(statfs(pool, &fs), 0);
	/* As if something were mounted there no more: a directory, but another one. */
	ck_assert_int_eq(rename(pool, arena_format(&arena, "%s.away", pool)), 0);
	ck_assert_int_eq(mkdir(pool, 0700), 0);
	if (fs.f_type != TMPFS_MAGIC) {
		collect_now();
		ck_assert_int_eq(holders_read(&arena, &holders, &store, &scope, NULL), 0);
		a = holders_layer(&holders, digest('a'));
		ck_assert_uint_eq(a->machines.count, 1);
		ck_assert_str_eq(a->machines.items[0], pool);
		ck_assert_int_eq(rmdir(pool), 0);
		collect_now();
		ck_assert(is_there(STORE_LAYERS, 'a') && is_there(STORE_LAYERS, 'b'));
		ck_assert_int_eq(rename(arena_format(&arena, "%s.away", pool), pool), 0);
		ck_assert_int_eq(
			dir_remove_all(AT_FDCWD, arena_format(&arena, "%s/gone.mstack", pool)), 0);
		collect_now();
		ck_assert(is_there(STORE_LAYERS, 'a') && !is_there(STORE_LAYERS, 'b'));
	} else {
		/* What was in memory will not come back. */
		ck_assert_int_eq(dir_remove_all(AT_FDCWD, arena_format(&arena, "%s.away", pool)),
				 0);
		collect_now();
		ck_assert(!is_there(STORE_LAYERS, 'a') && !is_there(STORE_LAYERS, 'b'));
	}
	clear();
}
END_TEST

int main(void)
{
	return SCRATCH_RUN("collect", what_no_machine_uses_goes, what_is_leased_stays,
			   a_kept_reference_holds_its_layers,
			   what_is_kept_goes_when_that_is_wished_unless_a_machine_has_it,
			   a_machine_holds_manifest_and_configuration_through_its_layers,
			   unfinished_copies_of_images_hold_layers,
			   what_runs_from_another_directory_holds_layers,
			   nothing_is_taken_while_a_machine_starts,
			   each_directory_with_layers_is_held_once,
			   no_name_changes_while_holders_are_looked_for,
			   an_unfinished_layer_loses_its_name_at_once, sizes_tell_who_holds_what,
			   machines_in_any_directory_hold_their_layers,
			   what_cannot_be_looked_at_holds_its_layers);
}
