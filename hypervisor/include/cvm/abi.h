/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The call interface of RootVisor: who may call what, with which registers, and
 * which errors come back. Shared by RootVisor, Guardian, cvmboot, cvmd and tests.
 * docs/abi.md explains it call by call.
 *
 * A call is VMCALL with EAX = CVM_CALL(nr). The result is a negative errno (Linux
 * values) or a non-negative number, in RAX (sign-extended to 64 bits; a 32-bit
 * caller reads EAX). No other register changes.
 */
#ifndef CVM_ABI_H
#define CVM_ABI_H

#include <stddef.h>
#include <stdint.h>

#define CVM_ABI_VERSION		1u

#define CVM_CALL_MAGIC		0x43560000u		/* "CV" */
#define CVM_CALL_MAGIC_MASK	0xffff0000u
#define CVM_CALL(nr)		(CVM_CALL_MAGIC | (nr))

/*
 * Host calls: from the host at any privilege level, authorised by the secret.
 *   RBX, RCX  secret[0], secret[1] of struct cvm_acpi_table
 *   RDX       argument (VM id, sequence number, ...)
 *   RSI       linear address of the buffer, 0 if none; must be mapped and present
 *             (mlock it and touch it first), writable if RootVisor writes to it
 *   RDI       size of the buffer in bytes
 * Errors common to all host calls:
 *   -EPERM    wrong secret
 *   -ENOSYS   unknown call number
 *   -EINVAL   RDI is not the size that the call wants, or RDX out of range
 *   -EFAULT   the buffer is not mapped, not writable, or not host memory
 *   -ENOENT   no VM of that id
 */
#define CVM_HOST_INFO		0x01	/* out: struct cvm_host_info */
#define CVM_HOST_STATS		0x02	/* out: struct cvm_stats, of the host (L1) */
#define CVM_HOST_VM_LIST	0x03	/* out: struct cvm_vm_list */
#define CVM_HOST_VM_INFO	0x04	/* RDX id; out: struct cvm_vm_info */
#define CVM_HOST_VM_STATS	0x05	/* RDX id; out: struct cvm_stats */
#define CVM_HOST_VM_REPORT	0x06	/* RDX id; in/out: struct cvm_report_call (report.h).
					   -EBUSY: the VM is not yet protected or is dead */
#define CVM_HOST_VM_DESTROY	0x07	/* RDX id; no buffer. Declares the VM dead, zeroes and
					   returns frames. A call looks at a bounded part of the host's memory.
					   Result: frames still owned, at least 1 while there is more to
					   look at; it may be the same as before. Call again until it is 0. */
#define CVM_HOST_EVENTS		0x08	/* RDX first sequence number wanted; out:
					   struct cvm_event_page. Result: events returned */
#define CVM_HOST_REPORT_KEY	0x09	/* out: struct cvm_report_key (report.h) */
#define CVM_HOST_KEY_PUT	0x0a	/* RDX id; in: struct cvm_key_blob (key.h), unchanged, for the VM's
					   Guardian. -EBUSY: the VM is not yet protected or is dead;
					   -EINVAL: no blob of this version; -ESTALE: it answers no report of
					   this VM, one of long ago, or one that was answered; -EBADMSG: it is
					   not for this VM and report, or was changed */
#define CVM_HOST_LOG_HEAD	0x0b	/* in/out: struct cvm_log_call (report.h). RDX 0, or the size of a
					   tree whose root is user_data[0..31]: a CVM_EV_ANCHOR is
					   logged first. -EIO: the Quoter refused */
#define CVM_HOST_COUNTER	0x0c	/* RDX id; in/out: struct cvm_counter_call (counter.h), one step. -EEXIST: the VM was
					   counted; -EBUSY: not yet protected or dead; -ENXIO: there are no counters;
					   -ESTALE: the leaf and its siblings are not those of the root; -EINVAL: not
					   the next step, or of another VM; -EIO: the TPM refused; -EPROTO: it gave no
					   such answer; -EBADMSG: that was not the TPM; -EOVERFLOW */

