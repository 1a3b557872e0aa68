/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hostboot/acpi.h"

#include "cvm/tpm.h"
#include "hostboot/put.h"
#include "tpm/merge.h"

#define CPU_ONLINE_CAPABLE 2u
/*
 * TCG ACPI Specification: the fields for a log, which end the table, came with revision 4; in revision 5 they stand 4 bytes
 * further behind. Linux looks for them where revision 4 has them, whatever the table says: so that is what it gets.
 */
#define TPM2_MIN	52u
#define TPM2_LAML	64u
#define TPM2_LASA	68u
#define TPM2_SIZE	76u
#define TPM2_REVISION	4u
#define FIRMWARE_LOG_MAX 0x10000u	/* bytes of a log area that are looked at */
#define MADT_MP_WAKEUP	16
#define MAILBOX_ENTRY	16u

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
	u64 cvmd, cvml, madt, tpm2;	/* the new tables, 0 = not made (yet) */
	u32 log_size;			/* bytes in CVML behind its header */
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

/* The MADT with only those CPUs that are there from the start, and the mailbox (ACPI 6.5, 5.2.12.19). */
static int copy_madt(struct build *b, const u8 *madt, u32 size, u64 *pa)
{
	struct acpi_cpu cpu = { .at = ACPI_MADT_FIRST };
	u32 total = size + (b->q->mailbox ? MAILBOX_ENTRY : 0);
	u8 *m = reserve(b, total, pa);
	int r;

	if (!m)
		return -ENOSPC;
	for (u32 i = 0; i < size; i++)
		m[i] = madt[i];
	for (; (r = acpi_madt_cpu(m, size, &cpu)) > 0; cpu.at += m[cpu.at + 1])
		put_le(m + cpu.flags, get32(m + cpu.flags) & ~CPU_ONLINE_CAPABLE, 4);
	*b->error = "the MADT is broken";
	if (b->q->mailbox) {
		put_le(m + size, MADT_MP_WAKEUP, 1);
		put_le(m + size + 1, MAILBOX_ENTRY, 1);
		put_le(m + size + 2, 0, 6);	/* version 0, reserved */
		put_le(m + size + 8, b->q->mailbox, 8);
		put_le(m + 4, total, 4);
	}
	fix_checksum(m, total, 9);
	return r;
}

/* A header like that of `model`: OEM ids as the firmware's. */
static void put_header(u8 *t, const u8 *model, const char *signature, u32 size)
{
	for (u32 i = 0; i < ACPI_HEADER; i++)
		t[i] = model[i];
	for (u32 i = 0; i < 4; i++)
		t[i] = (u8)signature[i];
	put_le(t + 4, size, 4);
	t[8] = 1;
}

/* The firmware's table TPM2, if that of this root is one, or NULL. */
static const u8 *find_tpm2(struct build *b, const u8 *root, u32 root_size, u32 width, u32 *size)
{
	for (u32 at = ACPI_HEADER; at < root_size; at += width) {
		const u8 *t = acpi_table(b->ops, get_le(root + at, width), "TPM2", TPM2_MIN, size);

		if (t)
			return t;
	}
	return NULL;
}

/* What the firmware left in the log area that its TPM2 names. NULL: nothing. */
static const u8 *firmware_log(struct build *b, const u8 *tpm2, u32 tpm2_size, u32 *size)
{
	u32 more = tpm2 && tpm2[8] > TPM2_REVISION ? 4 : 0;
	u64 at;

	*size = 0;
	if (!tpm2 || tpm2[8] < TPM2_REVISION || tpm2_size < TPM2_SIZE + more)
		return NULL;
	at = get64(tpm2 + TPM2_LASA + more);
	*size = get32(tpm2 + TPM2_LAML + more);
	if (*size > FIRMWARE_LOG_MAX)
		*size = FIRMWARE_LOG_MAX;
	return at && *size ? b->ops->map(b->ops->ctx, at, *size) : NULL;
}

/* The table whose body is the event log: the firmware's entries and the Quoter's. */
static int add_cvml(struct build *b, const u8 *model, const u8 *tpm2, u32 tpm2_size)
{
	u32 fw_size, at = (u32)ALIGN_UP((u64)b->res->used, 16) + ACPI_HEADER;
	const u8 *fw = firmware_log(b, tpm2, tpm2_size, &fw_size);
	u8 *t;
	int n;

	*b->error = "the event log is too large for the space set aside";
	if (at >= b->q->out_size)
		return -ENOSPC;
	n = log_merge(fw, fw ? fw_size : 0, b->q->log, b->q->log_size, b->q->out + at, b->q->out_size - at,
		      &b->res->log_merged);
	if (n < 0) {
		if (n == -EINVAL)
			*b->error = "the Quoter's event log is broken";
		return n;
	}
	b->log_size = (u32)n;
	t = reserve(b, ACPI_HEADER + b->log_size, &b->cvml);
	if (!t)
		return -ENOSPC;
	put_header(t, model, CVM_ACPI_LOG_SIGNATURE, ACPI_HEADER + b->log_size);
	fix_checksum(t, ACPI_HEADER + b->log_size, 9);
	return 0;
}

