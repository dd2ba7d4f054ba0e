#include "image/references.h"

#include "base/arena.h"
#include "base/fail.h"
#include "image/find.h"
#include "image/store.h"
#include "io/scratch.h"

#define D(letter) digest(letter)

static struct arena arena;
static struct store store = STORE_EMPTY;

static char *digest(char letter)
{
	char text[] = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

	memset(text + strlen("sha256:"), letter, 64);
	return arena_text(&arena, text);
}

static void start(void)
{
	struct find_scope scope = { .uid = 1000, .home = scratch_path };

	ck_assert_int_eq(store_open(&arena, &store, &scope, true), 0);
}

static struct reference image(const char *name)
{
	struct reference reference = { .name = name, .manifest = D('1'), .config = D('2') };

	text_list_add(&arena, &reference.layers, D('a'));
	text_list_add(&arena, &reference.layers, D('b'));
	return reference;
}

START_TEST(what_was_noted_is_known)
{
	struct reference wrote = image("docker.io/library/debian:12"), read;

	start();
	text_list_add(&arena, &wrote.blobs, D('c'));
	text_list_add(&arena, &wrote.blobs, D('d'));
	wrote.keep = true;
	ck_assert_int_eq(reference_read(&arena, &read, &store, wrote.name), -ENOENT);
	ck_assert_int_eq(reference_write(&arena, &store, &wrote), 0);
	ck_assert_int_eq(reference_read(&arena, &read, &store, wrote.name), 0);
	ck_assert_str_eq(read.name, wrote.name);
	ck_assert_str_eq(read.manifest, wrote.manifest);
	ck_assert_str_eq(read.config, wrote.config);
	ck_assert_uint_eq(read.layers.count, 2);
	ck_assert_str_eq(read.layers.items[1], wrote.layers.items[1]);
	ck_assert_uint_eq(read.blobs.count, 2);
	ck_assert_str_eq(read.blobs.items[0], wrote.blobs.items[0]);
	ck_assert(read.keep);
	ck_assert_int_eq(reference_forget(&store, wrote.name), 0);
	ck_assert_int_eq(reference_forget(&store, wrote.name), -ENOENT);
	ck_assert_int_eq(reference_read(&arena, &read, &store, wrote.name), -ENOENT);
}
END_TEST

START_TEST(an_image_is_found_by_its_layers)
{
	struct reference one = image("one"), two = image("two"), other = image("other"), read;
	struct reference *all;
	size_t count;

	start();
	text_list_add(&arena, &other.layers, D('e'));
	ck_assert_int_eq(reference_write(&arena, &store, &one), 0);
	usleep(20000); /* times of files are as coarse as the kernel's clock ticks */
	ck_assert_int_eq(reference_write(&arena, &store, &two), 0);
	ck_assert_int_eq(reference_write(&arena, &store, &other), 0);
	ck_assert_int_eq(reference_of_layers(&arena, &read, &store, &one.layers), 0);
	ck_assert_str_eq(read.name, "two");
	ck_assert_int_eq(reference_of_layers(&arena, &read, &store, &other.layers), 0);
	ck_assert_str_eq(read.name, "other");
	ck_assert_int_eq(references_list(&arena, &all, &count, &store), 0);
	ck_assert_uint_eq(count, 3);
	ck_assert_str_eq(all[0].name, "one");
	ck_assert_str_eq(all[1].name, "other");
	for (size_t i = 0; i < count; i++)
		ck_assert_int_eq(reference_forget(&store, all[i].name), 0);
	ck_assert_int_eq(reference_of_layers(&arena, &read, &store, &one.layers), -ENOENT);
}
END_TEST

START_TEST(what_makes_no_sense_is_refused)
{
	struct reference bad = image("two words");

	start();
	ck_assert_int_eq(reference_write(&arena, &store, &bad), -EINVAL);
	bad.name = "name\nKeep=yes";
	ck_assert_int_eq(reference_write(&arena, &store, &bad), -EINVAL);
	bad.name = "good";
	bad.manifest = "sha256:../x";
	ck_assert_int_eq(reference_write(&arena, &store, &bad), -EINVAL);
	bad.manifest = D('1');
	bad.layers.items[0] = arena_text(&arena, "latest");
	ck_assert_int_eq(reference_write(&arena, &store, &bad), -EINVAL);
	bad.layers.items[0] = D('a');
	text_list_add(&arena, &bad.blobs, D('c')); /* one for two layers */
	ck_assert_int_eq(reference_write(&arena, &store, &bad), -EINVAL);
}
END_TEST

START_TEST(a_file_that_was_cut_short_is_as_if_it_was_not_there)
{
	struct reference wrote = image("cut"), read, *all;
	char path[] = "/.local/state/redd/images";
	autoclose int room = -EBADF;
	size_t count;

	start();
	ck_assert_int_eq(reference_write(&arena, &store, &wrote), 0);
	room = open(arena_format(&arena, "%s%s", scratch_path, path), O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(room, 0);
	{
		DIR *directory = fdopendir(dup(room));
		struct dirent *entry;

		while ((entry = readdir(directory)) != NULL)
			if (entry->d_name[0] != '.')
				ck_assert_int_eq(truncate(arena_format(&arena, "%s%s/%s",
								       scratch_path, path,
								       entry->d_name),
							  60),
						 0);
		closedir(directory);
	}
	ck_assert_int_eq(reference_read(&arena, &read, &store, "cut"), -ENOENT);
	ck_assert_int_eq(references_list(&arena, &all, &count, &store), 0);
	ck_assert_uint_eq(count, 0);
	ck_assert_int_eq(reference_forget(&store, "cut"), 0);
}
END_TEST

int main(void)
{
	return SCRATCH_RUN("references", what_was_noted_is_known, an_image_is_found_by_its_layers,
			   what_makes_no_sense_is_refused,
			   a_file_that_was_cut_short_is_as_if_it_was_not_there);
}
