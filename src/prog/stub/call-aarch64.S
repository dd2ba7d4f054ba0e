/* Entry point and system calls of the stub, AArch64 (syscall(2)). */
	.globl _start
	.type _start, %function
_start:
	mov x29, #0
	bl stub_main
	mov x8, #94 /* exit_group */
	svc #0

	.globl call
	.type call, %function
call:
	mov x8, x0
	mov x0, x1
	mov x1, x2
	mov x2, x3
	mov x3, x4
	mov x4, x5
	mov x5, x6
	svc #0
	ret

	.section .note.GNU-stack, "", %progbits
