#include "image/pick.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "base/arena.h"
#include "base/path.h"
#include "base/text.h"
#include "io/dir.h"
#include "io/fd.h"

/* ---- order (UAPI group, "Version Format") ---- */

/* Where a separator stands among what may follow at the same place: "~" is before the end. */
static int weight(char c)
{
	switch (c) {
	case '~': return 0;
	case '\0': return 1;
	case '-': return 2;
	case '^': return 3;
	case '.': return 4;
	}
	return isdigit((unsigned char)c) ? 6 : 5;
}

static bool is_version_byte(char c)
{
	return isalnum((unsigned char)c) || (c && strchr("~-^.", c));
}

static int compare_digits(const char **a, const char **b)
{
	size_t na, nb;
	int order;

	*a += strspn(*a, "0");
	*b += strspn(*b, "0");
	na = strspn(*a, "0123456789");
	nb = strspn(*b, "0123456789");
	order = na != nb ? (na < nb ? -1 : 1) : memcmp(*a, *b, na);
	*a += na;
	*b += nb;
	return order;
}

static int compare_letters(const char **a, const char **b)
{
	while (isalpha((unsigned char)**a) && isalpha((unsigned char)**b)) {
		if (**a != **b)
			return **a < **b ? -1 : 1;
		++*a;
		++*b;
	}
	/* The longer word is the later one. */
	return isalpha((unsigned char)**a) ? 1 : isalpha((unsigned char)**b) ? -1 : 0;
}

int pick_compare(const char *a, const char *b)
{
	for (;;) {
		int order;

		while (*a && !is_version_byte(*a))
			a++;
		while (*b && !is_version_byte(*b))
			b++;
		if (isdigit((unsigned char)*a) && isdigit((unsigned char)*b)) {
			order = compare_digits(&a, &b);
		} else if (isalpha((unsigned char)*a) && isalpha((unsigned char)*b)) {
			order = compare_letters(&a, &b);
		} else {
			order = weight(*a) - weight(*b);
			if (order == 0 && !*a)
				return 0;
			a += *a != '\0';
			b += *b != '\0';
		}
		if (order != 0)
			return order;
	}
}

/* ---- choice ---- */

struct choice {
	struct arena *arena;
	const char *prefix, *suffix; /* "web_", ".raw" */
	const char *machine;
	mode_t type;
	char *best_name, *best_version;
	bool best_tried_out;
};

/* Take "+LEFT" or "+LEFT-DONE" off VERSION; true: no attempts are left. */
static bool cut_tries(char *version)
{
	char *plus = strrchr(version, '+');
	bool tried_out;

	if (!plus || !isdigit((unsigned char)plus[1]) || plus[1 + strspn(plus + 1, "0123456789-")])
		return false;
	tried_out = strspn(plus + 1, "0") == strspn(plus + 1, "0123456789");
	*plus = '\0';
	return tried_out;
}

/* Take "_ARCH" off VERSION; false: it is for another architecture. */
static bool cut_architecture(char *version, const char *machine)
{
	static const struct {
		const char *word, *machine;
	} words[] = {
		{ "x86-64", "x86_64" }, { "arm64", "aarch64" },		  { "riscv64", "riscv64" },
		{ "s390x", "s390x" },	{ "ppc64-le", "ppc64le" },	  { "x86", "i686" },
		{ "arm", "armv7l" },	{ "loongarch64", "loongarch64" },
	};
	char *word = strrchr(version, '_');

	if (!word)
		return true;
	*word++ = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (text_equal(word, words[i].word))
			return text_equal(machine, words[i].machine);
	return false;
}

static int consider(int dir_fd, const char *name, unsigned char type, void *context)
{
	struct choice *choice = context;
	const char *rest = text_after(name, choice->prefix);
	bool tried_out;
	struct stat st;
	char *version;

	(void)type;
	if (!rest || !text_ends(rest, choice->suffix))
		return 0;
	version = arena_text_n(choice->arena, rest, strlen(rest) - strlen(choice->suffix));
	tried_out = cut_tries(version);
	if (!cut_architecture(version, choice->machine) || !*version)
		return 0;
	if (choice->best_name) {
		if (tried_out && !choice->best_tried_out)
			return 0;
		if (tried_out == choice->best_tried_out &&
		    pick_compare(version, choice->best_version) <= 0)
			return 0;
	}
	if (fstatat(dir_fd, name, &st, 0) < 0 || (st.st_mode & S_IFMT) != choice->type)
		return 0;
	choice->best_name = arena_text(choice->arena, name);
	choice->best_version = version;
	choice->best_tried_out = tried_out;
	return 0;
}

int pick_version(struct arena *arena, char **ret, const char *path, enum pick_kind kind)
{
	autoclose int fd = -EBADF;
	const char *name = path_name(path);
	struct choice choice = {
		.arena = arena,
		.suffix = kind == PICK_RAW ? ".raw" : "",
		.type = kind == PICK_RAW ? S_IFREG : S_IFDIR,
	};
	struct utsname machine;
	char *image;
	int r;

	if (!text_ends(name, ".v") || strlen(name) < 3) {
		*ret = arena_text(arena, path);
		return 0;
	}
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	image = arena_text_n(arena, name, strlen(name) - strlen(".v"));
	if (kind == PICK_RAW && text_ends(image, ".raw"))
		image[strlen(image) - strlen(".raw")] = '\0';
	choice.prefix = arena_format(arena, "%s_", image);
	choice.machine = uname(&machine) < 0 ? "" : machine.machine;
	r = dir_walk(fd, consider, &choice);
	if (r < 0)
		return r;
	if (!choice.best_name)
		return -ENOENT;
	*ret = path_join(arena, path, choice.best_name);
	return 0;
}
