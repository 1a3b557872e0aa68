/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reason.h"

static const char *const reasons[CVM_R_MAX] = {
    [CVM_R_NONE] = "none",
    [CVM_R_INTEGRITY] = "integrity violation: private memory was changed, replayed or moved by the host",
    [CVM_R_HOST_MAPS_FOREIGN] = "the host mapped a frame into a VM that is not its own",
    [CVM_R_HOST_TOUCHES_ROOTVISOR] = "the host touched memory of RootVisor or a Guardian",
    [CVM_R_BAD_INJECTION] = "the host injected an event that is not allowed",
    [CVM_R_BAD_RESUME] = "the host resumed the VM at an unexpected place",
    [CVM_R_RESET] = "the host reset the vCPU",
    [CVM_R_DECODE] = "the guest used an instruction that the Guardian refuses",
    [CVM_R_GUARDIAN_FAULT] = "the Guardian faulted or left its gate",
    [CVM_R_TRIPLE_FAULT] = "triple fault of the guest",
    [CVM_R_GUEST_STOP] = "the guest firmware stopped the VM",
    [CVM_R_DESTROYED] = "declared dead by the host",
    [CVM_R_BAD_EXIT] = "VM exit for a reason without a handler",
    [CVM_R_ENTRY_FAILED] = "VM entry failed",
    [CVM_R_BAD_SECRET] = "host call with a wrong secret",
    [CVM_R_BAD_CALL] = "call refused for its arguments",
    [CVM_R_BAD_PROTECT] = "PROTECT refused",
    [CVM_R_BAD_MSR] = "access to an MSR that is not allowed",
    [CVM_R_NO_MEMORY] = "RootVisor's memory pool is exhausted",
    [CVM_R_BAD_EPT12] = "the host's page tables for the VM are malformed",
    [CVM_R_BAD_KEY] = "a key that is not for this VM or not for now was refused",
};

static const char *const events[CVM_EV_MAX] = {
    [CVM_EV_BOOT] = "boot",
    [CVM_EV_VM_PROTECTED] = "vm-protected",
    [CVM_EV_VM_STOPPED] = "vm-stopped",
    [CVM_EV_VM_RELEASED] = "vm-released",
    [CVM_EV_DENIED] = "denied",
    [CVM_EV_KEY] = "key",
    [CVM_EV_ANCHOR] = "anchor",
    [CVM_EV_TPM] = "tpm",
};

static const char *const exits[CVM_EXIT_REASONS] = {
    [0] = "exception-or-nmi",
    [1] = "external-interrupt",
    [2] = "triple-fault",
    [3] = "init",
    [4] = "sipi",
    [5] = "io-smi",
    [6] = "other-smi",
    [7] = "interrupt-window",
    [8] = "nmi-window",
    [9] = "task-switch",
    [10] = "cpuid",
    [11] = "getsec",
    [12] = "hlt",
    [13] = "invd",
    [14] = "invlpg",
    [15] = "rdpmc",
    [16] = "rdtsc",
    [17] = "rsm",
    [18] = "vmcall",
    [19] = "vmclear",
    [20] = "vmlaunch",
    [21] = "vmptrld",
    [22] = "vmptrst",
    [23] = "vmread",
    [24] = "vmresume",
    [25] = "vmwrite",
    [26] = "vmxoff",
    [27] = "vmxon",
    [28] = "cr-access",
    [29] = "mov-dr",
    [30] = "io-instruction",
    [31] = "rdmsr",
    [32] = "wrmsr",
    [33] = "entry-failure-guest-state",
    [34] = "entry-failure-msr-loading",
    [36] = "mwait",
    [37] = "monitor-trap-flag",
    [39] = "monitor",
    [40] = "pause",
    [41] = "entry-failure-machine-check",
    [43] = "tpr-below-threshold",
    [44] = "apic-access",
    [45] = "virtualized-eoi",
    [46] = "gdtr-or-idtr-access",
    [47] = "ldtr-or-tr-access",
    [48] = "ept-violation",
    [49] = "ept-misconfiguration",
    [50] = "invept",
    [51] = "rdtscp",
    [52] = "preemption-timer",
    [53] = "invvpid",
    [54] = "wbinvd",
    [55] = "xsetbv",
    [56] = "apic-write",
    [57] = "rdrand",
    [58] = "invpcid",
    [59] = "vmfunc",
    [60] = "encls",
    [61] = "rdseed",
    [62] = "page-modification-log-full",
    [63] = "xsaves",
    [64] = "xrstors",
    [66] = "spp-event",
    [67] = "umwait",
    [68] = "tpause",
    [69] = "loadiwkey",
    [74] = "bus-lock",
    [75] = "notify",
};

#define REFUSED(what) "the guest used an instruction on a device that the Guardian refuses: " what

static const char *const refused[CVM_REFUSED_MAX] = {
    [CVM_REFUSED_STACK] = REFUSED("its stack, or a jump through it"),
    [CVM_REFUSED_COMPARE] = REFUSED("CMPS or SCAS"),
    [CVM_REFUSED_X87] = REFUSED("x87"),
    [CVM_REFUSED_SSE] = REFUSED("MMX or SSE"),
    [CVM_REFUSED_AVX] = REFUSED("AVX"),
    [CVM_REFUSED_WIDE] = REFUSED("CMPXCHG8B or CMPXCHG16B"),
};

const char *stop_text(uint32_t reason, uint64_t arg) {
    uint64_t kind = arg >> 16;

    if (reason == CVM_R_DECODE && kind < CVM_REFUSED_MAX && refused[kind])
        return refused[kind];
    return reason_text(reason);
}

const char *reason_text(uint32_t reason) {
    return reason < CVM_R_MAX && reasons[reason] ? reasons[reason] : "a reason that this cvmd does not know";
}

const char *event_name(uint32_t type) {
    return type < CVM_EV_MAX && events[type] ? events[type] : "unknown";
}

const char *exit_reason_name(unsigned basic) {
    return basic < CVM_EXIT_REASONS ? exits[basic] : NULL;
}

bool reason_is_orderly(uint32_t reason) {
    return reason == CVM_R_NONE || reason == CVM_R_RESET || reason == CVM_R_TRIPLE_FAULT ||
           reason == CVM_R_DESTROYED;
}
