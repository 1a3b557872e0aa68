/* SPDX-License-Identifier: LGPL-2.1-or-later */
	.section .rodata
	.global openapi_text, openapi_size
openapi_text:
	.incbin OPENAPI_FILE
openapi_end:
	.balign 8
openapi_size:
	.quad openapi_end - openapi_text
	.section .note.GNU-stack,"",@progbits
