/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Nested VMX. L1 is the host's KVM; a VMCS12 is a VMCS as L1 sees it; VMCS02 is the
 * hardware VMCS that runs the L2 guest. Of an ordinary guest the guest-state fields live
 * in VMCS02 alone (VMREAD and VMWRITE go there); controls, host state and exit
 * information live in f[]. Of a protected guest everything that L1 sees lives in f[]:
 * VMCS02 is out of its reach.
 */
#pragma once

#include "rv/rv.h"
#include "nested/ept12.h"
#include "nested/fields.h"

#define VMCS12_REVISION		0x43564d31u	/* "CVM1" */
#define NR_VCPU12		64u
#define NR_SHADOWS		32u
#define VPID_L1			1u

struct vm;
struct pvcpu;

struct shadow {			/* EPT02 of one EPTP12 of ordinary guests */
	u64 eptp12;		/* 0 = none yet */
	u64 *root;		/* once made it stays */
	bool filled;		/* there may be tables below the root */
	u64 used;		/* entry counter at the last use */
};

/* Of what L1 reads without an exit: what every exit has (quiet: and of an event there is none); what most have; and what KVM needs
 * to emulate an access to a device. */
enum vmcs_shows { SHOWS_BRIEF, SHOWS_QUIET, SHOWS_EXIT, SHOWS_MMIO };

/* What changed: controls since VMCS02 was written; a control, a control or a host field since check.c passed them; a guest field since
 * refuse_guest_state() did. */
enum { STALE_02 = 1, STALE_CONTROLS = 2, STALE_HOST = 4, STALE_GUEST = 8, STALE_ALL = 15 };

struct vcpu12 {
	u64 gpa;		/* of L1's VMCS page; 0 = free */
	u64 nonce;		/* also in that page: tells it was not re-initialised */
	bool launched12, quick;	/* launch state as L1 knows it; if protected: resuming it does not call the Guardian */
	enum vmcs_shows shows;	/* what is in shadow_vmcs */
	u8 stale;		/* STALE_* */
	struct pcpu *ran_on;	/* the CPU it ran on last */
	struct vmcs vmcs02;
	struct vmcs shadow_vmcs;
	void *msr_bitmap02;
	struct shadow *shadow;
	struct vm *launching;	/* PROTECT under way */
	struct vm *vm;		/* protected: the VM, else NULL */
	struct pvcpu *pv;
	u64 host_cr0, host_cr4;	/* of the host state, once it is checked: as they are written */
	u64 host_sel[3];	/* 16 bits each: ES, CS, SS, DS, FS, GS, 0 */
	u64 f[NR_FIELD_SLOTS];	/* fields.h; of an ordinary guest's state: scratch */
};

/* What the CPU allows and what L1 is told (caps.c): MSRs 480H to 490H, in their order. */
struct vmx_caps {
	u64 basic, pin, proc, exit, entry, misc;
	u64 cr0_fixed0, cr0_fixed1, cr4_fixed0, cr4_fixed1, vmcs_enum;
	u64 proc2, ept_vpid, true_pin, true_proc, true_exit, true_entry;
	u32 phys_bits;		/* MAXPHYADDR */
};
#define NR_VMX_CAPS	(offsetof(struct vmx_caps, phys_bits) / sizeof(u64))
extern struct vmx_caps hw_caps, l1_caps;
/* The five control fields of the current VMCS: what is asked for, with must-be-one bits set and others cleared. */
void caps_write_controls(u64 pin, u64 proc, u64 proc2, u64 exit, u64 entry);

/* VMX instruction errors, SDM vol. 3, 31.4 */
enum {
	VMX_ERR_VMCLEAR_ADDR = 2, VMX_ERR_VMCLEAR_VMXON = 3, VMX_ERR_VMLAUNCH_NOT_CLEAR = 4,
	VMX_ERR_VMRESUME_NOT_LAUNCHED = 5, VMX_ERR_CONTROLS = 7, VMX_ERR_HOST_STATE = 8,
	VMX_ERR_VMPTRLD_ADDR = 9, VMX_ERR_VMPTRLD_VMXON = 10, VMX_ERR_VMPTRLD_REVISION = 11,
	VMX_ERR_FIELD = 12, VMX_ERR_READ_ONLY = 13, VMX_ERR_VMXON_IN_ROOT = 15,
	VMX_ERR_MOV_SS = 26, VMX_ERR_INVEPT_OPERAND = 28,
};

#define F12(v, enc)	((v)->f[field_slot(enc)])

