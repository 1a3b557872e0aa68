/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "start/acpi.h"

#include "start/bytes.h"

#define TABLE_MAX	0x10000u	/* bytes of a table that we read */
#define MADT_LAPIC	0
#define MADT_X2APIC	9
#define CPU_ENABLED	1u
#define FADT_MIN	116u		/* ACPI 1.0 */
#define GAS_IO		1		/* address space of a generic address structure */
#define RESET_SUPPORTED	(1u << 10)

u8 acpi_sum(const u8 *p, u32 n)
{
	u8 s = 0;

	while (n--)
		s = (u8)(s + *p++);
	return s;
}

static bool is(const u8 *p, const char *want)
{
	while (*want)
		if (*p++ != (u8)*want++)
			return false;
	return true;
}

const u8 *acpi_table(const struct acpi_ops *ops, u64 pa, const char *signature, u32 min, u32 *size)
{
	const u8 *p = ops->map(ops->ctx, pa, ACPI_HEADER);

	if (!p || !is(p, signature))
		return NULL;
	*size = get32(p + 4);
	if (*size < min || *size > TABLE_MAX)
		return NULL;
	p = ops->map(ops->ctx, pa, *size);
	return p && acpi_sum(p, *size) == 0 ? p : NULL;
}

bool acpi_roots(const u8 *rsdp, u32 rsdp_size, u64 *rsdt, u64 *xsdt)
{
	*rsdt = *xsdt = 0;
	if (rsdp_size < ACPI_RSDP1 || !is(rsdp, "RSD PTR ") || acpi_sum(rsdp, ACPI_RSDP1))
		return false;
	*rsdt = get32(rsdp + 16);
	if (rsdp_size >= ACPI_RSDP2 && rsdp[15] >= 2 && acpi_sum(rsdp, ACPI_RSDP2) == 0)
		*xsdt = get64(rsdp + 24);
	return *rsdt || *xsdt;
}

int acpi_madt_cpu(const u8 *m, u32 size, struct acpi_cpu *cpu)
{
	for (; cpu->at + 2 <= size; cpu->at += m[cpu->at + 1]) {
		const u8 *e = m + cpu->at;

		if (e[1] < 2 || e[1] > size - cpu->at)
			return -EINVAL;
		if (e[0] == MADT_LAPIC && e[1] >= 8) {
			*cpu = (struct acpi_cpu) { cpu->at, e[3], cpu->at + 4 };
			return 1;
		}
		if (e[0] == MADT_X2APIC && e[1] >= 16) {
			*cpu = (struct acpi_cpu) { cpu->at, get32(e + 4), cpu->at + 8 };
			return 1;
		}
	}
	return 0;
}

/* Firmware may list a CPU in both forms: it starts once. */
static bool is_listed(const struct acpi_result *res, u32 id)
{
	for (u32 i = 0; i < res->nr_others; i++)
		if (res->others[i] == id)
			return true;
	return false;
}

static int read_madt(struct acpi_result *res, const u8 *m, u32 size, u32 own_apic_id)
{
	struct acpi_cpu cpu = { .at = ACPI_MADT_FIRST };
	int r;

	res->nr_others = 0;
	for (; (r = acpi_madt_cpu(m, size, &cpu)) > 0; cpu.at += m[cpu.at + 1]) {
		if (cpu.id == own_apic_id || !(get32(m + cpu.flags) & CPU_ENABLED) || is_listed(res, cpu.id))
			continue;
		if (res->nr_others < ACPI_CPUS_MAX)
			res->others[res->nr_others++] = cpu.id;
		else
			res->cpus_cut = true;
	}
	return r;
}

/* A register as a legacy port, a generic address structure, or both. */
static u16 fadt_port(struct acpi_result *res, const u8 *f, u32 size, u32 legacy, u32 gas)
{
	if (gas + 12 <= size && get64(f + gas + 4)) {
		if (f[gas] == GAS_IO)
			return (u16)get64(f + gas + 4);
		res->power_by_memory = true;
	}
	return legacy ? (u16)get32(f + legacy) : 0;
}

static void read_fadt(struct acpi_result *res, const u8 *f, u32 size)
{
	res->power.pm1_cnt[0] = fadt_port(res, f, size, 64, 172);
	res->power.pm1_cnt[1] = fadt_port(res, f, size, 68, 184);
	res->power.sleep_control = fadt_port(res, f, size, 0, 244);
	if (size > 128 && get32(f + 112) & RESET_SUPPORTED) {
		res->power.reset = fadt_port(res, f, size, 0, 116);
		res->power.reset_value = f[128];
	}
}

int acpi_read(const struct acpi_ops *ops, const u8 *rsdp, u32 rsdp_size, u32 own_apic_id, struct acpi_result *res,
	      const char **error)
{
	u32 size, n, width;
	u64 rsdt, xsdt;
	const u8 *root, *t;

	*res = (struct acpi_result) { 0 };
	*error = "the RSDP is broken";
	if (!acpi_roots(rsdp, rsdp_size, &rsdt, &xsdt))
		return -EINVAL;
	/* Of the two the host uses the XSDT, if there is one. */
	width = xsdt ? 8 : 4;
	*error = xsdt ? "the XSDT is broken" : "the RSDT is broken";
	root = acpi_table(ops, xsdt ? xsdt : rsdt, xsdt ? "XSDT" : "RSDT", ACPI_HEADER, &size);
	if (!root || (size - ACPI_HEADER) % width)
		return -EINVAL;
	*error = "the MADT is broken";
	for (u32 at = ACPI_HEADER; at < size; at += width) {
		t = acpi_table(ops, get_le(root + at, width), "FACP", FADT_MIN, &n);
		if (t)
			read_fadt(res, t, n);
		t = acpi_table(ops, get_le(root + at, width), "APIC", ACPI_MADT_FIRST, &n);
		if (t && read_madt(res, t, n, own_apic_id) < 0)
			return -EINVAL;
	}
	*error = NULL;
	return 0;
}
