/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hostboot/acpi.h"

#include "cvm/abi.h"
#include "hostboot/put.h"

#define CPU_ENABLED	1u
#define CPU_ONLINE_CAPABLE 2u

/* Sets the byte at `at` so that [p, p + n) adds up to 0. */
static void fix_checksum(u8 *p, u32 n, u32 at)
{
	p[at] = 0;
	p[at] = (u8)-acpi_sum(p, n);
}

struct build {
	const struct acpi_ops *ops;
	const struct acpi_request *q;
	struct acpi_built *res;
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

/* The MADT with all CPUs but one neither enabled nor online-capable. */
static int copy_madt(struct build *b, const u8 *madt, u32 size, u64 *pa)
{
	struct acpi_cpu cpu = { .at = ACPI_MADT_FIRST };
	u8 *m = reserve(b, size, pa);
	int r;

	if (!m)
		return -ENOSPC;
	for (u32 i = 0; i < size; i++)
		m[i] = madt[i];
	for (; (r = acpi_madt_cpu(m, size, &cpu)) > 0; cpu.at += m[cpu.at + 1])
		if (cpu.id != b->q->keep_apic_id)
			put_le(m + cpu.flags, get32(m + cpu.flags) & ~(CPU_ENABLED | CPU_ONLINE_CAPABLE), 4);
	*b->error = "the MADT is broken";
	fix_checksum(m, size, 9);
	return r;
}

static int add_cvmd(struct build *b, const u8 *model, u64 *pa)
{
	u32 size = sizeof(struct cvm_acpi_table);
	u8 *t = reserve(b, size, pa);

	if (!t)
		return -ENOSPC;
	for (u32 i = 0; i < ACPI_HEADER; i++)
		t[i] = model[i];	/* OEM ids as the firmware's */
	for (u32 i = 0; i < 4; i++)
		t[i] = (u8)CVM_ACPI_SIGNATURE[i];
	put_le(t + 4, size, 4);
	t[8] = 1;
	put_le(t + ACPI_HEADER, b->q->abi_version, 4);
	put_le(t + ACPI_HEADER + 4, b->q->secret[0], 8);
	put_le(t + ACPI_HEADER + 12, b->q->secret[1], 8);
	fix_checksum(t, size, 9);
	return 0;
}

/* RSDT or XSDT (entries of `width` bytes) with the MADT exchanged and CVMD added. */
static int copy_root(struct build *b, u64 old, const char *signature, u32 width, u64 *cvmd, u64 *madt, u64 *pa)
{
	u32 size, msize;
	const u8 *r = acpi_table(b->ops, old, signature, ACPI_HEADER, &size), *m;
	u8 *t;
	int err;

	*b->error = width == 8 ? "the XSDT is broken" : "the RSDT is broken";
	if (!r || (size - ACPI_HEADER) % width)
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
	for (u32 at = ACPI_HEADER; at < size; at += width) {
		m = acpi_table(b->ops, get_le(r + at, width), "APIC", ACPI_MADT_FIRST, &msize);
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

int acpi_build(const struct acpi_ops *ops, const struct acpi_request *q, struct acpi_built *res, const char **error)
{
	struct build b = { ops, q, res, error };
	u64 rsdt, xsdt, cvmd = 0, madt = 0, pa;
	u8 *rsdp;
	int r;

	*res = (struct acpi_built) { 0 };
	*error = "the RSDP is broken";
	if (!acpi_roots(q->rsdp, q->rsdp_size, &rsdt, &xsdt))
		return -EINVAL;
	rsdp = reserve(&b, ACPI_RSDP2, &res->rsdp);
	if (!rsdp)
		return -ENOSPC;
	for (u32 i = 0; i < ACPI_RSDP2; i++)
		rsdp[i] = i < (xsdt ? ACPI_RSDP2 : ACPI_RSDP1) ? q->rsdp[i] : 0;
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
	fix_checksum(rsdp, ACPI_RSDP1, 8);
	if (xsdt)
		fix_checksum(rsdp, ACPI_RSDP2, 32);
	*error = NULL;
	return 0;
}
