/* io/memory - give back what only the start needed. Supervisor, once it idles. Quiet. */
#pragma once

/* Free pages of the heap, and of the stack below the caller, go back to the kernel. */
void memory_shrink(void);
