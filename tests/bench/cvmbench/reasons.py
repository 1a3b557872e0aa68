# SPDX-License-Identifier: LGPL-2.1-or-later
"""Names of VM exits: SDM vol. 3, appendix C."""

NAMES = {0: "exception or NMI", 1: "external interrupt", 2: "triple fault", 3: "INIT", 4: "SIPI", 7: "interrupt window",
         8: "NMI window", 9: "task switch", 10: "CPUID", 11: "GETSEC", 12: "HLT", 13: "INVD", 14: "INVLPG", 15: "RDPMC",
         16: "RDTSC", 17: "RSM", 18: "VMCALL", 19: "VMCLEAR", 20: "VMLAUNCH", 21: "VMPTRLD", 22: "VMPTRST",
         23: "VMREAD", 24: "VMRESUME", 25: "VMWRITE", 26: "VMXOFF", 27: "VMXON", 28: "CR access", 29: "DR access",
         30: "I/O", 31: "RDMSR", 32: "WRMSR", 33: "invalid guest state", 34: "MSR loading", 36: "MWAIT", 39: "MONITOR",
         40: "PAUSE", 41: "machine check", 43: "TPR below threshold", 44: "APIC access", 46: "GDTR or IDTR access",
         47: "LDTR or TR access", 48: "EPT violation", 49: "EPT misconfiguration", 50: "INVEPT", 51: "RDTSCP",
         52: "preemption timer", 53: "INVVPID", 54: "WBINVD", 55: "XSETBV", 58: "INVPCID", 59: "VMFUNC"}


def name(number: int) -> str:
    return NAMES.get(number, f"reason {number}")
