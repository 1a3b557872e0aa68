#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each basic exit reason of the SDM (vol. 3, appendix C) has one handler, or is refused by name: for the host, for a
protected VM, for an ordinary one. What this table says is what RootVisor's sources say."""
import os, re, sys, unittest

TOP = sys.argv.pop(1) if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), '../..')


def read(*path):
    with open(os.path.join(TOP, 'hypervisor', *path)) as f:
        return re.sub(r'/\*.*?\*/', '', f.read(), flags=re.S)


class Off(str):
    """Refused: the control of this name is not asked for, so the exit cannot come; if it comes, machine or VM stops."""


NO_SMM = Off('PROC2_NONE_SMM')              # exits of the dual-monitor treatment of SMM, which nobody enters
ENTRY = 'failed entry'                      # with bit 31: of the host a panic, of a VM its stop or L1's exit
NONE = 'reserved'
VMX = 'nested_l1_instruction'
UD = 'on_undefined'

# number: (SDM's name, of the host, of a protected VM)
REASONS = {
    0: ('exception or NMI', 'l1_nmi', 'on_exception'),
    1: ('external interrupt', Off('PIN_EXT_INTR'), 'on_ext_intr'),
    2: ('triple fault', 'l1_triple_fault', 'on_triple_fault'),
    3: ('INIT', 'l1_init', 'on_plain'),
    4: ('SIPI', 'l1_sipi', Off('ACTIVITY_WAIT_FOR_SIPI')),
    5: ('I/O SMI', NO_SMM, NO_SMM),
    6: ('other SMI', NO_SMM, NO_SMM),
    7: ('interrupt window', Off('PROC_INTR_WINDOW'), 'on_intr_window'),
    8: ('NMI window', 'l1_nmi_window', Off('PROC_NMI_WINDOW')),
    9: ('task switch', 'l1_refused', Off('only 32-bit guests before paging: the VM stops')),
    10: ('CPUID', 'l1_cpuid', 'on_cpuid'),
    11: ('GETSEC', 'l1_undefined', UD),
    12: ('HLT', Off('PROC_HLT'), 'on_plain'),
    13: ('INVD', 'l1_invd', 'on_skip'),
    14: ('INVLPG', Off('PROC_INVLPG'), Off('PROC_INVLPG')),
    15: ('RDPMC', Off('PROC_RDPMC'), 'on_general_protection'),
    16: ('RDTSC', Off('PROC_RDTSC'), Off('PROC_RDTSC')),
    17: ('RSM', 'l1_undefined', NO_SMM),
    18: ('VMCALL', 'host_call', 'pv_guest_call'),
    **{n: (name, VMX, UD) for n, name in enumerate(
        ('VMCLEAR', 'VMLAUNCH', 'VMPTRLD', 'VMPTRST', 'VMREAD', 'VMRESUME', 'VMWRITE', 'VMXOFF', 'VMXON'), 19)},
    28: ('control-register access', 'l1_cr_access', 'on_cr_access'),
    29: ('MOV DR', Off('PROC_MOV_DR'), Off('PROC_MOV_DR')),
    30: ('I/O instruction', 'l1_io', 'on_io'),
    31: ('RDMSR', 'l1_rdmsr', 'pv_msr'),
    32: ('WRMSR', 'l1_wrmsr', 'pv_msr'),
    33: ('invalid guest state', ENTRY, ENTRY),
    34: ('MSR loading', ENTRY, ENTRY),
    35: (NONE, NONE, NONE),
    36: ('MWAIT', Off('PROC_MWAIT'), UD),
    37: ('monitor trap flag', Off('PROC_MTF'), Off('PROC_MTF')),
    38: (NONE, NONE, NONE),
    39: ('MONITOR', Off('PROC_MONITOR'), UD),
    40: ('PAUSE', Off('PROC_PAUSE'), 'on_plain'),
    41: ('machine check during entry', ENTRY, ENTRY),
    42: (NONE, NONE, NONE),
    43: ('TPR below threshold', Off('PROC_TPR_SHADOW'), Off('PROC_TPR_SHADOW')),
    44: ('APIC access', Off('PROC2_APIC_ACCESS'), Off('PROC2_APIC_ACCESS')),
    45: ('virtualized EOI', Off('PROC2_VIRT_INTR'), Off('PROC2_VIRT_INTR')),
    46: ('access to GDTR or IDTR', Off('PROC2_DESC_TABLE'), Off('PROC2_DESC_TABLE')),
    47: ('access to LDTR or TR', Off('PROC2_DESC_TABLE'), Off('PROC2_DESC_TABLE')),
    48: ('EPT violation', 'l1_ept_violation', 'on_ept_violation'),
    49: ('EPT misconfiguration', Off('an error of RootVisor: the machine stops'), Off('an error of RootVisor: the VM stops')),
    50: ('INVEPT', VMX, UD),
    51: ('RDTSCP', Off('PROC_RDTSC'), Off('PROC_RDTSC')),
    52: ('preemption timer', Off('PIN_PREEMPTION_TIMER'), Off('PIN_PREEMPTION_TIMER')),
    53: ('INVVPID', VMX, UD),
    54: ('WBINVD', Off('PROC2_WBINVD'), 'on_skip'),
    55: ('XSETBV', 'l1_xsetbv', 'on_xsetbv'),
    56: ('APIC write', Off('PROC2_APIC_REGISTERS'), Off('PROC2_APIC_REGISTERS')),
    57: ('RDRAND', Off('PROC2_RDRAND'), Off('PROC2_RDRAND')),
    58: ('INVPCID', Off('PROC_INVLPG'), Off('PROC_INVLPG')),
    59: ('VMFUNC', Off('PROC2_VMFUNC'), UD),
    60: ('ENCLS', Off('PROC2_ENCLS'), Off('PROC2_ENCLS')),
    61: ('RDSEED', Off('PROC2_RDSEED'), Off('PROC2_RDSEED')),
    62: ('page-modification log full', Off('PROC2_PML'), Off('PROC2_PML')),
    63: ('XSAVES', Off('the XSS-exiting bitmap is zero'), UD),
    64: ('XRSTORS', Off('the XSS-exiting bitmap is zero'), UD),
    65: ('PCONFIG', Off('PROC2_PCONFIG'), Off('PROC2_PCONFIG')),
    66: ('SPP', Off('PROC2_SPP'), Off('PROC2_SPP')),
    67: ('UMWAIT', Off('PROC2_USER_WAIT'), Off('PROC2_USER_WAIT')),
    68: ('TPAUSE', Off('PROC2_USER_WAIT'), Off('PROC2_USER_WAIT')),
    69: ('LOADIWKEY', Off('PROC3_LOADIWKEY'), Off('PROC3_LOADIWKEY')),
    70: ('ENCLV', Off('PROC2_ENCLV'), Off('PROC2_ENCLV')),
    71: (NONE, NONE, NONE),
    72: ('ENQCMD PASID', Off('PROC2_PASID'), Off('PROC2_PASID')),
    73: ('ENQCMDS PASID', Off('PROC2_PASID'), Off('PROC2_PASID')),
    74: ('bus lock', Off('PROC2_BUS_LOCK'), Off('PROC2_BUS_LOCK')),
    75: ('notify', Off('PROC2_NOTIFY'), Off('PROC2_NOTIFY')),
    76: ('SEAMCALL', Off('TDX: not on these CPUs'), Off('TDX: not on these CPUs')),
    77: ('TDCALL', Off('TDX: not on these CPUs'), Off('TDX: not on these CPUs')),
}

