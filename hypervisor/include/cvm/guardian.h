/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Between RootVisor and a Guardian: address space, upcalls, the mailbox.
 *
 * An upcall enters the Guardian afresh: RIP, RSP, CR3 and FS base from the image header,
 * RDI = operation, RSI = CVM_G_MAILBOX, RFLAGS = 2, 64-bit flat ring 0, interrupts masked, SSE
 * on; CR4.OSXSAVE set, AVX used if XCR0 has it, AVX2 if INIT says so, too. RootVisor saves and restores all vector state
 * around an upcall. One upcall at a time for each Guardian: it has one stack. It answers by VMCALL with
 * RAX = 0 or a negative errno, all other registers cleared. An exception, any other exit, or a
 * time-out stops the VM with CVM_R_GUARDIAN_FAULT.
 *
 * A touch of a guest page that is not mapped (not accepted yet, or sealed) exits with an EPT
 * violation: RootVisor brings the page and enters the same operation again from its start. So
 * an operation must not change its state or its mailbox inputs before its last touch of guest
 * memory, or must be able to run twice. A guest page that cannot be brought as RAM (MMIO, shared)
 * stops the VM.
 */
#ifndef CVM_GUARDIAN_H
#define CVM_GUARDIAN_H

#include "cvm/counter.h"
#include "cvm/key.h"
#include "cvm/report.h"
#include "cvm/tpm.h"

/* Guardian-physical = linear addresses. */
#define CVM_G_MAILBOX		0x100000ull		/* one 4 KiB page */
#define CVM_G_IMAGE		0x200000ull		/* image, then bss and stacks */
#define CVM_G_IMAGE_MAX		0x100000ull
#define CVM_G_SLOTS		0x40000000ull		/* work slots, 4 KiB each, one a CPU */
#define CVM_G_META		0x100000000ull		/* page records, one a gfn */
#define CVM_G_ROOTVISOR		0x200000000ull		/* Quoter only: RootVisor's image, read-only */
#define CVM_G_PRISTINE		0x240000000ull		/* Quoter only: Guardian image as loaded, read-only */
#define CVM_G_TPM		0x280000000ull		/* Quoter only, during QUOTER_INIT: the TPM's registers */
#define CVM_G_GUEST		0x8000000000ull		/* guest-physical 0 of the VM, < 512 GiB */
#define CVM_G_META_SIZE		32u			/* bytes of Guardian record for each gfn */

/* First bytes of the flat image. */
#define CVM_G_MAGIC		0x3147564355ull
struct cvm_g_header {
	uint64_t magic;
	uint32_t abi_version;
	uint32_t svn;
	uint64_t image_size;		/* bytes in the file */
	uint64_t memory_size;		/* with bss and stack; <= CVM_G_IMAGE_MAX, whole pages */
	uint64_t text_size;		/* first bytes, read-execute; whole pages */
	uint64_t rodata_size;		/* then read-only; whole pages; the rest read-write, no execute */
	uint64_t entry;			/* linear addresses */
	uint64_t stack_top;
	uint64_t page_table;		/* CR3: identity, 1 GiB pages for [0, 1 TiB), NX outside [0, 1 GiB) */
	uint64_t fs_base;		/* FS base: the library's stack protector reads its canary at FS:28h */
};
_Static_assert(sizeof(struct cvm_g_header) == 80, "cvm_g_header");

