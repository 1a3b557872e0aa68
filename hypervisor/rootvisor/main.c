/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From the start stage (rv/boot.h) to the first instruction of the host. */
#include "cpu/cpu.h"
#include "hostboot/handoff.h"
#include "memory/memory.h"
#include "rv/rv.h"
#include "vmx/vmx.h"

struct rv_boot rv_boot;

extern u8 image_start[], image_end[];

/* Is all of it RAM that nobody has taken? */
static bool is_free(u64 start, u64 size)
{
	for (u64 p = start >> PAGE_SHIFT; p < ALIGN_UP(start + size, PAGE_SIZE) >> PAGE_SHIFT; p++)
		if (!frame_is_host(p))
			return false;
	return true;
}

/* Before the pool is cleared. That pool and image are RAM, and disjoint, frames_take() finds out. */
static void check_boot(const struct rv_boot *b)
{
	u64 pool_end = b->pool.start + b->pool.size, end = 0;

	RV_BUG_ON((b->pool.start | b->pool.size) & ~PAGE_MASK || pool_end > BIT(32));
	RV_BUG_ON(b->pool.start < pa(image_end) && pool_end > pa(image_start));
	RV_BUG_ON(!b->nr_ram || b->nr_ram > BOOT_RAM_MAX || b->nr_others >= CVM_MAX_CPUS || !b->tsc_khz);
	for (u32 i = 0; i < b->nr_ram; i++) {
		RV_BUG_ON(b->ram[i].start < end || !b->ram[i].size);
		end = b->ram[i].start + b->ram[i].size;
	}
}

static void init_memory(const struct rv_boot *b)
{
	u64 pool_end = b->pool.start + b->pool.size;

	pool_init(b->pool.start, pool_end);
	paging_init();
	pool_mark();
	frames_init();
	frames_take(b->pool.start, pool_end);
	frames_take(pa(image_start), pa(image_end));
	ept01_init();
	rv_printf("RAM %lu MiB; RootVisor %lx-%lx, pool %lx-%lx, %lu pages free\n", frame_counts.ram >> 8,
		  pa(image_start), pa(image_end), b->pool.start, pool_end, pool_free_pages());
}

static void copy_guardian(struct boot_range *g)
{
	void *copy = pool_need(ALIGN_UP(g->size, PAGE_SIZE) / PAGE_SIZE);

	RV_BUG_ON(!is_free(g->start, g->size));
	memcpy(copy, va(g->start), g->size);
	g->start = pa(copy);
}

void rv_main(const struct rv_boot *b)
{
	struct pcpu *c = &pcpus[0];

	rv_lock();
	rv_boot = *b;
	check_boot(&rv_boot);
	nr_pcpus = 1;
	c->apic_id = rv_boot.apic_id;
	init_memory(&rv_boot);
	copy_guardian(&rv_boot.guardian);
	power_ports = rv_boot.power;
	RV_BUG_ON(!is_free(rv_boot.host.rip, 1) || !is_free(rv_boot.host.rdi, sizeof(struct host_handoff)));
	smp_start();
	cpu_vmxon(c);
	vmcs01_init(c, &rv_boot.host);
	nested_init();
	log_event(CVM_EV_BOOT, CVM_R_NONE, 0, NULL, RV_VERSION, rv_boot.tsc_khz);
	vm_init(c, rv_boot.cmdline, va(rv_boot.host.rdi));
	rv_printf("TSC %lu kHz; entering Linux\n", rv_boot.tsc_khz);
	smp_release();
	pcpu_run(c);
}
