#include "transfer/publish.h"

#include <sys/stat.h>
#include <sys/wait.h>

#include "base/arena.h"
#include "base/fail.h"
#include "image/find.h"
#include "image/lock.h"
#include "io/file.h"
#include "io/scratch.h"

static struct arena arena;

/* A user's, so that nothing outside of the scratch directory is looked at. */
static struct publish_request request_for(const char *name)
{
	return (struct publish_request){
		.pool = arena_format(&arena, "%s/pool", scratch_path),
		.name = name,
		.user = true,
	};
}

static void make(const struct publish_request *request, const char *text)
{
	struct publish publish;
	int r = publish_begin(&arena, &publish, request);

	ck_assert_msg(r == 0, "%s", fail_recorded()->text);
	if (request->kind == PUBLISH_FILE)
		ck_assert_int_eq(fd_write_all(publish_fd(&publish), text, strlen(text)), 0);
	else
		ck_assert_int_eq(mkdirat(publish_fd(&publish), text, 0755), 0);
	r = publish_commit(&publish);
	ck_assert_msg(r == 0, "%s", fail_recorded()->text);
}

static bool exists(const char *path)
{
	return faccessat(scratch_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Of the directory of images, without "." and "..". */
static int entries(void)
{
	int count = 0, fd = openat(scratch_fd, "pool", O_RDONLY | O_DIRECTORY);
	DIR *directory = fdopendir(fd);

	while (readdir(directory) != NULL)
		count++;
	closedir(directory);
	return count - 2;
}

static mode_t mode_of(const char *path)
{
	struct stat st;

	ck_assert_int_eq(fstatat(scratch_fd, path, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st.st_mode & 07777;
}

START_TEST(trees_and_files_get_their_names_at_the_end)
{
	struct publish_request tree = request_for("one"), file = request_for("two");

	file.kind = PUBLISH_FILE;
	file.suffix = ".raw";
	make(&tree, "etc");
	make(&file, "disk");
	ck_assert(exists("pool/one/etc"));
	ck_assert_uint_eq(mode_of("pool"), 0700);
	ck_assert_uint_eq(mode_of("pool/two.raw"), 0644);
	ck_assert_int_eq(entries(), 2);
}
END_TEST

START_TEST(a_read_only_file_has_no_write_bits)
{
	struct publish_request request = request_for("ro");

	request.kind = PUBLISH_FILE;
	request.suffix = ".raw";
	request.read_only = true;
	make(&request, "disk");
	ck_assert_uint_eq(mode_of("pool/ro.raw"), 0444);
}
END_TEST

START_TEST(nothing_is_left_of_what_is_given_up)
{
	struct publish_request request = request_for("none");
	struct publish publish = PUBLISH_EMPTY;
	int before;

	publish_abort(&publish);
	make(&(struct publish_request){ .pool = request.pool, .name = "first", .user = true },
	     "etc");
	before = entries();
	ck_assert_int_eq(publish_begin(&arena, &publish, &request), 0);
	ck_assert_int_eq(publish_side(&publish, ".nspawn", "[Exec]\n", 7), 0);
	ck_assert_int_eq(entries(), before + 2);
	publish_abort(&publish);
	publish_abort(&publish);
	ck_assert_int_eq(entries(), before);
}
END_TEST

START_TEST(a_name_that_is_taken_is_refused_at_both_ends)
{
	struct publish_request request = request_for("taken");
	struct publish_request raw = request;
	struct publish early;

	ck_assert_int_eq(publish_begin(&arena, &early, &request), 0);
	make(&request, "etc");
	raw.kind = PUBLISH_FILE;
	raw.suffix = ".raw";
	ck_assert_int_eq(publish_check(&arena, &request), -EEXIST);
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "--force"));
	ck_assert_int_eq(publish_check(&arena, &raw), -EEXIST);
	ck_assert_int_eq(publish_commit(&early), -EEXIST);
	publish_abort(&early);
	ck_assert(exists("pool/taken/etc"));
}
END_TEST

START_TEST(a_name_that_was_taken_meanwhile_in_another_form_is_refused)
{
	struct publish_request tree = request_for("twice"), raw = tree;
	struct publish publish;

	raw.kind = PUBLISH_FILE;
	raw.suffix = ".raw";
	ck_assert_int_eq(publish_begin(&arena, &publish, &tree), 0);
	make(&raw, "disk");
	ck_assert_int_eq(publish_commit(&publish), -EEXIST);
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "twice.raw"));
	publish_abort(&publish);
	ck_assert(exists("pool/twice.raw") && !exists("pool/twice"));

	tree.force = true; /* that was not there when it began */
	ck_assert_int_eq(publish_begin(&arena, &publish, &tree), 0);
	ck_assert_int_eq(publish_commit(&publish), 0);
	ck_assert(exists("pool/twice") && !exists("pool/twice.raw"));
}
END_TEST

