/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The second CPU: woken by the ACPI mailbox, runs ap_main() of the test on the first one's descriptor tables. */
#ifndef VMX_TEST_AP_H
#define VMX_TEST_AP_H

#include "acpi.h"

#define LAPIC		0xfee00000ull
#define ICR_NMI		0x4400u
#define ICR_INIT	0x4500u
#define ICR_STARTUP	0x4600u

void ap_main(void);

struct table_register { u16 limit; u64 base; } __attribute__((packed));
struct table_register ap_gdtr, ap_idtr;
u8 ap_stack[8192] __attribute__((aligned(16)));

__asm__(".text; ap_entry: lgdt ap_gdtr(%rip); lidt ap_idtr(%rip); leaq ap_stack + 8192(%rip), %rsp; "
	"pushq $0x10; leaq 1f(%rip), %rax; pushq %rax; lretq; 1: movl $0x18, %eax; movl %eax, %ss; movl %eax, %ds; "
	"movl %eax, %es; xorl %ebp, %ebp; call ap_main; 2: hlt; jmp 2b");
extern const u8 ap_entry[];

static inline void ap_wait(u64 ticks)
{
	for (u64 end = rdtsc() + ticks; rdtsc() < end;)
		cpu_relax();
}

static inline void ap_ipi(u32 command)
{
	*(volatile u32 *)(LAPIC + 0x310) = 1u << 24;
	*(volatile u32 *)(LAPIC + 0x300) = command;
	ap_wait(100000);
}

/* Its page by the MADT: entry type 16. */
static inline volatile u8 *ap_mailbox(const u8 *madt)
{
	u32 size = *(const u32 *)(madt + 4);

	for (u32 at = 44; at + 2 <= size; at += madt[at + 1])
		if (madt[at] == 16) {
			CHECK_EQ(madt[at + 1], 16);
			return (volatile u8 *)*(const u64 *)(madt + at + 8);
		}
	return NULL;
}

/* Is the command taken? */
static inline bool ap_wake(volatile u8 *mailbox)
{
	__asm__ volatile("sgdt %0; sidt %1" : "=m"(ap_gdtr), "=m"(ap_idtr));
	*(volatile u32 *)(mailbox + 4) = 1;
	*(volatile u64 *)(mailbox + 8) = (u64)ap_entry;
	*(volatile u16 *)mailbox = 1;
	ap_wait(1000000);
	return *(volatile u16 *)mailbox == 0;
}

#endif
