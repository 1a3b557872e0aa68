/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What cvmboot, RootVisor and the Guardian agree on about the start of a protected VM.
 *
 * Stage 1 of cvmboot runs unprotected from its ROM, unpaged, on the first vCPU. It copies the
 * firmware image to CVM_FW_GPA, loads kernel, initrd and command line, and calls
 * CVM_GUEST_PROTECT. RootVisor takes the frames of all components, lets the Guardian
 * measure them, and enters stage 2 at CVM_FW_ENTRY. Stage 2 trusts nothing that stage 1
 * left behind but what CVM_GUEST_LAUNCH_INFO says was measured; all other private RAM
 * reads as zero.
 */
#ifndef CVM_BOOT_H
#define CVM_BOOT_H

#include "cvm/abi.h"

/* The firmware component lies here, whole pages, zero-padded; its first byte is
 * stage 2's entry point (32-bit flat code). */
#define CVM_FW_GPA		0x20000u
#define CVM_FW_MAX		0x10000u
#define CVM_FW_ENTRY		CVM_FW_GPA

/*
 * The canonical entry state of the first vCPU: RIP = CVM_FW_ENTRY, RFLAGS = 2, all GPRs 0
 * but RSP = CVM_FW_STACK; CR0 = PE|ET|NE, CR3 = 0, CR4 = 0 (VMXE shadowed), EFER = 0;
 * CS = selector 8, base 0, limit 4 GiB, 32-bit code; DS, ES, SS, FS, GS = selector 10h,
 * flat data; GDTR, IDTR limit 0; LDTR unusable; x87/SSE/AVX in INIT state, XCR0 = 1;
 * PAT at its reset value; the other MSRs 0. A further vCPU (CVM_GUEST_ENROL) starts in the same state with RAX = its APIC id.
 */
#define CVM_FW_STACK		0x40000u

/* ROM image: 64 KiB, ends at 4 GiB. The decoy table stands at this offset in it, so at
 * guest-physical CVM_DECOY_GPA: constant instructions that KVM is shown in place of the
 * guest's own. Slot size 16 bytes. EDI = low 32 bits of the address, EAX = datum. */
#define CVM_ROM_SIZE		0x10000u
#define CVM_ROM_GPA		0xffff0000u
#define CVM_DECOY_OFFSET	0xfe00u
#define CVM_DECOY_GPA		(CVM_ROM_GPA + CVM_DECOY_OFFSET)
#define CVM_DECOY_SLOT		16u
enum cvm_decoy {			/* bytes in the slot */
	CVM_DECOY_LOAD8	  = 0,		/* 8A 07 */
	CVM_DECOY_LOAD16  = 1,		/* 66 8B 07 */
	CVM_DECOY_LOAD32  = 2,		/* 8B 07 */
	CVM_DECOY_STORE8  = 3,		/* 88 07 */
	CVM_DECOY_STORE16 = 4,		/* 66 89 07 */
	CVM_DECOY_STORE32 = 5,		/* 89 07 */
	CVM_DECOY_NOP	  = 6,		/* 90; RIP of every exit that is no memory access */
	CVM_DECOY_INS8	  = 7,		/* F3 6C */
	CVM_DECOY_INS16	  = 8,		/* 66 F3 6D */
	CVM_DECOY_INS32	  = 9,		/* F3 6D */
	CVM_DECOY_OUTS8	  = 10,		/* F3 6E */
	CVM_DECOY_OUTS16  = 11,		/* 66 F3 6F */
	CVM_DECOY_OUTS32  = 12,		/* F3 6F */
	CVM_DECOY_MAX	  = 13,
};

/*
 * The hole: five pages of low RAM that no RAM range covers, so that they stay the host's; stage 2 tells the kernel
 * that they are reserved. (A kernel looks for firmware's tables from 512 KiB on, and a touch there would stop the VM.)
 * The EOI page is the first, the bounce area the others.
 *
 * EOI: stage 1 names four bytes of the page to KVM (MSR_KVM_PV_EOI_EN) for each vCPU, at CVM_EOI_GPA + 4 * number. If KVM has set bit 0
 * there, the write of 0 to the x2APIC's EOI register clears it and ends in RootVisor; else it goes to KVM. A host that
 * lies there loses its guest an interrupt or gets the exit, both of which it can have anyway. The page's last word is stage 1's own.
 * Where RAM ranges cover the page, EOIs go to KVM.
 *
 * Bounce area: a run of REP INS or REP OUTS goes to KVM as one exit with this memory as its string: EDI, ESI at the part of the
 * vCPU, CVM_RUN_MAX bytes from CVM_BOUNCE_GPA + number * CVM_RUN_MAX on, ECX elements, DX the port. Where RAM
 * ranges cover it, elements go one by one.
 */