START_TEST(a_name_that_somebody_else_is_about_to_use_is_refused)
{
	struct publish_request request = request_for("held");
	struct publish publish;
	struct lock lock;

	ck_assert_int_eq(publish_begin(&arena, &publish, &request), 0);
	ck_assert_int_eq(lock_name(&arena, &lock, request.pool, "held", false), 0);
	ck_assert_int_eq(publish_commit(&publish), -EBUSY);
	ck_assert_ptr_nonnull(strstr(fail_recorded()->text, "somebody else"));
	lock_release(&lock);
	ck_assert_int_eq(publish_commit(&publish), 0);
	ck_assert(exists("pool/held"));
}
END_TEST

START_TEST(force_replaces_what_has_the_name_whatever_it_is)
{
	struct publish_request request = request_for("replaced");

	make(&request, "old");
	request.force = true;
	make(&request, "new");
	ck_assert(exists("pool/replaced/new"));
	ck_assert(!exists("pool/replaced/old"));
	request.kind = PUBLISH_FILE;
	request.suffix = ".raw";
	make(&request, "disk");
	ck_assert(exists("pool/replaced.raw"));
	ck_assert(!exists("pool/replaced"));
}
END_TEST

START_TEST(an_image_in_use_is_not_replaced)
{
	struct publish_request request = request_for("used");
	const char *path = arena_format(&arena, "%s/used", request.pool);
	struct publish publish;
	struct lock lock;
	int tree;

	make(&request, "old");
	tree = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_eq(lock_take(&arena, &lock, path, tree, false, false), 0);
	request.force = true;
	ck_assert_int_eq(publish_begin(&arena, &publish, &request), 0);
	ck_assert_int_eq(publish_commit(&publish), -EBUSY);
	publish_abort(&publish);
	lock_release(&lock);
	ck_assert(exists("pool/used/old"));
}
END_TEST

START_TEST(nothing_is_replaced_when_one_of_several_forms_is_in_use)
{
	struct publish_request request = request_for("forms");
	const char *path = arena_format(&arena, "%s/forms", request.pool);
	struct publish publish;
	struct lock lock;
	size_t size;
	char *text;
	int tree;

	make(&request, "old");
	scratch_put("pool/forms.raw", "disk");
	scratch_put("pool/forms.nspawn", "admin");
	tree = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_eq(lock_take(&arena, &lock, path, tree, false, false), 0);
	request.force = true;
	request.kind = PUBLISH_FILE;
	request.suffix = ".raw";
	ck_assert_int_eq(publish_begin(&arena, &publish, &request), 0);
	ck_assert_int_eq(publish_side(&publish, ".nspawn", "image", 5), 0);
	ck_assert_int_eq(publish_commit(&publish), -EBUSY);
	publish_abort(&publish);
	lock_release(&lock);
	ck_assert_int_eq(file_read(&arena, &text, &size, scratch_fd, "pool/forms.raw", 99), 0);
	ck_assert_str_eq(text, "disk");
	ck_assert_int_eq(file_read(&arena, &text, &size, scratch_fd, "pool/forms.nspawn", 99), 0);
	ck_assert_str_eq(text, "admin");
	ck_assert(exists("pool/forms/old"));
}
END_TEST

