// SPDX-License-Identifier: LGPL-2.1-or-later
/* Four-level tables of 4 KiB leaves: EPT02 of protected guests and the Guardians' EPTs. */
#include "vm/vm.h"

u64 *ept_entry(u64 *root, u64 gpa, bool create)
{
	u64 *table = root;

	for (u32 l = 4; l > 1; l--) {
		u64 *e = &table[(gpa >> (12 + 9 * (l - 1))) & 511];

		if (!(*e & EPT_RWX)) {
			void *t = create ? pool_get() : NULL;

			if (!t)
				return NULL;
			*e = pa(t) | EPT_RWX;
		}
		table = va(*e & EPT_ADDR);
	}
	return &table[(gpa >> 12) & 511];
}
