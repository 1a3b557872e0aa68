/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Stage 2: private and measured. Trusts the measured components, the launch table after
 * checking it, and no other byte of RAM.
 */
#include "acpi.h"
#include "bootparams.h"
#include "console.h"
#include "ide.h"
#include "key-wait.h"
#include "launch.h"
#include "layout.h"
#include "mem.h"
#include "pm.h"
#include "variant.h"

#define ENTRY64		0x200u	/* from the protected-mode part's start (boot.rst) */

#define PTE_PRESENT	0x001u
#define PTE_WRITE	0x002u
#define PTE_LARGE	0x080u
#define PTES		512u
#define GIB_MAPPED	4u

/* entry.S */
extern const uint8_t dsdt_start[], dsdt_end[];
_Noreturn void enter_kernel(uint32_t pml4, uint32_t entry, uint32_t boot_params);
extern volatile uint32_t others_may_go;	/* the page tables for the other vCPUs, 0 = not yet */
_Noreturn void stage2_main(void);

/* 512-aligned, so it never crosses a page. */
static struct cvm_launch_table table __attribute__((aligned(512)));

static void check(enum reason r)
{
	if (r)
		die(r);
}

static void need_long_mode(void)
{
	uint32_t eax = 0x80000000, ebx, ecx = 0, edx;

	__asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
	if (eax < 0x80000001)
		die(R_NO_LONG_MODE);
	eax = 0x80000001;
	ecx = 0;
	__asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
	if (!(edx & (1u << 29)))
		die(R_NO_LONG_MODE);
}

/* Identity for the first 4 GiB in 2 MiB pages; entries fit 32 bits, the upper half is 0. */
static uint32_t build_page_tables(void)
{
	uint64_t *pml4 = (uint64_t *)LAYOUT_PAGE_TABLES;
	uint64_t *pdpt = pml4 + PTES;
	uint64_t *pd = pdpt + PTES;

	memset(pml4, 0, 2 * LAYOUT_PAGE);
	pml4[0] = (uint32_t)(uintptr_t)pdpt | PTE_PRESENT | PTE_WRITE;
	for (uint32_t i = 0; i < GIB_MAPPED; i++)
		pdpt[i] = (uint32_t)(uintptr_t)(pd + i * PTES) | PTE_PRESENT | PTE_WRITE;
	for (uint32_t i = 0; i < GIB_MAPPED * PTES; i++)
		pd[i] = i << 21 | PTE_PRESENT | PTE_WRITE | PTE_LARGE;
	return LAYOUT_PAGE_TABLES;
}

static void copy_cmdline(const struct launch *l)
{
	uint8_t *copy = (uint8_t *)LAYOUT_CMDLINE_COPY;

	memset(copy, 0, LAYOUT_PAGE);
	if (l->cmdline_size)
		memcpy(copy, (const void *)l->cmdline_gpa, l->cmdline_size);
}

/* The kernel runs at pref_address. The setup part behind its whole pages pushed it up a bit. */
static void place_kernel(const struct launch *l, const struct bzimage *bz)
{
	uint32_t pm = l->kernel_gpa + bz->setup_size;

	if (pm != bz->pref_address)
		memcpy((void *)bz->pref_address, (const void *)pm, l->kernel_size - bz->setup_size);
}

void stage2_main(void)
{
	struct launch l;
	struct bzimage bz;
	const uint8_t *head;
	uint8_t *acpi = (uint8_t *)LAYOUT_ACPI;
	uint32_t pml4;

	con_init();
	variant_launch_info(&table);
	check(launch_check(&table, &l));
	head = (const uint8_t *)l.kernel_gpa;
	check(bzimage_parse(head, l.kernel_size, true, &bz));
	check(launch_check_kernel(&l, &bz));
	key_deliver(&l, &bz, table.tsc_khz);
	if (variant_takes_others && l.vcpus > 1)
		l.mailbox = LAYOUT_MAILBOX;
	need_long_mode();
	check(pm_init());
	ide_init();

	memset(acpi, 0, LAYOUT_ACPI_SIZE);
	check(acpi_build(acpi, LAYOUT_ACPI_SIZE, LAYOUT_ACPI, dsdt_start,
			 (uint32_t)(dsdt_end - dsdt_start), l.vcpus, l.mailbox));
	copy_cmdline(&l);
	bootparams_build((uint8_t *)LAYOUT_BOOT_PARAMS, head, &bz, &l, LAYOUT_CMDLINE_COPY,
			 LAYOUT_ACPI);
	place_kernel(&l, &bz);
	con_puts("cvmboot: stage 2, ");
	con_puts(variant_name);
	con_puts(": starting the kernel\n");
	pml4 = build_page_tables();
	memset((void *)LAYOUT_MAILBOX, 0, LAYOUT_PAGE);
	others_may_go = pml4;
	enter_kernel(pml4, bz.pref_address + ENTRY64, LAYOUT_BOOT_PARAMS);
}
