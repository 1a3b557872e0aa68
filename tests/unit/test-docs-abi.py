#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""docs/abi.md names every call, event, reason, state, operation and size of the ABI headers, with its number."""
import os, re, sys, unittest

TOP = sys.argv.pop(1) if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), '../..')


def read(*path):
    with open(os.path.join(TOP, *path)) as f:
        return f.read()


HEADERS = {n: read('hypervisor/include/cvm', n + '.h') for n in ('abi', 'boot', 'report', 'guardian', 'key', 'counter')}
DOC = read('docs/abi.md')


class Test(unittest.TestCase):
    def rows(self, pattern, text, base=10):
        found = [(n, int(v, 0)) for n, v in re.findall(pattern, text)]
        self.assertTrue(found)
        return found

    def test_calls(self):
        for name, value in self.rows(r'#define\s+(CVM_(?:HOST|GUEST)_\w+)\s+(0x[0-9a-f]+)\s', HEADERS['abi']):
            self.assertRegex(DOC, r'\| 0x%02x \| `%s` \|' % (value, name))

    def test_enums(self):
        for header, prefix, row in (('abi', 'CVM_R_', r'\| %d \| `%s` \|'), ('abi', 'CVM_EV_', r'\| %d \| `%s` \|'),
                                    ('abi', 'CVM_VM_', r'%d `%s`'), ('guardian', 'CVM_G_', r'\| %d \| `%s` \|'),
                                    ('boot', 'CVM_DECOY_', r'\| %d \| `%s` \|')):
            text = HEADERS[header]
            enums = '\n'.join(re.findall(r'enum cvm_(?:reason|event_type|vm_state|g_op|decoy) \{.*?\n\};', text, re.S))
            for name, value in self.rows(r'\b(%s\w+)\s*=\s*(\d+)' % prefix, enums):
                if not name.endswith('_MAX'):
                    self.assertRegex(DOC, row % (value, name))

    def test_sizes(self):
        """Every size that the text names beside a structure is the one the header asserts."""
        sizes = {'cvm_report_call': 64 + 1176, 'cvm_report_key': 72, 'cvm_rtmr_extend': 56, 'cvm_acpi_table': 36 + 4 + 16,
                 'cvm_vm_list': 8 + 104 * 16}
        for text in HEADERS.values():
            for name, value in re.findall(r'_Static_assert\(sizeof\(struct (\w+)\) == ([0-9 +*]+),', text):
                sizes[name] = eval(value)  # sums and products of numbers
        for name, value in re.findall(r'`struct (\w+)`, (\d+)', DOC):
            self.assertEqual(sizes[name], int(value), name)
        self.assertGreater(len(re.findall(r'`struct (\w+)`, (\d+)', DOC)), 12)

    def test_version(self):
        self.assertIn('`CVM_ABI_VERSION` = ' + re.search(r'CVM_ABI_VERSION\s+(\d+)u', HEADERS['abi'])[1], DOC)

    def test_features(self):
        for name, bit in self.rows(r'#define (CVM_F_\w+)\s+\(1ull << (\d+)\)', HEADERS['abi']):
            self.assertRegex(DOC, r'%d `%s`' % (bit, name))


if __name__ == '__main__':
    unittest.main()