enum cvm_g_op {
	CVM_G_INIT		= 1,	/* in: init. Makes keys. Once, first. */
	CVM_G_MEASURE		= 2,	/* in: measure. Hashes a part of a component. */
	CVM_G_LAUNCH		= 3,	/* out: launch. Ends measuring; no MEASURE after it. */
	CVM_G_SEAL		= 4,	/* in: page. Encrypts the slot's page in place. */
	CVM_G_UNSEAL		= 5,	/* in: page. -EBADMSG: not what was sealed for this gfn;
					   -ENOENT: gfn was never sealed */
	CVM_G_DECODE		= 6,	/* in: cpu, access; out: step. Starts an instruction; forgets one that
					   the vCPU had under way. One element of a REP string, or of REP INS and
					   OUTS a run of elements (step.count; of OUTS they lie in run, zeroes behind); DONE then leaves RIP at the
					   instruction if there are more. -(EOPNOTSUPP | enum cvm_refused << 16):
					   not an instruction that the Guardian knows, or it does not touch
					   access.gpa */
	CVM_G_CONTINUE		= 7,	/* in: access.vcpu, data; out: step. The access of the last step is done.
					   After a run data counts its elements that were done, from 1 on; those of INS
					   lie in run. -EINVAL: that vCPU has no step under way, or data is out of range */
	CVM_G_REPORT		= 8,	/* in: report.user_data, .requester, .uuid, .counter; out: Guardian's part */
	CVM_G_EXTEND		= 9,	/* in: extend */
	CVM_G_KEY_PUT		= 10,	/* in: key_blob. Errors: CVM_HOST_KEY_PUT. A key not yet taken is replaced */
	CVM_G_KEY_GET		= 11,	/* out: key; RootVisor wipes it. -ENOENT: none */
	CVM_G_ANSWER		= 12,	/* in: report, signed: the answer to a STEP_REPORT */
	/* Quoter only */
	CVM_G_QUOTER_INIT	= 16,	/* in/out: quoter. Measures, makes the report key, extends the TPM (cvm/tpm.h). During
					   this operation only, I/O ports and the page CVM_G_TPM are open. 0 without a
					   TPM, too: see tpm_error */
	CVM_G_SIGN		= 17,	/* in: report, all but the Quoter's part; out: report complete */
	CVM_G_LOG		= 18,	/* in: log.count, .ev; out: .before. With .sign also in: .head.tsc, .tsc_khz,
					   .user_data; out: .head. -EINVAL: not the next events */
	CVM_G_COUNTER		= 19,	/* in/out: counter, one step. Errors: CVM_HOST_COUNTER */
};

struct cvm_g_init {
	uint32_t vm_id;
	uint32_t nr_ram;		/* ranges of private RAM; 0: a page that did not fault counts as RAM */
	uint64_t max_gfn;		/* records exist for gfns 0..max_gfn */
	struct cvm_ram_range ram[CVM_MAX_RAM_RANGES];
	uint32_t more_vcpus;		/* besides the first, below CVM_MAX_CPUS */
	uint32_t cpu7_ebx;		/* CPUID.7.0 EBX: CPUID exits in a Guardian. 0: it does without what stands there */
};

struct cvm_g_measure {
	uint32_t index;			/* of the component, ascending */
	uint32_t kind;
	uint64_t gpa;			/* of this part, page-aligned */
	uint64_t size;			/* of this part; whole chunks (CVM_MEASURE_CHUNK) but at the end */
	uint64_t total;			/* of the component */
	uint32_t first, last;		/* 1 if the component's first / last part */
};

struct cvm_g_launch {
	uint8_t  digest[CVM_DIGEST_SIZE];
};

struct cvm_g_page {
	uint64_t gfn;
	uint32_t slot;			/* the page is at CVM_G_SLOTS + slot * 4096 */
	uint32_t reserved;
};

/* The vCPU as the instruction sees it. */
struct cvm_g_cpu {
	uint64_t gpr[16];		/* in encoding order: RAX RCX RDX RBX RSP RBP RSI RDI R8.. */
	uint64_t rip, rflags;
	uint64_t cr0, cr3, cr4, efer;
	uint64_t seg_base[6];		/* ES CS SS DS FS GS */
	uint32_t seg_limit[6];
	uint32_t seg_ar[6];		/* access rights, VMCS format */
};
_Static_assert(sizeof(struct cvm_g_cpu) == 272, "cvm_g_cpu");

enum cvm_g_access_kind {
	CVM_G_MMIO	= 1,		/* EPT violation at gpa */
	CVM_G_PIO	= 2,		/* INS or OUTS */
};
struct cvm_g_access {
	uint32_t kind;
	uint32_t write;
	uint64_t gpa;			/* MMIO */
	uint64_t linear;		/* guest-linear address, if valid */
	uint32_t linear_valid;
	uint32_t port;			/* PIO */
	uint32_t vcpu;			/* number of the vCPU: pending state is kept for each */
	uint32_t reserved;
};

