#include "transfer/class.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/unit.h"
#include "image/find.h"

START_TEST(each_class_has_a_name_of_its_own)
{
	for (enum class class = CLASS_MACHINE; class <= CLASS_CONFEXT; class ++)
		ck_assert_int_eq(class_of(class_name(class)), class);
	ck_assert_int_eq(class_of("machines"), CLASS_UNSET);
	ck_assert_int_eq(class_of(NULL), CLASS_UNSET);
	ck_assert_ptr_null(class_name(CLASS_UNSET));
}
END_TEST

START_TEST(users_keep_images_in_their_home)
{
	autoarena struct arena arena = { 0 };
	struct find_scope root = { .uid = 0 }, user = { .uid = 1000, .home = "/home/me" };
	struct find_scope homeless = { .uid = 1000 };

	ck_assert_str_eq(class_pool(&arena, CLASS_MACHINE, &root), "/var/lib/machines");
	ck_assert_str_eq(class_pool(&arena, CLASS_SYSEXT, &root), "/var/lib/extensions");
	ck_assert_str_eq(class_pool(&arena, CLASS_MACHINE, &user),
			 "/home/me/.local/state/machines");
	ck_assert_ptr_null(class_pool(&arena, CLASS_MACHINE, &homeless));
}
END_TEST

START_TEST(images_of_a_class_are_looked_for_in_its_directories)
{
	autoarena struct arena arena = { 0 };
	struct find_scope root = { .uid = 0 }, user = { .uid = 1000, .home = "/home/me" };
	struct text_list machines = { 0 }, extensions = { 0 }, own = { 0 };

	class_directories(&arena, &machines, CLASS_MACHINE, &root);
	ck_assert(text_list_has(&machines, "/var/lib/machines"));
	class_directories(&arena, &extensions, CLASS_SYSEXT, &root);
	ck_assert_str_eq(extensions.items[0], "/etc/extensions");
	ck_assert(text_list_has(&extensions, "/var/lib/extensions"));
	class_directories(&arena, &own, CLASS_CONFEXT, &user);
	ck_assert_uint_eq(own.count, 1);
	ck_assert_str_eq(own.items[0], "/home/me/.local/state/confexts");
}
END_TEST

int main(void)
{
	return UNIT_RUN("transfer/class", each_class_has_a_name_of_its_own,
			users_keep_images_in_their_home,
			images_of_a_class_are_looked_for_in_its_directories);
}
