/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A hostile host (this L1) against a protected guest, promise by promise, each with the same done to an ordinary
 * guest, where it succeeds: so the attack itself works.
 */
#ifndef L1_ATTACKS_H
#define L1_ATTACKS_H

#include "protected.h"

#define DATA	0x6000u			/* a page of the guest with its data */
#define OTHER	0x7000u
#define WORD	0x600dda7au
#define WORDS	1024u

void begin(void);
bool frame_has(const u8 *frame, u32 word);
/* The guest ended with a shut-down exit (how), and its VM is in that state, for ever. */
void expect_stopped(struct vm1 *vm, u32 how, u32 reason);
void expect_running(struct vm1 *vm);
void nmi_storm(bool on);		/* the second CPU sends this one NMIs without end */

#define EOI_GFN		(CVM_EOI_GPA >> 12)
#define EOI_CODE	11u
extern const u8 eoi_code[EOI_CODE];		/* writes 0 to the x2APIC's EOI register */
/* Protected, with no RAM from the EOI page on. Returns that page, L1's. */
volatile u32 *start_with_eoi(struct vm1 *vm, u32 more);

#endif
