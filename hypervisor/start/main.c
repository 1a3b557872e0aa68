/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From the boot loader to rv_main(): what the machine is, what goes where. Nothing of this runs twice. */
#include "cpu/cpu.h"
#include "rv/rv.h"
#include "start/acpi.h"
#include "start/guardian_image.h"
#include "start/host.h"
#include "start/multiboot2.h"
#include "start/read.h"

#define MIB		((u64)1 << 20)
#define GIB4		((u64)1 << 32)

static struct mb2_info mb;
static struct memmap host_map;		/* becomes e820 */
static struct memmap free_map;		/* RAM that nothing lies in yet */
static struct acpi_result acpi;
static struct cpu_raw cpu_raw;
static struct rv_boot boot;

extern u8 image_start[], image_file[], image_rodata_end[], image_end[];
extern u64 start_pdpt[512];		/* entry.S */
void start_main(u32 magic, u64 info) __attribute__((noreturn));

static void __attribute__((noreturn)) halt(const char *why)
{
	rv_printf("\nROOTVISOR HALT: %s\n", why);
	halt_forever();
}

/* The host without protection, if the command line allows that; else the end. */
static void __attribute__((noreturn)) give_up(void)
{
	if (!mb.fallback_native)
		halt("no fallback=native on the command line");
	if (!mb.kernel.end)
		halt("there is no module vmlinuz to fall back to");
	rv_printf("fallback=native: starting Linux WITHOUT protection\n");
	host_enter_native(&mb, &mb.map, &free_map);
}

static void parse_boot_info(u32 magic, u64 info)
{
	const char *error;

	if (magic != MB2_BOOT_MAGIC)
		rv_panic("not started by a Multiboot2 loader (EAX = %x)", magic);
	if (mb2_parse(va(info), MB2_INFO_MAX, &mb, &error) < 0)
		rv_panic("boot loader: %s", error);
	for (u32 i = 0; i < mb.map.n; i++)
		rv_printf("memory %lx-%lx type %u\n", mb.map.r[i].start, mb.map.r[i].end, mb.map.r[i].type);
}

static void find_free(void)
{
	const char *error;
	u64 at;

	if (mb2_free(&mb, pa(image_start), pa(image_end), &free_map, &at, &error) < 0)
		rv_panic("boot loader: %s (at %lx)", error, at);
}

static bool check_features(void)
{
	const char *names[48];
	u32 n;

	features_read(&cpu_raw);
	n = features_missing(&cpu_raw, names, ARRAY_SIZE(names));
	for (u32 i = 0; i < n && i < ARRAY_SIZE(names); i++)
		rv_printf("this CPU lacks: %s\n", names[i]);
	return n == 0;
}

static bool check_modules(void)
{
	const char *error = NULL, *where = "";

	if (!mb.kernel.end)
		error = "there is no module vmlinuz";
	else if (!mb.guardian.end)
		error = "there is no module guardian";
	else if (!mb.rsdp_size)
		error = "the boot loader gave no ACPI RSDP";
	else if (guardian_image_check(va(mb.guardian.start), mb.guardian.end - mb.guardian.start, &error) < 0)
		where = "module guardian: ";
	if (error)
		rv_printf("%s%s\n", where, error);
	return !error;
}

static void take(u64 start, u64 end)
{
	if (memmap_set(&host_map, start, end, MEM_RESERVED) < 0)
		rv_panic("the memory map is too fragmented");
	memmap_set(&free_map, start, end, MEM_RESERVED);
}

/* RAM, and the pool in it. */
static void place_memory(void)
{
	u64 size = mb2_pool_size(&mb, &free_map), pool;

	for (u32 i = 0; i < mb.map.n; i++)
		if (mb.map.r[i].type == MEM_RAM)
			boot.ram[boot.nr_ram++] = (struct boot_range) {
				mb.map.r[i].start, mb.map.r[i].end - mb.map.r[i].start };
	pool = memmap_find_high(&free_map, size, PAGE_SIZE, MIB, GIB4);
	if (!pool) {
		rv_printf("no %lu MiB of free RAM in one piece below 4 GiB for the pool\n", size / MIB);
		give_up();
	}
	boot.pool = (struct boot_range) { pool, size };
	host_map = mb.map;
	take(pool, pool + size);
	take(pa(image_start), pa(image_end));
}

