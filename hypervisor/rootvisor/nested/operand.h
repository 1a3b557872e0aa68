/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Operands of VMX instructions, from the exit's instruction information. Pure. */
#pragma once

#include "rv/types.h"

/* SDM vol. 3, tables 28-13 to 28-15: VM-exit instruction-information field. */
struct vmx_operand {
	bool is_reg;		/* VMREAD, VMWRITE: operand 1 is a register */
	u32 reg;		/* it, if is_reg */
	u32 reg2;		/* register operand: field encoding, INVEPT type */
	u64 la;			/* linear address of the memory operand */
};

/* info: instruction information; disp: exit qualification; gpr: 16 registers with RSP in place;
 * fs_base, gs_base: segment bases (the others are 0 in 64-bit mode). 0; -EINVAL: an address size
 * or segment that does not occur in 64-bit mode. */
int vmx_decode_operand(u32 info, u64 disp, const u64 gpr[16], u64 fs_base, u64 gs_base,
		       struct vmx_operand *op);
