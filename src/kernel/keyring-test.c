#include "kernel/keyring.h"

#include <linux/keyctl.h>

#include "kernel/fixture.h"
#include "kernel/syscall.h"

static int session(void)
{
	return sys_keyctl(KEYCTL_GET_KEYRING_ID, (unsigned long)KEY_SPEC_SESSION_KEYRING, 0, 0, 0);
}

START_TEST(the_session_keyring_is_new)
{
	int before = session();

	if (before == -ENOSYS)
		return;
	ck_assert_int_eq(keyring_join_new(), 0);
	ck_assert_int_ne(session(), before);
}
END_TEST

START_TEST(a_kernel_without_keyrings_is_fine)
{
	fixture_deny(SYS_keyctl, _i ? EPERM : ENOSYS);
	ck_assert_int_eq(keyring_join_new(), 0);
}
END_TEST

int main(void)
{
	TCase *cases = tcase_create("keyring");

	tcase_add_test(cases, the_session_keyring_is_new);
	tcase_add_loop_test(cases, a_kernel_without_keyrings_is_fine, 0, 2);
	return fixture_run(cases, "kernel/keyring");
}