NUMBERS = {name: int(n) for name, n in
           re.findall(r'\b(EXIT_\w+) = (\d+)', re.search(r'enum \{[^}]*EXIT_EXCEPTION_NMI[^}]*\}', read('rootvisor/include/rv/vmcs.h'))[0])}
HOST, GUEST = read('rootvisor/vmx/l1_exits.c'), read('rootvisor/vm/exits.c')


def designated(text, pattern):
    """Rows of a table [EXIT_X] or [EXIT_X ... EXIT_Y] = value; a row that stands twice is an error."""
    rows = {}
    local = {name: int(n) for name, n in re.findall(r'#define\s+(EXIT_\w+)\s+(\d+)', text)} | NUMBERS
    for first, last, value in re.findall(r'\[(EXIT_\w+)(?:\s*\.\.\.\s*(EXIT_\w+))?\]\s*=\s*' + pattern, text):
        for n in range(local[first], local[last or first] + 1):
            assert n not in rows, f'two rows for exit reason {n}'
            rows[n] = value
    return rows


class Test(unittest.TestCase):
    def test_complete(self):
        self.assertEqual(sorted(REASONS), list(range(78)))
        size = int(re.search(r'#define CVM_EXIT_REASONS\s+(\d+)', read('include/cvm/abi.h'))[1])
        self.assertGreaterEqual(size, len(REASONS))
        for name, n in NUMBERS.items():
            self.assertNotEqual(REASONS[n][0], NONE, name)

    def test_host(self):
        rows = designated(HOST, r'(\w+),')
        self.assertTrue(rows)
        want = {n: row[1] for n, row in REASONS.items() if not isinstance(row[1], Off) and row[1] not in (NONE, ENTRY, VMX)}
        self.assertEqual(rows, want)
        self.assertIn('exit of the host without a handler', HOST)       # whatever has none stops the machine
        self.assertIn('VM entry of the host failed', read('rootvisor/vmx/run.c'))

    def test_vmx_instructions(self):
        cases = re.findall(r'case (EXIT_\w+):\s*(?:do|nested_l1)_', read('rootvisor/nested/instr.c'))
        self.assertEqual(sorted(NUMBERS[c] for c in cases), sorted(n for n, row in REASONS.items() if row[1] == VMX))
        self.assertIn('(reason >= EXIT_VMCLEAR && reason <= EXIT_VMXON) || reason == EXIT_INVEPT || reason == EXIT_INVVPID', HOST)

    def test_protected(self):
        rows = designated(GUEST[GUEST.index('handlers[CVM_EXIT_REASONS]'):], r'(\w+),')
        self.assertTrue(rows)
        want = {n: row[2] for n, row in REASONS.items() if not isinstance(row[2], Off) and row[2] not in (NONE, ENTRY)}
        self.assertEqual(rows, want)
        self.assertIn('pv_stop(c, v, CVM_R_BAD_EXIT, reason,', GUEST)   # whatever has none stops the VM
        self.assertIn('pv_stop(c, v, CVM_R_ENTRY_FAILED, reason & 0xffff,', GUEST)

    def test_ordinary(self):
        """L1 hears of every exit of an ordinary VM but those that are RootVisor's own, or partly."""
        body = re.search(r'static void ordinary_exit\(.*?\n\}\n', read('rootvisor/nested/enter.c'), re.S)[0]
        self.assertEqual(sorted(set(re.findall(r'reason == (EXIT_\w+)', body))),
                         ['EXIT_EPT_VIOLATION', 'EXIT_EXCEPTION_NMI', 'EXIT_VMCALL'])
        self.assertTrue(body.rstrip().endswith('nested_copy_exit_info(v, reason);\n\tnested_to_l1(c, v);\n}'))

    def test_refused(self):
        """No control whose exit has no handler is asked for."""
        host = re.search(r'static void init_controls\(.*?\n\}\n', read('rootvisor/vmx/vmcs01.c'), re.S)[0]
        guest = re.search(r'static void controls\(.*?\n\}\n', read('rootvisor/vm/create.c'), re.S)[0]
        for n, (name, of_host, of_guest) in REASONS.items():
            for which, text in ((of_host, host), (of_guest, guest)):
                if isinstance(which, Off) and re.fullmatch(r'(PIN|PROC\d?)_\w+', which):
                    self.assertNotRegex(text, r'\b%s\b' % which, f'exit {n}, {name}, can come and has no handler')


unittest.main()
