/* Entry point and system calls of the stub, x86-64 (syscall(2)). */
	.globl _start
	.type _start, @function
_start:
	xor %ebp, %ebp
	and $-16, %rsp
	call stub_main
	mov %eax, %edi
	mov $231, %eax /* exit_group */
	syscall

	.globl call
	.type call, @function
call:
	mov %rdi, %rax
	mov %rsi, %rdi
	mov %rdx, %rsi
	mov %rcx, %rdx
	mov %r8, %r10
	mov %r9, %r8
	mov 8(%rsp), %r9
	syscall
	ret

	.section .note.GNU-stack, "", @progbits
