// SPDX-License-Identifier: LGPL-2.1-or-later
#include "nested/operand.h"

int vmx_decode_operand(u32 info, u64 disp, const u64 gpr[16], u64 fs_base, u64 gs_base,
		       struct vmx_operand *op)
{
	u32 asize = (info >> 7) & 7;
	u32 seg = (info >> 15) & 7;
	u64 ea = disp;

	op->is_reg = info & BIT(10);
	op->reg = (info >> 3) & 15;
	op->reg2 = (info >> 28) & 15;
	op->la = 0;
	if (op->is_reg)
		return 0;
	if (asize < 1 || asize > 2 || seg > 5)
		return -EINVAL;
	if (!(info & BIT(27)))
		ea += gpr[(info >> 23) & 15];
	if (!(info & BIT(22)))
		ea += gpr[(info >> 18) & 15] << (info & 3);
	if (asize == 1)
		ea &= 0xffffffff;
	op->la = ea + (seg == 4 ? fs_base : seg == 5 ? gs_base : 0);
	return 0;
}
