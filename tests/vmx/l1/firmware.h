/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Between firmware.S and the tests. */
#ifndef L1_FIRMWARE_H
#define L1_FIRMWARE_H

/* CVM_FW_GPA and CVM_FW_STACK of boot.h, for the assembler. */
#define FW_GPA		0x20000
#define FW_STACK	0x40000

#define PORT_IN		0xd0
#define PORT_OUT	0xd1
#define PORT_HOLD	0xd2
#define PORT_STAGE1	0xd3
#define PORT_STRING	0xd4	/* of INS and OUTS */

/* Commands: arguments -> answers. */
#define FW_READ		1	/* address -> word */
#define FW_WRITE	2	/* address, word -> 0 */
#define FW_HALT		3	/* -> 0 after HLT */
#define FW_HOLD		4	/* -> 0: all secrets survived */
#define FW_CALL		5	/* EAX, EBX, ECX -> EAX of VMCALL */
#define FW_FILL		6	/* address, words, value -> 0 */
#define FW_CHECK	7	/* address, words, value -> words that differ */
#define FW_CPUID	8	/* leaf -> EAX, EBX, ECX, EDX */
#define FW_RDMSR	9	/* index -> low, high; 0xfa17 alone: it faulted */
#define FW_COUNT	10	/* vector -> how often it came */
#define FW_STI_HLT	11	/* -> 0 */
#define FW_TAKE		12	/* interrupts on for a moment -> 0 */
#define FW_PRIVILEGED	13	/* -> how many of five instructions raised #UD */
#define FW_WRMSR	14	/* index, low -> 0, or 0xfa17: it faulted */
#define FW_SPIN		15	/* count -> 0 */
#define FW_AVX		16	/* -> 0: a YMM register survived an exit; 2: no AVX */
#define FW_JUMP		17	/* address; no answer expected */
#define FW_DIE		18	/* triple fault */
#define FW_EXEC		19	/* runs what stands at FW_CODE with a device's address in EBX, ESI, EDI -> EAX, or 0xfa17 */
#define FW_PAGED	20	/* address -> word, read with paging on, the page directory at FW_DIRECTORY; an OUT before it */
#define FW_TOGGLE	21	/* count -> 0: interrupts on and off, an exit in each state */
#define FW_COMMANDS	22

#define FW_DIRECTORY	0xa000	/* maps its first 4 MiB to themselves, where the firmware runs */

#define FW_CODE		0x9000	/* must end in a jump to FW_GPA + (fw_exec_done - fw_start) */
#define FW_DEVICE	0xd0000100

#define SECRET_EAX	0x5ec7e031
#define SECRET_EBX	0x5ec7e102
#define SECRET_ECX	0x5ec7e203
#define SECRET_EDX	0x5ec7e304
#define SECRET_ESI	0x5ec7e405
#define SECRET_EDI	0x5ec7e506
#define SECRET_EBP	0x5ec7e607
#define SECRET_ESP	0x5ec7e708
#define SECRET_XMM	0x5ec7e809
#define SECRET_DR	0x5ec7e90a
#define SECRET_CR2	0x5ec7ea0b
#define SECRET_STAR	0x5ec7eb0c
#define SECRET_KGS	0x5ec7ec0d
#define SECRET_MASK	0xfffff000
#define IS_SECRET(v)	(((u32)(v) & SECRET_MASK) == 0x5ec7e000 || ((v) >> 32 & SECRET_MASK) == 0x5ec7e000)

#endif