/* slots.c */
struct vcpu12 *vcpu12_find(u64 gpa);
struct vcpu12 *vcpu12_load(u64 gpa);	/* finds, or takes a slot and reads the page; NULL: no room */
void vcpu12_clear(struct pcpu *c, struct vcpu12 *v);	/* VMCLEAR: writes the page back */
/* No other has it: two vCPUs of one guest share their EPT. What its slot's last one left, the first entry flushes (ran_on). */
u16 vcpu12_vpid(const struct vcpu12 *v);
void vcpu12_free(struct pcpu *c, struct vcpu12 *v);
void vcpu12_leave(struct pcpu *c);		/* VMXOFF: no VMCS02 stays active on this CPU */
/* A VM dies: its vCPUs go, or stay as vCPUs of vms[0], which never runs, until L1 clears them on the CPU that has them. */
void vcpu12_orphan(struct pcpu *c, struct vm *vm);

/* access.c: one field of a VMCS12 as L1 reads and writes it; vmcs01 is current after it */
u64 vmcs12_read(struct pcpu *c, struct vcpu12 *v, u32 idx);
void vmcs12_write(struct pcpu *c, struct vcpu12 *v, u32 idx, u64 val);
/* The guest state, VMCS02 -> f[] (pull) or f[] -> VMCS02. */
void vmcs12_move_guest(struct pcpu *c, struct vcpu12 *v, bool pull);

/* vmcs_shadow.c: the fields that L1 reaches without an exit */
void vmcs_shadow_init(void);
void vmcs12_set_current(struct pcpu *c, struct vcpu12 *v);	/* VMPTRLD; NULL: none */
void vmcs_shadow_fill(struct pcpu *c, struct vcpu12 *v, bool quiet);	/* after an exit to L1; vmcs01 is current then, if there is one to fill */
void vmcs_shadow_close(void);		/* SHOWS_BRIEF, until it is filled again; vmcs01 is current */
void vmcs_shadow_drain(struct pcpu *c, struct vcpu12 *v);	/* before an entry; VMCS02 is current then */

/* check.c (pure): 0 or a VMX instruction error */
u32 vmcs12_check_controls(const u64 *f, const struct vmx_caps *caps);
u32 vmcs12_check_host(const u64 *f, const struct vmx_caps *caps);

/* enter.c */
/* SDM vol. 3, 25.6.9: reads low, reads high, writes low, writes high, 1 KiB each. */
u32 msr_bitmap_bit(u32 msr, bool write);
void nested_l1_enter(struct pcpu *c, bool launch);	/* VMLAUNCH, VMRESUME of L1; vmcs01 is current */
/* L2 -> L1 with the exit information in f[]; switches to vmcs01 and loads L1's host state. */
void nested_to_l1(struct pcpu *c, struct vcpu12 *v);
void nested_vmfail(struct pcpu *c, u32 error);	/* instr.c: ends L1's instruction so; vmcs01 is current */
void nested_copy_exit_info(struct vcpu12 *v, u32 reason);	/* VMCS02 -> f[] */
/* Reports an EPT violation (write != 0: as a write) at gpa to L1. */
void nested_reflect_ept(struct pcpu *c, struct vcpu12 *v, u64 gpa, u64 qualification, bool misconfig);

/* shadow.c */
void ept_free(u64 *table, u32 level);	/* gives the tables back, not what their leaves map; 4: from the root */
void shadow_init(void);
struct shadow *shadow_get(u64 eptp12);
void shadow_invalidate(u64 eptp12);	/* 0 = all */
void shadow_frame_taken(u64 pfn);	/* before a frame becomes private: no shadow may map it */
/* True: filled, enter again. False: for L1 (with *qual, *misconfig as to be shown). */
bool shadow_fault(struct pcpu *c, struct vcpu12 *v, u64 gpa, u64 *qual, bool *misconfig);

/* ../vm: hooks of protected guests */
void vm_enter(struct pcpu *c, struct vcpu12 *v);		/* L1 resumed it */
void vm_handle_exit(struct pcpu *c, struct vcpu12 *v, u32 reason);
void vm_vcpu_gone(struct pcpu *c, struct vcpu12 *v);		/* its VMCS page was re-initialised */
bool guest_call(struct pcpu *c, struct vcpu12 *v);		/* VMCALL of an ordinary guest: ours? */

/* Exits without qualification that leave error codes, addresses and instruction information undefined (SDM vol. 3, 28.2). */
#define BRIEF_EXITS	(BIT(EXIT_EXT_INTR) | BIT(EXIT_INTR_WINDOW) | BIT(EXIT_CPUID) | BIT(EXIT_HLT) | BIT(EXIT_RDTSC) | \
			 BIT(EXIT_VMCALL) | BIT(EXIT_RDMSR) | BIT(EXIT_WRMSR) | BIT(EXIT_PAUSE))
