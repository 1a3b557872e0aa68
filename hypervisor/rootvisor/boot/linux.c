/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "boot/linux.h"

#include "rv/rv.h"

#define GIB4		((u64)1 << 32)
#define BLOCK_MIN	0x100000ull	/* not below 1 MiB: the kernel needs that for its trampolines */

enum { B_PARAMS = 0, B_CMDLINE = 1, B_GDT = 2, B_PML4 = 3, B_PDPT = 4, B_PD = 5 };
_Static_assert(B_PD + 4 <= LINUX_BLOCK_PAGES, "block");
_Static_assert(MB2_CMDLINE_MAX <= PAGE_SIZE, "command line");

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

int linux_load(const struct mb2_info *mb, struct memmap *free_map, const struct memmap *e820, u64 rsdp,
	       struct linux_entry *out, const char **error)
{
	const u8 *file = va(mb->kernel.start);
	struct bzimage k;
	u64 load, block, *gdt;
	u32 len = 0;
	int r;

	r = bzimage_parse(file, mb->kernel.end - mb->kernel.start, &k, error);
	if (r < 0)
		return r;
	while (mb->kernel.cmdline[len])
		len++;
	*error = "the kernel takes no command line of that length";
	if (len > k.cmdline_max)
		return -EINVAL;
	*error = "no room in memory for the kernel";
	load = bzimage_place(&k, free_map);
	if (!load || memmap_set(free_map, load, load + k.init_size, MEM_RESERVED) < 0)
		return -ENOSPC;
	block = memmap_find_low(free_map, LINUX_BLOCK_PAGES * PAGE_SIZE, PAGE_SIZE, BLOCK_MIN, GIB4);
	if (!block)
		return -ENOSPC;

	memcpy(va(load), file + k.setup_size, k.payload_size);
	memset(va(block), 0, LINUX_BLOCK_PAGES * PAGE_SIZE);
	memcpy(va(block + B_CMDLINE * PAGE_SIZE), mb->kernel.cmdline, len + 1);
	identity_map(block);
	gdt = va(block + B_GDT * PAGE_SIZE);
	gdt[2] = 0x00af9b000000ffff;	/* __BOOT_CS */
	gdt[3] = 0x00cf93000000ffff;	/* __BOOT_DS */
	boot_params_fill(va(block + B_PARAMS * PAGE_SIZE), file, &k, &(struct boot_params_args) {
		.initrd = mb->initrd.start, .initrd_size = mb->initrd.end - mb->initrd.start,
		.cmdline = block + B_CMDLINE * PAGE_SIZE, .rsdp = rsdp, .map = e820 });
	*out = (struct linux_entry) {
		.rip = load + 0x200, .rsi = block + B_PARAMS * PAGE_SIZE,
		.cr3 = block + B_PML4 * PAGE_SIZE, .gdt = pa(gdt), .gdt_limit = 4 * 8 - 1 };
	rv_printf("Linux: %u KiB at %lx (needs %u KiB), initrd %lu KiB at %lx, boot_params at %lx\n",
		  k.payload_size >> 10, load, k.init_size >> 10, (mb->initrd.end - mb->initrd.start) >> 10,
		  mb->initrd.start, out->rsi);
	*error = NULL;
	return 0;
}
