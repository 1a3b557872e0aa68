/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The host's linear addresses. Tables and data are read and written in host frames only. */
#include "memory/walk.h"
#include "rv/rv.h"

static int read_entry(void *ctx, u64 addr, u64 *entry)
{
	if (!frame_is_host(addr >> PAGE_SHIFT))
		return -EPERM;
	*entry = *(volatile u64 *)va(addr);
	return 0;
}

static int walk(u64 la, bool write, bool user, u64 *addr, u64 *left)
{
	static const struct walk_ops ops = { .read_entry = read_entry };

	return walk4(&ops, vmread(VMCS_GUEST_CR3), cpu_phys_bits(), la, write, user, addr, left);
}

int l1_translate(u64 la, bool write, bool user, u64 *phys)
{
	u64 left;

	return walk(la, write, user, phys, &left);
}

static int copy(u64 la, void *buf, u64 n, bool write, bool user, u64 *fault_la)
{
	u8 *b = buf;

	if (!(vmread(VMCS_GUEST_EFER) & EFER_LMA))
		return -EFAULT;
	while (n) {
		u64 left, addr;
		int r = walk(la, write, user, &addr, &left);

		if (!r && !frame_is_host(addr >> PAGE_SHIFT))
			r = -EPERM;
		if (r < 0) {
			if (fault_la)
				*fault_la = la;
			return r;
		}
		if (left > n)
			left = n;
		if (write)
			memcpy(va(addr), b, left);
		else
			memcpy(b, va(addr), left);
		la += left;
		b += left;
		n -= left;
	}
	return 0;
}

int l1_read(u64 la, void *dst, u64 n, bool user, u64 *fault_la)
{
	return copy(la, dst, n, false, user, fault_la);
}

int l1_write(u64 la, const void *src, u64 n, bool user, u64 *fault_la)
{
	return copy(la, (void *)src, n, true, user, fault_la);
}