/*
 * Guest calls: ring 0 of a guest only (others get #UD as on a bare CPU).
 *   RBX  guest-physical address of the argument block, below 4 GiB
 *   RCX  size of the block in bytes
 * Errors common to all guest calls:
 *   -EPERM    not allowed in the VM's state (for example REPORT before PROTECT)
 *   -ENOSYS   unknown call number
 *   -EINVAL   RCX is not the size the call wants, or a field is out of range
 *   -EFAULT   the block is not in RAM, crosses a page, or is not aligned to 8
 */
#define CVM_GUEST_VERSION	0x80	/* no block; result: CVM_ABI_VERSION */
#define CVM_GUEST_PROTECT	0x81	/* in: struct cvm_protect (boot.h). On success execution goes
					   on in the canonical entry state at CVM_FW_ENTRY, not behind
					   the VMCALL. -ENOSPC: no room for another VM;
					   -EACCES: not flat, unpaged ring 0 */
#define CVM_GUEST_LAUNCH_INFO	0x82	/* out: struct cvm_launch_table (boot.h) */
#define CVM_GUEST_REPORT	0x83	/* in/out: struct cvm_report_call */
#define CVM_GUEST_RTMR_EXTEND	0x84	/* in: struct cvm_rtmr_extend */
#define CVM_GUEST_KEY_GET	0x86	/* out: struct cvm_key (key.h), handed out once. -ENOENT: none is there (yet) */
#define CVM_GUEST_ENROL		0x87	/* no block; RBX = APIC id, from 1 on: a further vCPU joins the VM that its EPT belongs to. On
					   success it goes on in the canonical entry state with RAX = APIC id. -EAGAIN: there is no such
					   VM (yet); -EPERM: that id is not one of PROTECT's, or taken; -EACCES: as PROTECT */
#define CVM_GUEST_STOP		0x85	/* no block; RCX = a reason of cvmboot: the VM stops, with an event */

/*
 * The guest's port: CVM_GUEST_REPORT and CVM_GUEST_RTMR_EXTEND for whoever may use that I/O port, at any privilege
 * level (Linux: ioperm(2), which wants CAP_SYS_RAWIO; the CPU itself checks the permission). Served by the Guardian,
 * which reads and writes through the caller's own page tables. 64-bit code only, DF = 0:
 *   REP OUTSB  RCX = sizeof(struct cvm_port_call) bytes at RSI: the call (report.h)
 *   REP INSB   RCX = 1..sizeof(struct cvm_port_answer) bytes to RDI: the answer, from its start, as often as wanted
 * One exit each, all or nothing. Another form, count or kind of memory: #GP(0). Without a Guardian the port is the device
 * model's, which reads as anything but CVM_PORT_MAGIC.
 */
#define CVM_GUEST_PORT		0x5643u

/* The ACPI table by which host root, and nobody else, learns the secret:
 * /sys/firmware/acpi/tables/CVMD (mode 0400). */
#define CVM_ACPI_SIGNATURE	"CVMD"
struct cvm_acpi_table {
	uint8_t  acpi_header[36];	/* ACPI 6.5, 5.2.6 */
	uint32_t abi_version;
	uint64_t secret[2];
} __attribute__((packed));

#define CVM_MAX_VMS		16u
#define CVM_MAX_CPUS		16u
#define CVM_DIGEST_SIZE		48u	/* SHA-384 */
#define CVM_CHAIN_SIZE		32u	/* SHA-256 */