enum cvm_g_step_kind {
	CVM_G_STEP_DONE	= 0,		/* gpr, rip, rflags of `cpu` are the new values: commit all */
	CVM_G_STEP_LOAD	= 1,		/* ask the host: load size bytes at gpa (or from the port) */
	CVM_G_STEP_STORE = 2,		/* ask the host: store data */
	CVM_G_STEP_REPORT = 4,		/* as DONE; and the guest asked CVM_GUEST_PORT for a report with the mailbox's
					   report.user_data: make it, then CVM_G_ANSWER */
	CVM_G_STEP_EXCEPTION = 3,	/* inject vector/error_code (and CR2 = data if #PF); nothing else changed */
};
struct cvm_g_step {
	uint32_t kind;
	uint32_t size;			/* 1, 2, 4; never crosses a page */
	uint64_t gpa;			/* or port, if access.kind is PIO */
	uint64_t data;			/* store: the datum; exception: CR2 */
	uint32_t vector, has_error;
	uint32_t error_code;
	uint32_t count;			/* PIO: 0, or elements of a run, 2 to CVM_RUN_MAX / size */
};

#define CVM_G_TPM_LOG		3072u	/* enough for 8 banks and the longest command line */
struct cvm_g_quoter {
	uint64_t rootvisor_size;	/* bytes at CVM_G_ROOTVISOR */
	uint64_t guardian_size;		/* bytes at CVM_G_PRISTINE */
	uint8_t  rootvisor_digest[CVM_DIGEST_SIZE];
	uint8_t  guardian_digest[CVM_DIGEST_SIZE];
	uint8_t  key[72];		/* 65-byte point, zero-padded */
	/* in */
	uint64_t tsc_khz;		/* 0: leave the TPM alone */
	uint32_t rootvisor_version;
	uint32_t rootvisor_svn;
	uint32_t guardian_svn;
	uint32_t reserved;
	char     cmdline[CVM_TPM_CONFIG_MAX + 1];	/* of RootVisor, with its NUL */
	/* out */
	uint64_t secret[2];		/* random: by it the host's calls are authorised (cvm_acpi_table) */
	uint32_t tpm_error;		/* errno; 0: everything was extended. ENODEV: no TPM; ETIMEDOUT: it did not answer in
					   time; EIO: it answered with an error; EPROTO: with nonsense; EOPNOTSUPP: no TPM
					   2.0; EEXIST: its PCRs were extended before */
	uint32_t tpm_transport;		/* 0 none, 1 FIFO (TIS), 2 CRB, 3 COM2 */
	uint32_t tpm_code;		/* EIO: TPM_RC, 0 if its registers said so */
	uint32_t log_size;		/* bytes; after a failure too, if anything was extended */
	uint32_t counter_epoch;		/* 0: there are no rollback counters, because of: */
	uint32_t counter_error;		/* errno as of tpm_error; ENODATA: firmware or loader measured nothing (tpm/vault.h) */
	uint32_t counter_code;		/* TPM_RC */
	uint32_t counter_new;		/* 1: these counters begin anew */
	uint8_t  log[CVM_G_TPM_LOG];	/* a whole event log */
};

#define CVM_LOG_BATCH		32u
struct cvm_g_log {
	uint32_t count;			/* events, at most CVM_LOG_BATCH */
	uint32_t sign;			/* 1: a head after them, please */
	struct cvm_event ev[CVM_LOG_BATCH];
	uint8_t  before[CVM_LOG_BATCH][CVM_CHAIN_SIZE];	/* chain value before each */
	struct cvm_log_head head;
};

struct cvm_g_mailbox {
	uint32_t abi_version;
	uint32_t op;
	union {
		struct cvm_g_init init;
		struct cvm_g_measure measure;
		struct cvm_g_launch launch;
		struct cvm_g_page page;
		struct {
			struct cvm_g_cpu cpu;
			struct cvm_g_access access;
			uint64_t data;		/* CONTINUE: what the load gave */
			struct cvm_g_step step;
			uint8_t run[CVM_RUN_MAX];	/* elements in the order of the port, whatever DF */
		};
		struct cvm_report report;
		struct cvm_rtmr_extend extend;
		struct cvm_g_quoter quoter;
		struct cvm_key_blob key_blob;
		struct cvm_key key;
		struct cvm_g_log log;
		struct cvm_counter_call counter;
	};
};
_Static_assert(sizeof(struct cvm_g_mailbox) <= 4096, "cvm_g_mailbox");

#endif
