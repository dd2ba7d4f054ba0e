#include "io/memory.h"

#include <malloc.h>
#include <stdint.h>
#include <sys/mman.h>

#define PAGE ((uintptr_t)4096)
#define STACK_USED (64 * PAGE) /* more than the deepest call of a start */
#define OWN_FRAME 512	       /* of this function, the red zone, and what madvise(2) needs */

void memory_shrink(void)
{
	uintptr_t end = ((uintptr_t)__builtin_frame_address(0) - OWN_FRAME) & ~(PAGE - 1);

	(void)malloc_trim(0);
	/* Where the stack was never that deep, the kernel says ENOMEM for the part that is not
	 * there. */
	(void)madvise((void *)(end - STACK_USED), STACK_USED, MADV_DONTNEED);
}
