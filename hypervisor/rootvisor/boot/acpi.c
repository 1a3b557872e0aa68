/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "boot/acpi.h"

#include "boot/bytes.h"
#include "cvm/abi.h"

#define HEADER_SIZE	36u
#define TABLE_MAX	0x10000u	/* bytes of an RSDT, XSDT or MADT that we copy */
#define RSDP1_SIZE	20u
#define RSDP2_SIZE	36u
#define MADT_ENTRIES	44u
#define MADT_LAPIC	0
#define MADT_X2APIC	9
#define CPU_ENABLED	1u
#define FADT_MIN	116u	/* ACPI 1.0 */
#define GAS_IO		1	/* address space of a generic address structure */
#define RESET_SUPPORTED	(1u << 10)
#define CPU_ONLINE_CAPABLE 2u

static u8 sum(const u8 *p, u32 n)
{
	u8 s = 0;

	while (n--)
		s = (u8)(s + *p++);
	return s;
}

static bool is(const u8 *p, const char *want, u32 n)
{
	for (u32 i = 0; i < n; i++)
		if (p[i] != (u8)want[i])
			return false;
	return true;
}

/* Sets the byte at `at` so that [p, p + n) adds up to 0. */
static void fix_checksum(u8 *p, u32 n, u32 at)
{
	p[at] = 0;
	p[at] = (u8)-sum(p, n);
}

struct build {
	const struct acpi_ops *ops;
	const struct acpi_request *q;
	struct acpi_result *res;
	const char **error;
};

/* Room for n bytes of the output, 16-byte aligned; NULL if it is full. */
static u8 *reserve(struct build *b, u32 n, u64 *pa)
{
	u32 at = (u32)ALIGN_UP((u64)b->res->used, 16);

	*b->error = "the ACPI tables are too large for the space set aside";
	if (at > b->q->out_size || n > b->q->out_size - at)
		return NULL;
	b->res->used = at + n;
	*pa = b->q->at + at;
	return b->q->out + at;
}

/* A table with this signature and a right checksum, or NULL. */
static const u8 *find(struct build *b, u64 pa, const char *signature, u32 min, u32 *size)
{
	const u8 *p = b->ops->map(b->ops->ctx, pa, HEADER_SIZE);

	if (!p || !is(p, signature, 4))
		return NULL;
	*size = get32(p + 4);
	if (*size < min || *size > TABLE_MAX)
		return NULL;
	p = b->ops->map(b->ops->ctx, pa, *size);
	return p && sum(p, *size) == 0 ? p : NULL;
}

/* The MADT with all CPUs but one neither enabled nor online-capable. */
static int copy_madt(struct build *b, const u8 *madt, u32 size, u64 *pa)
{
	struct acpi_result *res = b->res;
	u8 *m = reserve(b, size, pa);

	if (!m)
		return -ENOSPC;
	for (u32 i = 0; i < size; i++)
		m[i] = madt[i];
	res->nr_parked = 0;
	for (u32 at = MADT_ENTRIES; at + 2 <= size; at += m[at + 1]) {
		u32 type = m[at], len = m[at + 1], id, flags;

		*b->error = "the MADT is broken";
		if (len < 2 || len > size - at)
			return -EINVAL;
		if (type == MADT_LAPIC && len >= 8) {
			id = m[at + 3];
			flags = at + 4;
		} else if (type == MADT_X2APIC && len >= 16) {
			id = get32(m + at + 4);
			flags = at + 8;
		} else {
			continue;
		}
		if (id == b->q->keep_apic_id)
			continue;
		if (get32(m + flags) & CPU_ENABLED) {
			if (res->nr_parked < ACPI_CPUS_MAX)
				res->parked[res->nr_parked++] = id;
			else
				res->cpus_cut = true;
		}
		put_le(m + flags, get32(m + flags) & ~(CPU_ENABLED | CPU_ONLINE_CAPABLE), 4);
	}
	fix_checksum(m, size, 9);
	return 0;
}

