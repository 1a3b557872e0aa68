/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From the boot loader to the first instruction of the host. */
#include "boot/acpi.h"
#include "boot/guardian_image.h"
#include "boot/host.h"
#include "boot/multiboot2.h"
#include "cpu/cpu.h"
#include "cpu/features.h"
#include "memory/memory.h"
#include "rv/rv.h"

#define MIB		((u64)1 << 20)
#define GIB4		((u64)1 << 32)
#define POOL_MIN	(48 * MIB)
#define POOL_RAM_SHARE	32u		/* one part in so many of RAM */

struct rv_boot rv_boot;

static struct mb2_info mb;
static struct memmap host_map;		/* becomes e820 */
static struct memmap free_map;		/* RAM that nothing lies in yet */
static struct acpi_result acpi;
static struct cpu_raw cpu_raw;

extern u8 image_start[], image_rodata_end[], image_end[];
void rv_main(u32 magic, u64 info) __attribute__((noreturn));

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

/* What is free: RAM without image and modules. */
static void find_free(void)
{
	const struct mb2_module *m[] = { &mb.kernel, &mb.initrd, &mb.guardian };

	free_map = mb.map;
	if (!memmap_is_ram(&mb.map, pa(image_start), pa(image_end)))
		rv_panic("the memory map has no RAM at %lx-%lx, where RootVisor is", pa(image_start),
			 pa(image_end));
	memmap_set(&free_map, pa(image_start), pa(image_end), MEM_RESERVED);
	for (u32 i = 0; i < ARRAY_SIZE(m); i++) {
		if (!m[i]->end)
			continue;
		if (!memmap_is_ram(&free_map, m[i]->start, m[i]->end))
			rv_panic("a module at %lx-%lx is not in free RAM", m[i]->start, m[i]->end);
		if (memmap_set(&free_map, m[i]->start & PAGE_MASK, ALIGN_UP(m[i]->end, PAGE_SIZE), MEM_RESERVED) < 0)
			rv_panic("the memory map is too fragmented");
	}
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

/* Pool, page tables, frame table. */
static void init_memory(void)
{
	u64 ram = memmap_ram_bytes(&mb.map), size = ALIGN_UP(ram / POOL_RAM_SHARE, MIB), pool, top;

	if (size < POOL_MIN)
		size = POOL_MIN;
	if (mb.pool_mib)
		size = mb.pool_mib * MIB;
	pool = memmap_find_high(&free_map, size, PAGE_SIZE, MIB, GIB4);
	if (!pool)
		rv_panic("no %lu MiB of free RAM in one piece below 4 GiB for the pool", size / MIB);
	host_map = mb.map;
	take(pool, pool + size);
	take(pa(image_start), pa(image_end));
	pool_init(pool, pool + size);
	top = memmap_ram_top(&mb.map);
	paging_init(top > GIB4 ? top : GIB4);
	pool_mark();
	frames_init(&mb.map);
	frames_take(pool, pool + size);
	frames_take(pa(image_start), pa(image_end));
	ept01_init();
	rv_printf("RAM %lu MiB; RootVisor %lx-%lx, pool %lx-%lx, %lu pages free\n", ram / MIB,
		  pa(image_start), pa(image_end), pool, pool + size, pool_free_pages());
}

static void copy_guardian(void)
{
	u64 size = mb.guardian.end - mb.guardian.start;
	void *copy = pool_need(ALIGN_UP(size, PAGE_SIZE) / PAGE_SIZE);

	memcpy(copy, va(mb.guardian.start), size);
	rv_boot.guardian = (struct boot_module) { pa(copy), size };
}

static const u8 *acpi_map(void *ctx, u64 at, u64 size)
{
	u64 top = memmap_ram_top(&mb.map);

	if (top < GIB4)
		top = GIB4;
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

static void read_acpi(void)
{
	static const struct acpi_ops ops = { .map = acpi_map };
	const char *error;

	if (acpi_read(&ops, mb.rsdp, mb.rsdp_size, pcpus[0].apic_id, &acpi, &error) < 0)
		rv_panic("ACPI: %s", error);
	power_ports = acpi.power;
	if (acpi.power_by_memory)
		rv_printf("WARNING: this machine sleeps or resets by memory-mapped registers, before which nothing is wiped\n");
}

static void start_others(void)
{
	u64 trampoline = memmap_find_high(&free_map, PAGE_SIZE, PAGE_SIZE, PAGE_SIZE, 0xa0000);

	if (!acpi.nr_others)
		return;
	if (acpi.cpus_cut)
		rv_panic("more CPUs than RootVisor can run");
	if (!trampoline || smp_start(acpi.others, acpi.nr_others, trampoline) < 0)
		rv_panic("cannot start the other %u CPUs (at most %u in all)", acpi.nr_others, CVM_MAX_CPUS);
	rv_printf("%u CPUs\n", nr_pcpus);
}

void rv_main(u32 magic, u64 info)
{
	struct pcpu *c = &pcpus[0];
	static struct host_entry entry;

	rv_lock();
	rv_boot = (struct rv_boot) { .tsc_start = rdtsc(), .image_start = pa(image_start),
				     .file_bytes = pa(image_rodata_end) - pa(image_start) };
	nr_pcpus = 1;
	console_init();
	cpu_tables_init(c);
	c->apic_id = own_apic_id();
	rv_printf("cvmd RootVisor %u.%u.%u, SVN %u\n", RV_VERSION >> 16, RV_VERSION >> 8 & 0xff, RV_VERSION & 0xff, RV_SVN);
	parse_boot_info(magic, info);
	find_free();
	if (!check_features() || !check_modules())
		give_up();

	init_memory();
	copy_guardian();
	rv_boot.tsc_khz = tsc_measure_khz();
	if (!rv_boot.tsc_khz)
		rv_panic("cannot measure the frequency of the TSC");
	read_acpi();
	start_others();
	entry = host_prepare(&mb, &host_map, &free_map, true);

	cpu_vmxon(c);
	vmcs01_init(c, &entry);
	nested_init();
	log_event(CVM_EV_BOOT, CVM_R_NONE, 0, NULL, RV_VERSION, rv_boot.tsc_khz);
	vm_init(c, mb.cmdline, va(entry.rdi));
	rv_printf("TSC %lu kHz; entering Linux\n", rv_boot.tsc_khz);
	smp_release(&entry);
	/* onto the stack that has a guard page; boot needed a larger one */
	__asm__ volatile("movq %0, %%rsp; xorl %%ebp, %%ebp; call *%1"
			 : : "r"(c->stack_top), "r"(pcpu_run), "D"(c) : "memory");
	__builtin_unreachable();
}