/* All RAM that may hold ACPI tables, as far as one PDPT goes. The first 4 GiB are mapped from the start. */
static u64 map_ram(void)
{
	u64 top = memmap_ram_top(&mb.map);

	for (u64 gib = 4; gib < ARRAY_SIZE(start_pdpt) && gib << 30 < top; gib++)
		start_pdpt[gib] = gib << 30 | 0x83;
	return top < GIB4 ? GIB4 : top < BIT(39) ? top : BIT(39);
}

static const u8 *acpi_map(void *ctx, u64 at, u64 size)
{
	u64 top = *(const u64 *)ctx;

	return at && at < top && size <= top - at ? va(at) : NULL;
}

static u32 own_apic_id(void)
{
	u32 r[4];

	cpuid(0, 0, r);
	if (r[0] >= 0xb) {
		cpuid(0xb, 0, r);
		if (r[1])
			return r[3];
	}
	cpuid(1, 0, r);
	return r[1] >> 24;
}

/* The other CPUs, and the ports that end the run. */
static void read_acpi(void)
{
	u64 top = map_ram();
	const struct acpi_ops ops = { .map = acpi_map, .ctx = &top };
	const char *error;

	boot.apic_id = own_apic_id();
	if (acpi_read(&ops, mb.rsdp, mb.rsdp_size, boot.apic_id, &acpi, &error) < 0) {
		rv_printf("ACPI: %s\n", error);
		give_up();
	}
	boot.power = acpi.power;
	if (acpi.power_by_memory)
		rv_printf("WARNING: this machine sleeps or resets by memory-mapped registers, before which nothing is wiped\n");
	if (acpi.cpus_cut || acpi.nr_others > ARRAY_SIZE(boot.others)) {
		rv_printf("more CPUs than RootVisor can run (%u)\n", CVM_MAX_CPUS);
		give_up();
	}
	boot.nr_others = acpi.nr_others;
	memcpy(boot.others, acpi.others, acpi.nr_others * sizeof(boot.others[0]));
	boot.trampoline = memmap_find_high(&free_map, PAGE_SIZE, PAGE_SIZE, PAGE_SIZE, 0xa0000);
	if (!boot.trampoline && boot.nr_others) {
		rv_printf("no page below 1 MiB from which to start the other CPUs\n");
		give_up();
	}
}

void start_main(u32 magic, u64 info)
{
	boot.tsc_start = rdtsc();
	boot.image_start = pa(image_file);
	boot.file_bytes = pa(image_rodata_end) - pa(image_file);
	console_init();
	cpu_tables_init(&pcpus[0]);
	rv_printf("cvmd RootVisor %u.%u.%u, SVN %u\n", RV_VERSION >> 16, RV_VERSION >> 8 & 0xff, RV_VERSION & 0xff, RV_SVN);
	parse_boot_info(magic, info);
	find_free();
	if (!check_features() || !check_modules())
		give_up();

	place_memory();
	boot.guardian = (struct boot_range) { mb.guardian.start, mb.guardian.end - mb.guardian.start };
	boot.tsc_khz = tsc_measure_khz();
	if (!boot.tsc_khz) {
		rv_printf("cannot measure the frequency of the TSC\n");
		give_up();
	}
	read_acpi();
	mtrr_read(&boot.mtrr);
	memcpy(boot.cmdline, mb.cmdline, sizeof(boot.cmdline));
	boot.host = host_prepare(&mb, &host_map, &free_map, boot.nr_others ? HOST_SEVERAL_CPUS : HOST_ONE_CPU);
	/* onto RootVisor's own stack, which is there when this one is not */
	__asm__ volatile("movq %0, %%rsp; xorl %%ebp, %%ebp; call *%1"
			 : : "r"(pcpus[0].stack_top), "r"(rv_main), "D"(&boot) : "memory");
	__builtin_unreachable();
}
