#include "io/memory.h"

#include <stdlib.h>
#include <string.h>

#include "base/unit.h"

static void use_stack(void)
{
	volatile char deep[64 * 1024];

	memset((char *)deep, 1, sizeof(deep));
}

START_TEST(what_is_in_use_stays)
{
	char here[256];
	char *heap = malloc(100000);

	ck_assert_ptr_nonnull(heap);
	memset(heap, 2, 100000);
	memset(here, 3, sizeof(here));
	use_stack();
	memory_shrink();
	use_stack();
	for (size_t i = 0; i < sizeof(here); i++)
		ck_assert_int_eq(here[i], 3);
	for (size_t i = 0; i < 100000; i++)
		ck_assert_int_eq(heap[i], 2);
	free(heap);
}
END_TEST

int main(void)
{
	return UNIT_RUN("io/memory", what_is_in_use_stays);
}