/* Why a VM stopped, or which request was refused: also the reason of an event. */
enum cvm_reason {
	CVM_R_NONE			= 0,
	CVM_R_INTEGRITY			= 1,	/* sealed page changed, replayed or moved */
	CVM_R_HOST_MAPS_FOREIGN		= 2,	/* EPT12 leaf names a frame that is not the host's */
	CVM_R_HOST_TOUCHES_ROOTVISOR	= 3,	/* host access to RootVisor or Guardian memory */
	CVM_R_BAD_INJECTION		= 4,	/* event injection that is not allowed */
	CVM_R_BAD_RESUME		= 5,	/* KVM resumed with an unexpected RIP */
	CVM_R_RESET			= 6,	/* vCPU reset by the host */
	CVM_R_DECODE			= 7,	/* guest instruction that the Guardian refuses: arg[0] an errno and, from bit 16
						   on, enum cvm_refused; arg[1] the device's address */
	CVM_R_GUARDIAN_FAULT		= 8,	/* the Guardian faulted or left its gate */
	CVM_R_TRIPLE_FAULT		= 9,
	CVM_R_GUEST_STOP		= 10,	/* CVM_GUEST_STOP */
	CVM_R_DESTROYED			= 11,	/* CVM_HOST_VM_DESTROY */
	CVM_R_BAD_EXIT			= 12,	/* exit reason without a handler */
	CVM_R_ENTRY_FAILED		= 13,	/* VM entry failed */
	CVM_R_BAD_SECRET		= 14,
	CVM_R_BAD_CALL			= 15,	/* a host call refused for its arguments: arg[0] EAX, arg[1] errno (low half)
						   and how many such were not logged before it (high half) */
	CVM_R_BAD_PROTECT		= 16,	/* PROTECT or ENROL of a guest refused: arg[] as of CVM_R_BAD_CALL */
	CVM_R_BAD_MSR			= 17,
	CVM_R_NO_MEMORY			= 18,	/* pool exhausted */
	CVM_R_BAD_EPT12			= 19,	/* EPT12 is malformed */
	CVM_R_BAD_KEY			= 20,	/* a key that is not for this VM, or not for now */
	CVM_R_MAX
};

/* Instructions that no driver uses on a device and that the Guardian does not carry out there: CVM_R_DECODE, arg[0] >> 16. */
enum cvm_refused {
	CVM_REFUSED_OTHER	= 0,
	CVM_REFUSED_STACK	= 1,	/* PUSH, POP, CALL, RET and others that use the stack; indirect JMP */
	CVM_REFUSED_COMPARE	= 2,	/* CMPS, SCAS */
	CVM_REFUSED_X87		= 3,
	CVM_REFUSED_SSE		= 4,	/* MMX and SSE; the opcode maps 0F38 and 0F3A */
	CVM_REFUSED_AVX		= 5,	/* VEX and EVEX encodings */
	CVM_REFUSED_WIDE	= 6,	/* CMPXCHG8B, CMPXCHG16B */
	CVM_REFUSED_MAX
};

/* What happened. */
enum cvm_event_type {
	CVM_EV_BOOT		= 1,
	CVM_EV_VM_PROTECTED	= 2,
	CVM_EV_VM_STOPPED	= 3,	/* by the protection layer or the guest; see reason */
	CVM_EV_VM_RELEASED	= 4,	/* the last frame went back */
	CVM_EV_DENIED		= 5,	/* an action was refused; nobody was harmed */
	CVM_EV_KEY		= 6,	/* arg[0]: a key reached the Guardian (0), the guest took it (1) */
	CVM_EV_ANCHOR		= 7,	/* CVM_HOST_LOG_HEAD: uuid and arg[1] are the first 24 bytes of a root, arg[0]
					   the size of its tree */
	CVM_EV_TPM		= 8,	/* the Quoter's work on the TPM at boot; arg: errno (0: done; else CVM_F_TPM is not set) | errno for which there
				   are no rollback counters << 32 | 1 << 63 if they begin anew; then transport << 32 | response code of the
				   TPM (cvm_g_quoter) */
	CVM_EV_MAX
};

struct cvm_event {
	uint64_t seq;		/* from 1, no gaps */
	uint64_t tsc;
	uint32_t type;		/* enum cvm_event_type */
	uint32_t reason;	/* enum cvm_reason */
	uint32_t cpu;
	uint32_t vm;		/* VM id, 0 = host */
	uint8_t  uuid[16];	/* of the VM, zero for the host */
	uint64_t arg[2];	/* gfn, frame, field, MSR, ... by reason */
};
_Static_assert(sizeof(struct cvm_event) == 64, "cvm_event");