/* TPM2 with our log area in place of the firmware's. */
static int copy_tpm2(struct build *b, const u8 *tpm2, u32 size)
{
	u8 *t = reserve(b, TPM2_SIZE, &b->tpm2);

	if (!t)
		return -ENOSPC;
	for (u32 i = 0; i < TPM2_LAML; i++)
		t[i] = i < size ? tpm2[i] : 0;
	put_le(t + 4, TPM2_SIZE, 4);
	t[8] = TPM2_REVISION;
	put_le(t + TPM2_LAML, b->log_size, 4);
	put_le(t + TPM2_LASA, b->cvml + ACPI_HEADER, 8);
	fix_checksum(t, TPM2_SIZE, 9);
	return 0;
}

static int add_cvmd(struct build *b, const u8 *model, u64 *pa)
{
	u32 size = sizeof(struct cvm_acpi_table);
	u8 *t = reserve(b, size, pa);

	if (!t)
		return -ENOSPC;
	put_header(t, model, CVM_ACPI_SIGNATURE, size);
	put_le(t + ACPI_HEADER, b->q->abi_version, 4);
	put_le(t + ACPI_HEADER + 4, b->q->secret[0], 8);
	put_le(t + ACPI_HEADER + 12, b->q->secret[1], 8);
	fix_checksum(t, size, 9);
	return 0;
}

/* What is made once, whichever root comes first. */
static int make_tables(struct build *b, const u8 *root, u32 root_size, u32 width)
{
	u32 size;
	const u8 *tpm2 = find_tpm2(b, root, root_size, width, &size);
	int err;

	if (!b->cvmd) {
		err = add_cvmd(b, root, &b->cvmd);
		if (err < 0)
			return err;
	}
	if (b->q->log_size && !b->cvml) {
		err = add_cvml(b, root, tpm2, size);
		if (err < 0)
			return err;
	}
	return b->cvml && tpm2 && !b->tpm2 ? copy_tpm2(b, tpm2, size) : 0;
}

/* *at: the address of a table, and then of the one that stands in its place. */
static int replace(struct build *b, u64 *at)
{
	u32 size;
	const u8 *m = acpi_table(b->ops, *at, "APIC", ACPI_MADT_FIRST, &size);
	int err = m && !b->madt ? copy_madt(b, m, size, &b->madt) : 0;

	if (m)
		*at = b->madt;
	else if (b->tpm2 && acpi_table(b->ops, *at, "TPM2", TPM2_MIN, &size))
		*at = b->tpm2;
	return err;
}

/* RSDT or XSDT (entries of `width` bytes) with MADT and TPM2 exchanged, CVMD and CVML added. */
static int copy_root(struct build *b, u64 old, const char *signature, u32 width, u64 *pa)
{
	u32 size, n;
	const u8 *r = acpi_table(b->ops, old, signature, ACPI_HEADER, &size);
	u8 *t;
	int err;

	*b->error = width == 8 ? "the XSDT is broken" : "the RSDT is broken";
	if (!r || (size - ACPI_HEADER) % width)
		return -EINVAL;
	err = make_tables(b, r, size, width);
	if (err < 0)
		return err;
	n = size + width * (b->cvml ? 2 : 1);
	t = reserve(b, n, pa);
	if (!t)
		return -ENOSPC;
	for (u32 i = 0; i < size; i++)
		t[i] = r[i];
	for (u32 at = ACPI_HEADER; at < size; at += width) {
		u64 table = get_le(r + at, width);

		err = replace(b, &table);
		if (err < 0)
			return err;
		put_le(t + at, table, width);
	}
	put_le(t + size, b->cvmd, width);
	if (b->cvml)
		put_le(t + size + width, b->cvml, width);
	put_le(t + 4, n, 4);
	fix_checksum(t, n, 9);
	return 0;
}

int acpi_build(const struct acpi_ops *ops, const struct acpi_request *q, struct acpi_built *res, const char **error)
{
	struct build b = { .ops = ops, .q = q, .res = res, .error = error };
	u64 rsdt, xsdt, pa;
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
		r = copy_root(&b, xsdt, "XSDT", 8, &pa);
		if (r < 0)
			return r;
		put_le(rsdp + 24, pa, 8);
	}
	if (rsdt) {
		r = copy_root(&b, rsdt, "RSDT", 4, &pa);
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
