/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hostboot/linux.h"

#include "hostboot/bzimage.h"
#include "hostboot/place.h"
#include "rv/asm.h"
#include "rv/mem.h"

#define GIB4		((u64)1 << 32)
#define BLOCK_MIN	0x100000ull	/* not below 1 MiB: the kernel needs that for its trampolines */

enum { B_PARAMS = 0, B_CMDLINE = 1, B_GDT = 2, B_PML4 = 3, B_PDPT = 4, B_PD = 5 };
_Static_assert(B_PD + 4 <= LINUX_BLOCK_PAGES, "block");
_Static_assert(HANDOFF_CMDLINE <= PAGE_SIZE, "command line");

static void identity_map(u64 block)
{
	u64 *pml4 = va(block + B_PML4 * PAGE_SIZE), *pdpt = va(block + B_PDPT * PAGE_SIZE);
	u64 *pd = va(block + B_PD * PAGE_SIZE);

	pml4[0] = pa(pdpt) | 3;
	for (u64 i = 0; i < 4; i++)
		pdpt[i] = pa(pd + 512 * i) | 3;
	for (u64 i = 0; i < 2048; i++)
		pd[i] = i << 21 | 0x83;
}

int linux_load(struct host_handoff *h, u64 rsdp, struct linux_entry *out, const char **error)
{
	const u8 *file = va(h->kernel);
	struct bzimage k;
	u64 load, block, *gdt;
	u32 len = 0;
	int r;

	r = bzimage_parse(file, h->kernel_size, &k, error);
	if (r < 0)
		return r;
	while (h->cmdline[len])
		len++;
	*error = "the kernel takes no command line of that length";
	if (len > k.cmdline_max)
		return -EINVAL;
	*error = "no room in memory for the kernel";
	load = bzimage_place(&k, &h->free);
	if (!load || memmap_set(&h->free, load, load + k.init_size, MEM_RESERVED) < 0)
		return -ENOSPC;
	block = memmap_find_low(&h->free, LINUX_BLOCK_PAGES * PAGE_SIZE, PAGE_SIZE, BLOCK_MIN, GIB4);
	if (!block)
		return -ENOSPC;

	memcpy(va(load), file + k.setup_size, k.payload_size);
	memset(va(block), 0, LINUX_BLOCK_PAGES * PAGE_SIZE);
	memcpy(va(block + B_CMDLINE * PAGE_SIZE), h->cmdline, len + 1);
	identity_map(block);
	gdt = va(block + B_GDT * PAGE_SIZE);
	gdt[2] = 0x00af9b000000ffff;	/* __BOOT_CS */
	gdt[3] = 0x00cf93000000ffff;	/* __BOOT_DS */
	boot_params_fill(va(block + B_PARAMS * PAGE_SIZE), file, &k, &(struct boot_params_args) {
		.initrd = h->initrd, .initrd_size = h->initrd_size,
		.cmdline = block + B_CMDLINE * PAGE_SIZE, .rsdp = rsdp, .map = &h->e820 });
	*out = (struct linux_entry) {
		.rip = load + 0x200, .rsi = block + B_PARAMS * PAGE_SIZE,
		.cr3 = block + B_PML4 * PAGE_SIZE, .gdt = pa(gdt), .gdt_limit = 4 * 8 - 1 };
	*error = NULL;
	return 0;
}
