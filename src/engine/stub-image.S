/* The stub's program, built from src/prog/stub, as bytes. */
	.section .rodata
	.globl stub_image
	.globl stub_image_end
	.balign 16
stub_image:
	.incbin STUB_PROGRAM
stub_image_end:
	.section .note.GNU-stack, "", %progbits
