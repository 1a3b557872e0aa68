/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "acpi.h"

#include "mem.h"

#define LAPIC_GPA	0xfee00000u
#define IOAPIC_GPA	0xfec00000u

#define SCI_IRQ		9

#define RSDP_SIZE	36u
#define HEADER_SIZE	36u
#define XSDT_SIZE	(HEADER_SIZE + 2 * 8)
#define FADT_SIZE	268u	/* revision 5 */
#define FACS_SIZE	64u
#define MADT_SIZE(n, mailbox)	(HEADER_SIZE + 8 + (n) * 8 + 12 + 2 * 10 + 6 + ((mailbox) ? 16 : 0))

/* FADT fixed feature flags */
#define FADT_WBINVD		(1u << 0)
#define FADT_PROC_C1		(1u << 2)
#define FADT_SLP_BUTTON		(1u << 5)	/* none */
#define FADT_FIX_RTC		(1u << 6)	/* RTC wakes not by fixed registers */
#define FADT_RESET_REG_SUP	(1u << 10)

/* IA-PC boot architecture flags: legacy devices, but no 8042, VGA or MSI prohibition */
#define FADT_LEGACY_DEVICES	(1u << 0)
#define FADT_NO_VGA		(1u << 2)
#define FADT_NO_ASPM		(1u << 4)

#define MADT_PCAT_COMPAT	1u
#define MPS_LEVEL_HIGH		0x000d

struct area {
	uint8_t *buf;
	uint32_t size, used, gpa;
};

/* Room for @size bytes aligned to @align, or NULL. */
static uint8_t *take(struct area *a, uint32_t size, uint32_t align, uint32_t *gpa)
{
	uint32_t start = (a->used + align - 1) & ~(align - 1);

	if (start > a->size || size > a->size - start)
		return (void *)0;
	a->used = start + size;
	*gpa = a->gpa + start;
	return a->buf + start;
}

static uint8_t checksum(const uint8_t *p, uint32_t n)
{
	uint8_t sum = 0;

	while (n--)
		sum = (uint8_t)(sum + *p++);
	return (uint8_t)-sum;
}

static void header(uint8_t *t, const char *signature, uint32_t size, uint8_t revision)
{
	memcpy(t, signature, 4);
	put_le32(t + 4, size);
	t[8] = revision;
	memcpy(t + 10, "CVMD  ", 6);
	memcpy(t + 16, "CVMBOOT ", 8);
	put_le32(t + 24, 1);
	memcpy(t + 28, "CVMD", 4);
	put_le32(t + 32, 1);
}

static void seal(uint8_t *t, uint32_t size)
{
	t[9] = checksum(t, size);
}

/* Generic address structure: system I/O. */
static void gas_io(uint8_t *p, uint8_t bits, uint8_t access, uint32_t port)
{
	p[0] = 1;
	p[1] = bits;
	p[2] = 0;
	p[3] = access;
	put_le64(p + 4, port);
}

static void build_rsdp(uint8_t *t, uint32_t xsdt)
{
	memcpy(t, "RSD PTR ", 8);
	memcpy(t + 9, "CVMD  ", 6);
	t[15] = 2;
	put_le32(t + 20, RSDP_SIZE);
	put_le64(t + 24, xsdt);
	t[8] = checksum(t, 20);
	t[32] = checksum(t, RSDP_SIZE);
}

static void build_fadt(uint8_t *t, uint32_t facs, uint32_t dsdt)
{
	header(t, "FACP", FADT_SIZE, 5);
	put_le32(t + 36, facs);
	put_le32(t + 40, dsdt);
	put_le16(t + 46, SCI_IRQ);
	/* SMI_CMD stays 0: the machine is always in ACPI mode. */
	put_le32(t + 56, ACPI_PM_BASE + 0);	/* PM1a_EVT_BLK */
	put_le32(t + 64, ACPI_PM_BASE + 4);	/* PM1a_CNT_BLK */
	put_le32(t + 76, ACPI_PM_BASE + 8);	/* PM_TMR_BLK */
	t[88] = 4;				/* their lengths */
	t[89] = 2;
	t[91] = 4;
	put_le16(t + 96, 0x0fff);		/* P_LVL2_LAT: no C2 */
	put_le16(t + 98, 0x0fff);		/* P_LVL3_LAT: no C3 */
	t[108] = 0x32;				/* CENTURY */
	put_le16(t + 109, FADT_LEGACY_DEVICES | FADT_NO_VGA | FADT_NO_ASPM);
	put_le32(t + 112, FADT_WBINVD | FADT_PROC_C1 | FADT_SLP_BUTTON | FADT_FIX_RTC |
			  FADT_RESET_REG_SUP);
	gas_io(t + 116, 8, 1, 0xcf9);		/* RESET_REG: the PIIX3's */
	t[128] = 0x06;				/* RESET_VALUE */
	put_le64(t + 140, dsdt);		/* X_DSDT; X_FIRMWARE_CTRL stays 0 */
	gas_io(t + 148, 32, 2, ACPI_PM_BASE + 0);
	gas_io(t + 172, 16, 2, ACPI_PM_BASE + 4);
	gas_io(t + 208, 32, 3, ACPI_PM_BASE + 8);
	seal(t, FADT_SIZE);
}