#define CVM_EVENTS_PER_PAGE	62u
struct cvm_event_page {
	uint64_t first_seq;	/* oldest event still held */
	uint64_t next_seq;	/* one past the newest */
	uint32_t count;		/* valid entries of ev[] */
	uint32_t reserved[19];
	uint8_t  before[CVM_CHAIN_SIZE];	/* chain value before ev[0] (report.h) */
	struct cvm_event ev[CVM_EVENTS_PER_PAGE];
};
_Static_assert(sizeof(struct cvm_event_page) == 4096, "cvm_event_page");

#define CVM_F_FEATURE_MBE	(1ull << 0)
#define CVM_F_VT_D		(1ull << 1)	/* devices are confined */
#define CVM_F_TPM		(1ull << 2)	/* platform anchor present */
#define CVM_F_SMP		(1ull << 3)	/* more than one CPU in use */

struct cvm_host_info {
	uint32_t abi_version;
	uint32_t version;		/* RootVisor: major << 16 | minor << 8 | patch */
	uint32_t svn;			/* security version number of RootVisor */
	uint32_t guardian_svn;
	uint32_t cpus;
	uint32_t vms;			/* protected VMs that exist */
	uint64_t features;		/* CVM_F_* */
	uint64_t tsc_khz;
	uint64_t uptime_tsc;
	uint64_t ram_frames;		/* 4 KiB frames of RAM */
	uint64_t rootvisor_frames;	/* owned by RootVisor and Guardians */
	uint64_t private_frames;	/* owned by protected VMs */
	uint64_t pool_frames_free;
	uint8_t  rootvisor_digest[CVM_DIGEST_SIZE];	/* SHA-384, see report.h */
	uint8_t  guardian_digest[CVM_DIGEST_SIZE];
	char     cpu_model[48];		/* CPUID brand string */
};
_Static_assert(sizeof(struct cvm_host_info) == 224, "cvm_host_info");

/* Indexed by basic exit reason, SDM vol. 3, appendix C. */
#define CVM_EXIT_REASONS	80u
struct cvm_stats {
	uint64_t exits;			/* all exits to RootVisor */
	uint64_t reflected;		/* of these, handed to KVM (L1) */
	uint64_t upcalls;		/* Guardian entries */
	uint64_t sealed, unsealed;	/* pages */
	uint64_t taken, returned;	/* frames, host -> VM and back */
	uint64_t injected;		/* interrupts let through */
	uint64_t by_reason[CVM_EXIT_REASONS];
};
_Static_assert(sizeof(struct cvm_stats) == 704, "cvm_stats");

enum cvm_vm_state {
	CVM_VM_FREE		= 0,
	CVM_VM_LAUNCHING	= 1,	/* PROTECT under way */
	CVM_VM_RUNNING		= 2,
	CVM_VM_STOPPED		= 3,	/* never runs again; see reason */
	CVM_VM_DYING		= 4,	/* frames going back */
};

struct cvm_vm_info {
	uint32_t id;			/* never 0, not reused before the table wraps */
	uint32_t state;			/* enum cvm_vm_state */
	uint32_t reason;		/* enum cvm_reason, when stopped */
	uint32_t vcpus;
	uint8_t  uuid[16];
	uint64_t ram_bytes;
	uint64_t frames;		/* private frames owned now */
	uint64_t stop_arg;		/* as arg[0] of the stop event */
	uint8_t  launch_digest[CVM_DIGEST_SIZE];
};
_Static_assert(sizeof(struct cvm_vm_info) == 104, "cvm_vm_info");

struct cvm_vm_list {
	uint32_t count;
	uint32_t reserved;
	struct cvm_vm_info vm[CVM_MAX_VMS];
};
_Static_assert(sizeof(struct cvm_vm_list) == 8 + 104 * CVM_MAX_VMS, "cvm_vm_list");

#endif
