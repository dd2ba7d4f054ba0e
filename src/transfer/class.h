/* transfer/class - what images are for, and where those of each kind are kept. Pure. */
#pragma once

struct arena;
struct find_scope;
struct text_list;

enum class { CLASS_UNSET, CLASS_MACHINE, CLASS_PORTABLE, CLASS_SYSEXT, CLASS_CONFEXT };

/* "machine"; NULL: unset. */
const char *class_name(enum class class);

/* CLASS_UNSET: no class is called so. */
enum class class_of(const char *name);

/* The directory of new images: "/var/lib/machines"; NULL: a user without a home. */
char *class_pool(struct arena *arena, enum class class, const struct find_scope *scope);

/* Where images of the class are looked for, the first wins. */
void class_directories(struct arena *arena, struct text_list *ret, enum class class,
		       const struct find_scope *scope);