#define CVM_EOI_GPA		0x7b000u
#define CVM_BOUNCE_GPA		0x7c000u
#define CVM_BOUNCE_SIZE		0x4000u
#define CVM_BOUNCE_END		(CVM_BOUNCE_GPA + CVM_BOUNCE_SIZE)
#define CVM_HOLE_GPA		CVM_EOI_GPA
#define CVM_HOLE_END		CVM_BOUNCE_END
#define CVM_RUN_MAX		1024u	/* bytes: KVM carries no more in one exit */
_Static_assert(CVM_BOUNCE_SIZE == CVM_MAX_CPUS * CVM_RUN_MAX, "CVM_BOUNCE_SIZE");

/* Where the ROM image holds the firmware component, so that a tool can compute a launch
 * measurement from the file alone. Stands at this offset of the ROM, below the decoy table. */
#define CVM_ROM_DESC_OFFSET	0xfdc0u
#define CVM_ROM_DESC_MAGIC	0x31574643u	/* "CFW1" */
struct cvm_rom_descriptor {
	uint32_t magic;
	uint32_t version;		/* CVM_ABI_VERSION */
	uint32_t offset;		/* of the firmware bytes in the ROM image */
	uint32_t image_size;		/* firmware bytes in the ROM, > 0 */
	uint32_t size;			/* of the component as PROTECT names it: image_size rounded up
					   to whole pages, the rest zero; <= CVM_FW_MAX */
	uint32_t reserved[11];		/* 0 */
};
_Static_assert(sizeof(struct cvm_rom_descriptor) == 64, "cvm_rom_descriptor");

enum cvm_component_kind {
	CVM_COMP_FIRMWARE = 1,		/* exactly one, first */
	CVM_COMP_KERNEL	  = 2,		/* the whole bzImage file (a signature behind the
					   kernel too), loader-written fields zeroed */
	CVM_COMP_INITRD	  = 3,		/* file as given; absent if none */
	CVM_COMP_CMDLINE  = 4,		/* bytes without the final NUL; absent if empty */
	CVM_COMP_VCPUS	  = 5,		/* not named at PROTECT, in the measurement alone: size is the number of vCPUs, the
					   bytes are that number, le32; absent if it is 1 */
};

/* Bytes of a bzImage's setup header that a loader writes (QEMU does), zeroed before the
 * kernel is measured, and by `cvmctl digest` (Documentation/x86/boot.rst):
 *   vid_mode 0x1fa/2, type_of_loader 0x210/1, loadflags 0x211/1, ramdisk_image 0x218/4,
 *   ramdisk_size 0x21c/4, heap_end_ptr 0x224/2, cmd_line_ptr 0x228/4, setup_data 0x250/8 */
#define CVM_SETUP_MASK_FIELDS { \
	{ 0x1fa, 2 }, { 0x210, 1 }, { 0x211, 1 }, { 0x218, 4 }, { 0x21c, 4 }, \
	{ 0x224, 2 }, { 0x228, 4 }, { 0x250, 8 } }

#define CVM_MAX_COMPONENTS	8u

/* One measured range. No two ranges share a page; the part of the last page behind
 * `size` is cleared by RootVisor before measuring. */
struct cvm_component {
	uint32_t kind;			/* enum cvm_component_kind */
	uint32_t reserved;		/* 0 */
	uint64_t gpa;			/* page-aligned, inside a RAM range */
	uint64_t size;			/* bytes, > 0 */
};
_Static_assert(sizeof(struct cvm_component) == 24, "cvm_component");

#define CVM_MAX_RAM_RANGES	4u
struct cvm_ram_range {
	uint64_t gpa, size;		/* whole pages; ascending, disjoint */
};

/* Argument of CVM_GUEST_PROTECT. Kinds in ascending order, each at most once. */
struct cvm_protect {
	uint32_t version;		/* CVM_ABI_VERSION */
	uint32_t more_vcpus;		/* besides the first, below CVM_MAX_CPUS; their APIC ids are 1, 2, ... */
	uint8_t  uuid[16];		/* fw_cfg UUID: a name given by the host, not trusted */
	uint32_t nr_ram;
	uint32_t nr_components;
	struct cvm_ram_range ram[CVM_MAX_RAM_RANGES];
	struct cvm_component comp[CVM_MAX_COMPONENTS];
};
_Static_assert(sizeof(struct cvm_protect) == 32 + 64 + 192, "cvm_protect");

/* Result of CVM_GUEST_LAUNCH_INFO: what is private and what was measured. */
struct cvm_launch_table {
	uint32_t version;
	uint32_t vcpus;
	uint32_t nr_ram;
	uint32_t nr_components;
	struct cvm_ram_range ram[CVM_MAX_RAM_RANGES];
	struct cvm_component comp[CVM_MAX_COMPONENTS];
	uint64_t tsc_khz;
};
_Static_assert(sizeof(struct cvm_launch_table) == 16 + 64 + 192 + 8, "cvm_launch_table");

#endif
