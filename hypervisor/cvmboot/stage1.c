/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Stage 1: from reset to PROTECT. Runs in the ROM, unpaged, unprotected. What it does wrong
 * costs the VM its start, never its secrets: all that counts is measured after PROTECT.
 */
#include "bzimage.h"
#include "console.h"
#include "fwcfg.h"
#include "fwcfg-parse.h"
#include "io.h"
#include "layout.h"
#include "mem.h"
#include "plan.h"
#include "variant.h"

/* Programmable attribute map of the i440FX (Intel 290549, 3.2.17). */
#define PAM0		0x59
#define PAM6		0x5f

/* reset.S */
extern const uint8_t firmware_start[], firmware_end[], ap_start[], ap_end[];
_Noreturn void stage1_main(void);
_Noreturn void stage1_exception(uint32_t vector, uint32_t eip);

static uint8_t dir[FWCFG_DIR_SIZE];
static uint8_t e820[E820_MAX * E820_ENTRY];
static uint8_t head[BZIMAGE_HEAD];
static struct plan_input input;
/* 512-aligned, so it never crosses a page. */
static struct cvm_protect protect __attribute__((aligned(512)));

static void check(enum reason r)
{
	if (r)
		die(r);
}

void stage1_exception(uint32_t vector, uint32_t eip)
{
	con_puts("cvmboot: exception ");
	con_dec(vector);
	con_puts("\n");
	die_num(R_EXCEPTION, "at", (int32_t)eip);
}

/* C0000h-FFFFFh become RAM, once and for all: after this the ROM stands only below 4 GiB. */
static void unshadow(void)
{
	pci_write8(0, 0, PAM0, 0x30);
	for (unsigned int reg = PAM0 + 1; reg <= PAM6; reg++)
		pci_write8(0, 0, reg, 0x33);
}

static void find_ram(void)
{
	struct fwcfg_file file;

	fwcfg_read(FWCFG_FILE_DIR, (uint32_t)(uintptr_t)dir, sizeof(dir));
	check(fwcfg_find(dir, "etc/e820", &file));
	if (file.size > sizeof(e820))
		die(R_BAD_E820);
	fwcfg_read(file.key, (uint32_t)(uintptr_t)e820, file.size);
	check(e820_parse(e820, file.size, &input.ram));
}

static void find_kernel(void)
{
	uint32_t setup_size = fwcfg_read32(FWCFG_SETUP_SIZE);
	uint32_t kernel_size = fwcfg_read32(FWCFG_KERNEL_SIZE);

	if (!setup_size && !kernel_size)
		die(R_NO_KERNEL);
	if (setup_size < BZIMAGE_HEAD || kernel_size > (1u << 30))
		die(R_NOT_BZIMAGE);
	fwcfg_read(FWCFG_SETUP_DATA, (uint32_t)(uintptr_t)head, sizeof(head));
	check(bzimage_kernel_size(head, kernel_size, &input.kernel_size));
	if (setup_size > (256 * 512))
		die(R_NOT_BZIMAGE);
	check(bzimage_parse(head, setup_size + input.kernel_size, false, &input.bz));
	if (setup_size != input.bz.setup_size)
		die(R_BAD_HEADER);
}

static void copy_firmware(void)
{
	uint32_t size = (uint32_t)(firmware_end - firmware_start);

	input.firmware_size = (size + LAYOUT_PAGE - 1) & ~(LAYOUT_PAGE - 1);
	memcpy((void *)CVM_FW_GPA, firmware_start, size);
	memset((uint8_t *)CVM_FW_GPA + size, 0, input.firmware_size - size);
}

static void load(const struct cvm_component *c)
{
	uint32_t gpa = (uint32_t)c->gpa;

	switch (c->kind) {
	case CVM_COMP_KERNEL:
		fwcfg_read(FWCFG_SETUP_DATA, gpa, input.bz.setup_size);
		fwcfg_read(FWCFG_KERNEL_DATA, gpa + input.bz.setup_size, input.kernel_size);
		bzimage_mask((uint8_t *)gpa);
		break;
	case CVM_COMP_INITRD:
		fwcfg_read(FWCFG_INITRD_DATA, gpa, input.initrd_size);
		break;
	case CVM_COMP_CMDLINE:
		fwcfg_read(FWCFG_CMDLINE_DATA, gpa, input.cmdline_size + 1);
		if (((const uint8_t *)gpa)[input.cmdline_size])
			die(R_BAD_CMDLINE);
		break;
	default:
		break;
	}
}

/* INIT and SIPI to all others; they run on in the ROM. How many came. */
static uint32_t start_others(uint32_t vcpus)
{
	volatile uint32_t *icr = (uint32_t *)0xfee00300, *count = (uint32_t *)LAYOUT_AP_COUNT;

	if (vcpus < 2)
		return 0;
	if (vcpus > CVM_MAX_CPUS)
		die(R_TOO_MANY_VCPUS);
	memcpy((void *)LAYOUT_AP_START, ap_start, (uint32_t)(ap_end - ap_start));
	*count = 0;
	*icr = 0x000c4500;
	for (uint32_t i = 0; i < 100; i++)
		inb(0x61);
	*icr = 0x000c4600 | LAYOUT_AP_START >> 12;
	for (uint32_t i = 0; i < 1000000 && *count != vcpus - 1; i++)
		inb(0x61);
	if (*count != vcpus - 1)
		die(R_NO_VCPUS);
	return vcpus - 1;
}

static void announce(void)
{
	con_puts("cvmboot: firmware ");
	con_dec(input.firmware_size);
	con_puts(", kernel ");
	con_dec(input.bz.setup_size + input.kernel_size);
	con_puts(", initrd ");
	con_dec(input.initrd_size);
	con_puts(", command line ");
	con_dec(input.cmdline_size);
	con_puts(" bytes; RAM ");
	con_dec((uint32_t)((input.ram.low_top + input.ram.high_top - LAYOUT_4GIB) >> 20));
	con_puts(" MiB: PROTECT\n");
}

void stage1_main(void)
{
	unshadow();
	con_init();
	con_puts("cvmboot: stage 1\n");
	variant_probe();
	variant_eoi();
	check(fwcfg_probe());
	find_ram();
	find_kernel();
	copy_firmware();
	input.initrd_size = fwcfg_read32(FWCFG_INITRD_SIZE);
	input.cmdline_size = fwcfg_read32(FWCFG_CMDLINE_SIZE);
	if (input.cmdline_size)
		input.cmdline_size--;	/* the NUL */
	check(plan_make(&input, &protect));
	fwcfg_read(FWCFG_UUID, (uint32_t)(uintptr_t)protect.uuid, sizeof(protect.uuid));
	for (uint32_t i = 0; i < protect.nr_components; i++)
		load(&protect.comp[i]);
	announce();
	if (variant_takes_others)
		protect.more_vcpus = start_others(fwcfg_read16(FWCFG_NB_CPUS));
	variant_protect(&protect);
}
