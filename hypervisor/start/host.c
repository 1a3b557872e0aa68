/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "start/host.h"

#include "hostboot/handoff.h"
#include "rv/rv.h"

extern const u8 hostboot_start[], hostboot_end[];

/* Page tables, handoff block and hostboot itself, one behind the other. */
enum { B_PML4 = 0, B_PDPT = PAGE_SIZE, B_MAILBOX = 2 * PAGE_SIZE, B_HANDOFF = 3 * PAGE_SIZE,
       B_IMAGE = B_HANDOFF + ALIGN_UP(sizeof(struct host_handoff), PAGE_SIZE) };
_Static_assert(HANDOFF_CMDLINE == MB2_CMDLINE_MAX, "command line");

struct host_entry host_prepare(const struct mb2_info *mb, struct memmap *e820, struct memmap *free_map, enum host_kind kind)
{
	u64 image = (u64)(hostboot_end - hostboot_start), size = B_IMAGE + ALIGN_UP(image, PAGE_SIZE);
	u64 at = memmap_find_high(free_map, size, PAGE_SIZE, BIT(20), BIT(32));
	struct host_handoff *h = va(at + B_HANDOFF);
	u64 *pml4 = va(at + B_PML4), *pdpt = va(at + B_PDPT);

	if (!at || memmap_set(free_map, at, at + size, MEM_RESERVED) < 0)
		rv_panic("no memory for hostboot");
	/* The other CPUs wait in it: it stays. */
	if (kind == HOST_SEVERAL_CPUS && memmap_set(e820, at, at + size, MEM_NVS) < 0)
		rv_panic("the memory map is too fragmented");
	memset(va(at), 0, size);
	pml4[0] = pa(pdpt) | 3;
	for (u64 gib = 0; gib < 512; gib++)
		pdpt[gib] = gib << 30 | 0x83;
	*h = (struct host_handoff) {
		.e820 = *e820, .free = *free_map, .kernel = mb->kernel.start,
		.kernel_size = mb->kernel.end - mb->kernel.start, .initrd = mb->initrd.start,
		.initrd_size = mb->initrd.end - mb->initrd.start, .rsdp_size = mb->rsdp_size,
		.protected = kind != HOST_NATIVE, .abi_version = CVM_ABI_VERSION,
		.mailbox = kind == HOST_SEVERAL_CPUS ? at + B_MAILBOX : 0 };
	memcpy(h->cmdline, mb->kernel.cmdline, sizeof(h->cmdline));
	memcpy(h->rsdp, mb->rsdp, sizeof(h->rsdp));
	memcpy(va(at + B_IMAGE), hostboot_start, image);
	return (struct host_entry) { .rip = at + B_IMAGE, .rdi = pa(h), .cr3 = pa(pml4), .mailbox = at + B_MAILBOX };
}

void host_enter_native(const struct mb2_info *mb, struct memmap *e820, struct memmap *free_map)
{
	struct host_entry e = host_prepare(mb, e820, free_map, HOST_NATIVE);

	/* on the boot map of 4 GiB: a CPU that falls back may have no 1 GiB pages */
	__asm__ volatile("cli; jmp *%0" : : "r"(e.rip), "D"(e.rdi), "S"(0ull) : "memory");
	__builtin_unreachable();
}