static int add_cvmd(struct build *b, const u8 *model, u64 *pa)
{
	u32 size = sizeof(struct cvm_acpi_table);
	u8 *t = reserve(b, size, pa);

	if (!t)
		return -ENOSPC;
	for (u32 i = 0; i < HEADER_SIZE; i++)
		t[i] = model[i];	/* OEM ids as the firmware's */
	for (u32 i = 0; i < 4; i++)
		t[i] = (u8)CVM_ACPI_SIGNATURE[i];
	put_le(t + 4, size, 4);
	t[8] = 1;
	put_le(t + HEADER_SIZE, b->q->abi_version, 4);
	put_le(t + HEADER_SIZE + 4, b->q->secret[0], 8);
	put_le(t + HEADER_SIZE + 12, b->q->secret[1], 8);
	fix_checksum(t, size, 9);
	return 0;
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

/* RSDT or XSDT (entries of `width` bytes) with the MADT exchanged and CVMD added. */
static int copy_root(struct build *b, u64 old, const char *signature, u32 width, u64 *cvmd, u64 *madt, u64 *pa)
{
	u32 size, msize;
	const u8 *r = find(b, old, signature, HEADER_SIZE, &size), *m;
	u8 *t;
	int err;

	*b->error = width == 8 ? "the XSDT is broken" : "the RSDT is broken";
	if (!r || (size - HEADER_SIZE) % width)
		return -EINVAL;
	if (!*cvmd) {
		err = add_cvmd(b, r, cvmd);
		if (err < 0)
			return err;
	}
	t = reserve(b, size + width, pa);
	if (!t)
		return -ENOSPC;
	for (u32 i = 0; i < size; i++)
		t[i] = r[i];
	for (u32 at = HEADER_SIZE; at < size; at += width) {
		u64 entry = width == 8 ? get64(r + at) : get32(r + at);

		m = find(b, entry, "FACP", FADT_MIN, &msize);
		if (m)
			read_fadt(b->res, m, msize);
		m = find(b, entry, "APIC", MADT_ENTRIES, &msize);
		if (!m)
			continue;
		if (!*madt) {
			err = copy_madt(b, m, msize, madt);
			if (err < 0)
				return err;
		}
		put_le(t + at, *madt, width);
	}
	put_le(t + size, *cvmd, width);
	put_le(t + 4, size + width, 4);
	fix_checksum(t, size + width, 9);
	return 0;
}

int acpi_build(const struct acpi_ops *ops, const struct acpi_request *q, struct acpi_result *res, const char **error)
{
	struct build b = { ops, q, res, error };
	u64 rsdt, xsdt = 0, cvmd = 0, madt = 0, pa;
	u8 *rsdp;
	int r;

	*res = (struct acpi_result) { 0 };
	*error = "the RSDP is broken";
	if (q->rsdp_size < RSDP1_SIZE || !is(q->rsdp, "RSD PTR ", 8) || sum(q->rsdp, RSDP1_SIZE))
		return -EINVAL;
	rsdt = get32(q->rsdp + 16);
	if (q->rsdp_size >= RSDP2_SIZE && q->rsdp[15] >= 2 && sum(q->rsdp, RSDP2_SIZE) == 0)
		xsdt = get64(q->rsdp + 24);
	if (!rsdt && !xsdt)
		return -EINVAL;
	rsdp = reserve(&b, RSDP2_SIZE, &res->rsdp);
	if (!rsdp)
		return -ENOSPC;
	for (u32 i = 0; i < RSDP2_SIZE; i++)
		rsdp[i] = i < (xsdt ? RSDP2_SIZE : RSDP1_SIZE) ? q->rsdp[i] : 0;
	if (xsdt) {
		r = copy_root(&b, xsdt, "XSDT", 8, &cvmd, &madt, &pa);
		if (r < 0)
			return r;
		put_le(rsdp + 24, pa, 8);
	}
	if (rsdt) {
		r = copy_root(&b, rsdt, "RSDT", 4, &cvmd, &madt, &pa);
		if (r < 0)
			return r;
		put_le(rsdp + 16, pa, 4);
	}
	fix_checksum(rsdp, RSDP1_SIZE, 8);
	if (xsdt)
		fix_checksum(rsdp, RSDP2_SIZE, 32);
	*error = NULL;
	return 0;
}
