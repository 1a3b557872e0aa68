/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From RootVisor's handoff block to Linux, as the host: with no right that Linux has not. */
#include "hostboot/acpi.h"
#include "hostboot/linux.h"
#include "rv/asm.h"
#include "rv/mem.h"
#include "tpm/measure.h"

#define MIB		((u64)1 << 20)
#define GIB4		((u64)1 << 32)
#define ACPI_PAGES	32u		/* an event log of 64 KiB, and the rest */
#define COM1		0x3f8
#define VGA_LAST_LINE	(0xb8000 + 2 * 80 * 24)

void hostboot_main(struct host_handoff *h) __attribute__((noreturn));

static u16 *put(u16 *screen, const char *s)
{
	for (; *s; s++) {
		*(volatile u16 *)screen++ = 0x0700 | (u8)*s;
		for (u32 i = 0; i < 100000 && !(inb(COM1 + 5) & 0x20); i++)
			cpu_relax();
		outb(COM1, (u8)*s);
	}
	return screen;
}

static void __attribute__((noreturn)) halt(const char *why)
{
	put(put((u16 *)VGA_LAST_LINE, "HOSTBOOT HALT: "), why);
	outb(COM1, '\r');
	outb(COM1, '\n');
	halt_forever();
}

/* What may hold ACPI tables: all that is mapped. */
static const u8 *acpi_map(void *ctx, u64 at, u64 size)
{
	const struct host_handoff *h = ctx;
	u64 top = memmap_ram_top(&h->e820);

	if (top < GIB4)
		top = GIB4;
	return at && at < top && size <= top - at ? va(at) : NULL;
}

/*
 * The RSDP that Linux gets, 0 if there is none. Even unchanged it is a copy: UEFI firmware tells the loader alone
 * where the ACPI tables are.
 */
static u64 acpi_tables(struct host_handoff *h)
{
	const struct acpi_ops ops = { .map = acpi_map, .ctx = h };
	const u64 size = ACPI_PAGES * PAGE_SIZE;
	u64 at = memmap_find_high(&h->free, size, PAGE_SIZE, MIB, GIB4);
	struct acpi_built built;
	const char *error;

	if (!h->rsdp_size)
		return 0;
	if (!at || memmap_set(&h->e820, at, at + size, MEM_ACPI) < 0)
		halt("no memory for the ACPI tables");
	memmap_set(&h->free, at, at + size, MEM_RESERVED);
	memset(va(at), 0, size);
	if (!h->protected) {
		memcpy(va(at), h->rsdp, h->rsdp_size);
		return at;
	}
	if (acpi_build(&ops, &(struct acpi_request) {
			.rsdp = h->rsdp, .rsdp_size = h->rsdp_size, .secret = { h->secret[0], h->secret[1] },
			.log = h->tpm_log, .log_size = h->tpm_log_size, .abi_version = h->abi_version, .mailbox = h->mailbox,
			.at = at, .out = va(at),
			.out_size = (u32)size }, &built, &error) < 0)
		halt(error);
	memset(h->secret, 0, sizeof(h->secret));	/* only the table, which Linux guards, has it now */
	return built.rsdp;
}

/*
 * Nothing protects, so nothing may look as if: without this the host could extend what RootVisor would have, with a report
 * key of its own. The TSC's rate is not known here; what is assumed decides how long a dead TPM is waited for.
 */
static void spoil_tpm(void)
{
	struct tpm_hw hw;
	struct tpm tpm;

	tpm_hw_init(&hw, va(CVM_TPM_MMIO), 3000000);
	if (tpm_find(&tpm, &hw, false, 12000) == 0 && tpm_spoil(&tpm) < 0)
		put((u16 *)VGA_LAST_LINE, "hostboot: the TPM does not work\r\n");
}

void hostboot_main(struct host_handoff *h)
{
	struct linux_entry entry;
	const char *error;

	if (!h->protected)
		spoil_tpm();
	if (linux_load(h, acpi_tables(h), &entry, &error) < 0)
		halt(error);
	linux_enter(&entry);
}