static uint8_t *madt_override(uint8_t *p, uint8_t irq, uint32_t gsi, uint16_t flags)
{
	p[0] = 2;
	p[1] = 10;
	p[3] = irq;
	put_le32(p + 4, gsi);
	put_le16(p + 8, flags);
	return p + 10;
}

static void build_madt(uint8_t *t, uint32_t vcpus, uint32_t mailbox)
{
	uint8_t *p = t + HEADER_SIZE + 8;

	header(t, "APIC", MADT_SIZE(vcpus, mailbox), 3);
	put_le32(t + 36, LAPIC_GPA);
	put_le32(t + 40, MADT_PCAT_COMPAT);
	for (uint32_t i = 0; i < vcpus; i++, p += 8) {
		p[1] = 8;
		p[2] = (uint8_t)i;	/* processor UID */
		p[3] = (uint8_t)i;	/* APIC id */
		put_le32(p + 4, 1);	/* enabled */
	}
	p[0] = 1;			/* I/O APIC 0, GSI 0.. */
	p[1] = 12;
	put_le32(p + 4, IOAPIC_GPA);
	p += 12;
	p = madt_override(p, 0, 2, 0);
	p = madt_override(p, SCI_IRQ, SCI_IRQ, MPS_LEVEL_HIGH);
	p[0] = 4;			/* NMI on LINT1 of all processors */
	p[1] = 6;
	p[2] = 0xff;
	p[5] = 1;
	if (mailbox) {
		p[6] = 16;		/* multiprocessor wakeup */
		p[7] = 16;
		put_le64(p + 14, mailbox);
	}
	seal(t, MADT_SIZE(vcpus, mailbox));
}

enum reason acpi_build(uint8_t *buf, uint32_t size, uint32_t gpa, const uint8_t *dsdt,
		       uint32_t dsdt_size, uint32_t vcpus, uint32_t mailbox)
{
	struct area a = { buf, size, 0, gpa };
	uint8_t *rsdp, *xsdt, *fadt, *facs, *madt, *d;
	uint32_t at_rsdp, at_xsdt, at_fadt = 0, at_facs = 0, at_madt = 0, at_dsdt = 0;

	if (vcpus > ACPI_MAX_VCPUS)
		vcpus = ACPI_MAX_VCPUS;
	rsdp = take(&a, RSDP_SIZE, 16, &at_rsdp);
	xsdt = take(&a, XSDT_SIZE, 16, &at_xsdt);
	fadt = take(&a, FADT_SIZE, 16, &at_fadt);
	facs = take(&a, FACS_SIZE, 64, &at_facs);
	madt = take(&a, MADT_SIZE(vcpus, mailbox), 16, &at_madt);
	d = take(&a, dsdt_size, 16, &at_dsdt);
	if (!rsdp || !xsdt || !fadt || !facs || !madt || !d)
		return R_ACPI;

	build_rsdp(rsdp, at_xsdt);
	header(xsdt, "XSDT", XSDT_SIZE, 1);
	put_le64(xsdt + HEADER_SIZE, at_fadt);
	put_le64(xsdt + HEADER_SIZE + 8, at_madt);
	seal(xsdt, XSDT_SIZE);
	build_fadt(fadt, at_facs, at_dsdt);
	memcpy(facs, "FACS", 4);
	put_le32(facs + 4, FACS_SIZE);
	facs[32] = 2;
	build_madt(madt, vcpus, mailbox);
	memcpy(d, dsdt, dsdt_size);
	return R_OK;
}