START_TEST(files_beside_it_come_back_when_it_cannot_appear)
{
	struct publish_request request = request_for("late");
	struct publish publish;

	ck_assert_int_eq(publish_begin(&arena, &publish, &request), 0);
	ck_assert_int_eq(publish_side(&publish, ".nspawn", "image", 5), 0);
	/* Somebody else was faster, with what is no image, so that only the rename is stopped. */
	ck_assert_int_eq(symlinkat("/nowhere", scratch_fd, "pool/late"), 0);
	ck_assert_int_eq(publish_commit(&publish), -EEXIST);
	publish_abort(&publish);
	ck_assert(!exists("pool/late.nspawn"));
}
END_TEST

START_TEST(files_beside_it_come_along_but_replace_nothing)
{
	struct publish_request request = request_for("sided");
	struct publish publish;
	size_t size;
	char *text;

	scratch_put("pool/sided.roothash", "admin");
	ck_assert_int_eq(publish_begin(&arena, &publish, &request), 0);
	ck_assert_int_eq(publish_side(&publish, ".nspawn", "[Exec]\n", 7), 0);
	ck_assert_int_eq(publish_side(&publish, ".roothash", "image", 5), 0);
	ck_assert(!exists("pool/sided.nspawn"));
	ck_assert_int_eq(publish_commit(&publish), 0);
	ck_assert_int_eq(file_read(&arena, &text, &size, scratch_fd, "pool/sided.nspawn", 99), 0);
	ck_assert_str_eq(text, "[Exec]\n");
	ck_assert_int_eq(file_read(&arena, &text, &size, scratch_fd, "pool/sided.roothash", 99), 0);
	ck_assert_str_eq(text, "admin");
}
END_TEST

START_TEST(what_a_killed_one_left_is_removed_by_the_next)
{
	struct publish_request request = request_for("killed");
	struct publish publish;
	int before;
	pid_t child;

	make(&request, "etc");
	before = entries();
	child = fork();
	if (child == 0) {
		request.name = "other";
		if (publish_begin(&arena, &publish, &request) == 0)
			(void)publish_side(&publish, ".nspawn", "x", 1);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(child, NULL, 0), child);
	ck_assert_int_eq(entries(), before + 2);
	ck_assert_int_eq(publish_sweep(request.pool), 2);
	ck_assert_int_eq(entries(), before);
	ck_assert_int_eq(publish_sweep("/nowhere"), 0);
}
END_TEST

START_TEST(a_directory_that_others_could_enter_is_closed)
{
	struct publish_request request = request_for("closed");
	struct stat st;

	make(&request, "etc");
	ck_assert_int_eq(chmod(request.pool, 0755), 0);
	request.name = "second";
	make(&request, "etc");
	ck_assert_int_eq(stat(request.pool, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0755); /* of other things than machines */
	request.name = "third";
	request.closed = true;
	make(&request, "etc");
	ck_assert_int_eq(stat(request.pool, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0700);
}
END_TEST

START_TEST(names_that_no_image_can_have_are_refused)
{
	static const char *const bad[] = { "", ".#x", "a/b", "..", "a\nb" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct publish_request request = request_for(bad[i]);

		ck_assert_int_eq(publish_check(&arena, &request), -EINVAL);
	}
}
END_TEST

int main(void)
{
	return SCRATCH_RUN("transfer/publish", trees_and_files_get_their_names_at_the_end,
			   a_read_only_file_has_no_write_bits, nothing_is_left_of_what_is_given_up,
			   a_name_that_is_taken_is_refused_at_both_ends,
			   a_name_that_was_taken_meanwhile_in_another_form_is_refused,
			   a_name_that_somebody_else_is_about_to_use_is_refused,
			   force_replaces_what_has_the_name_whatever_it_is,
			   an_image_in_use_is_not_replaced,
			   nothing_is_replaced_when_one_of_several_forms_is_in_use,
			   files_beside_it_come_back_when_it_cannot_appear,
			   files_beside_it_come_along_but_replace_nothing,
			   what_a_killed_one_left_is_removed_by_the_next,
			   a_directory_that_others_could_enter_is_closed,
			   names_that_no_image_can_have_are_refused);
}
