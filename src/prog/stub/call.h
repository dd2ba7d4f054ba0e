/* prog/stub/call - system calls and the entry point without a libc.
 * Calling conventions: syscall(2), "Architecture calling conventions". */
#pragma once

int stub_main(void);

long call(long number, long a, long b, long c, long d, long e, long f);
