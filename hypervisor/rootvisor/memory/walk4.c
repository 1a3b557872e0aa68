/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "memory/walk.h"

#define PTE_P		BIT(0)
#define PTE_W		BIT(1)
#define PTE_U		BIT(2)
#define PTE_LARGE	BIT(7)

int walk4(const struct walk_ops *ops, u64 cr3, u32 phys_bits, u64 la, bool write, bool user, u64 *pa, u64 *left)
{
	u64 addr_mask = (BIT(phys_bits) - 1) & PAGE_MASK, table = cr3 & addr_mask;
	u64 need = PTE_P | (write ? PTE_W : 0) | (user ? PTE_U : 0);

	if ((u64)((s64)(la << 16) >> 16) != la)
		return -EFAULT;		/* not canonical */
	for (u32 level = 4; level; level--) {
		u32 shift = PAGE_SHIFT + 9 * (level - 1);
		u64 e, size = BIT(shift);
		int r = ops->read_entry(ops->ctx, table + (la >> shift & 511) * 8, &e);

		if (r < 0)
			return r;
		if ((e & need) != need)
			return -EFAULT;
		if (e & 0x000ffffffffff000ull & ~addr_mask)
			return -EFAULT;
		if (level > 1 && !(e & PTE_LARGE)) {
			table = e & addr_mask;
			continue;
		}
		if (level > 3)
			return -EFAULT;	/* reserved bit */
		*pa = (e & addr_mask & ~(size - 1)) | (la & (size - 1));
		*left = PAGE_SIZE - (la & (PAGE_SIZE - 1));
		return 0;
	}
	return -EFAULT;
}
