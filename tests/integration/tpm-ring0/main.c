/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The TPM unit on a bare machine, then hostboot and Linux, as on a host without VMX. Plays RootVisor and Quoter:
 * module 1 is a kernel, module 2 its initramfs; the words of the command line are the kernel's, and RootVisor's, too.
 * Prints what came of the TPM on port E9h. Without modules it ends there.
 */
#include "hostboot/handoff.h"
#include "rv/asm.h"
#include "rv/mem.h"
#include "tpm/measure.h"

#define TSC_KHZ		2000000u	/* no machine of today is much slower or faster */
#define LIMIT_MS	12000u
#define MIB		((u64)1 << 20)

/* Multiboot 0.6.96, 3.3 */
enum { MB_CMDLINE = 16, MB_MODS_COUNT = 20, MB_MODS = 24, MB_MMAP_LENGTH = 44, MB_MMAP = 48 };

extern const u8 image_start[], bss_end[], hostboot_start[], hostboot_end[], handlers[];
extern u32 multiboot_info[], vector;
extern u64 fault_rip;
void main(void);

static u64 idt[64];
static struct host_handoff handoff;
static u8 copy[0x10000] __attribute__((aligned(4096)));	/* of hostboot */

static void print(const char *s)
{
	while (*s)
		outb(0xe9, (u8)*s++);
}

static void number(u64 v)
{
	if (v > 9)
		number(v / 10);
	outb(0xe9, (u8)('0' + v % 10));
}

static void show_hex(const char *name, const u8 *p, u32 n)
{
	print(name);
	for (; n; n--, p++) {
		outb(0xe9, (u8)"0123456789abcdef"[*p >> 4]);
		outb(0xe9, (u8)"0123456789abcdef"[*p & 15]);
	}
	print("\n");
}

static void __attribute__((noreturn)) end(const char *why)
{
	print(why);
	outb(0xf4, 0);			/* isa-debug-exit */
	halt_forever();
}

static void load_idt(void)
{
	struct {
		u16 limit;
		u64 base;
	} __attribute__((packed)) pointer = { 20 * 16 - 1, (u64)idt };

	for (u32 i = 0; i < 20; i++) {
		u64 h = (u64)handlers + 32 * i;

		idt[2 * i] = (h & 0xffff) | 8 << 16 | 0x8e00ull << 32 | (h >> 16 & 0xffff) << 48;
		idt[2 * i + 1] = h >> 32;
	}
	__asm__ volatile("lidt %0" : : "m"(pointer));
}

static u32 info(u32 offset)
{
	return *(const u32 *)((u64)multiboot_info[0] + offset);
}

static void measure(struct host_handoff *h)
{
	static struct tpm_hw hw;
	static struct tpm tpm;
	struct tpm_facts f = { .rootvisor_version = 1, .rootvisor_svn = 2, .guardian_svn = 3, .config = h->cmdline };
	u64 start;
	int err;

	while (f.config_size < CVM_TPM_CONFIG_MAX && h->cmdline[f.config_size])
		f.config_size++;
	memset(f.rootvisor_digest, 0x11, sizeof(f.rootvisor_digest));
	memset(f.guardian_digest, 0x22, sizeof(f.guardian_digest));
	memset(f.key_id, 0x33, sizeof(f.key_id));
	tpm_hw_init(&hw, (void *)(u64)CVM_TPM_MMIO, TSC_KHZ);
	start = hw.now(NULL);
	err = tpm_find(&tpm, &hw, tpm_wants_serial(f.config, f.config_size), LIMIT_MS);
	if (err == 0)
		err = tpm_measure(&tpm, &f, h->tpm_log, sizeof(h->tpm_log), &h->tpm_log_size);
	print("RESULT ");
	number((u64)-err);
	print(" ");
	number(tpm.transport);
	print(" ");
	number(tpm.code);
	print(" ");
	number((hw.now(NULL) - start) / TSC_KHZ);
	print("\n");
	show_hex("LOG ", h->tpm_log, h->tpm_log_size);
}

static void find_rsdp(struct host_handoff *h)
{
	for (const u8 *p = va(0xe0000); p < (const u8 *)va(0x100000); p += 16) {
		if (*(const u64 *)p != 0x2052545020445352ull)	/* "RSD PTR " */
			continue;
		h->rsdp_size = p[15] ? 36 : 20;
		memcpy(h->rsdp, p, h->rsdp_size);
		return;
	}
	end("no RSDP\n");
}

static void read_memory(struct host_handoff *h)
{
	u64 at = info(MB_MMAP), stop = at + info(MB_MMAP_LENGTH);

	for (; at < stop && h->e820.n < MEMMAP_MAX; at += *(const u32 *)at + 4) {
		u64 start = *(const u64 *)(at + 4), size = *(const u64 *)(at + 12);

		h->e820.r[h->e820.n++] = (struct memmap_range) {
			.start = start, .end = start + size, .type = *(const u32 *)(at + 20) };
	}
	if (memmap_normalise(&h->e820) < 0)
		end("bad memory map\n");
	h->free = h->e820;
	memmap_set(&h->free, 0, 2 * MIB, MEM_RESERVED);		/* the boot information is there */
	memmap_set(&h->free, (u64)image_start, ALIGN_UP((u64)bss_end, PAGE_SIZE), MEM_RESERVED);
}

static void read_modules(struct host_handoff *h)
{
	const u32 *m = va(info(MB_MODS));
	u32 n = info(MB_MODS_COUNT);

	if (n != 2)
		end("END\n");
	h->kernel = m[0];
	h->kernel_size = m[1] - m[0];
	h->initrd = m[4];
	h->initrd_size = m[5] - m[4];
	for (u32 i = 0; i < n; i++)
		memmap_set(&h->free, m[4 * i] & PAGE_MASK, ALIGN_UP((u64)m[4 * i + 1], PAGE_SIZE), MEM_RESERVED);
}

/* The words behind the image's own name, which QEMU puts first. */
static void read_cmdline(struct host_handoff *h)
{
	const char *s = va(info(MB_CMDLINE));
	u32 i = 0;

	while (*s && *s != ' ')
		s++;
	while (*s == ' ')
		s++;
	while (i < sizeof(h->cmdline) - 1 && s[i]) {
		h->cmdline[i] = s[i];
		i++;
	}
}

void main(void)
{
	struct host_handoff *h = &handoff;
	bool unprotected;

	load_idt();
	read_cmdline(h);
	unprotected = h->cmdline[0] == 'u';	/* a first word "unprotected": as with fallback=native */
	if (!unprotected)
		measure(h);
	read_memory(h);
	find_rsdp(h);
	read_modules(h);
	h->protected = !unprotected;
	h->abi_version = CVM_ABI_VERSION;
	h->secret[0] = h->secret[1] = 1;
	if ((u64)(hostboot_end - hostboot_start) > sizeof(copy))
		end("hostboot is too large\n");
	memcpy(copy, hostboot_start, (u64)(hostboot_end - hostboot_start));
	__asm__ volatile("cli; jmp *%0" : : "r"(copy), "D"(h), "S"(0ull) : "memory");
	__builtin_unreachable();
}
