#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The tables of tests/vmx/l1/README.md: each VM-instruction error number and each VMX capability MSR has a test that is there, or a
reason why it cannot come. What RootVisor's sources can answer is what the table says."""
import os, re, sys, unittest

TOP = sys.argv.pop(1) if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), '../..')
L1 = os.path.join(TOP, 'tests/vmx/l1')
ERRORS = {*range(1, 29)} - {14, 21, 27}          # SDM vol. 3, table 31-1


def read(*path):
    with open(os.path.join(TOP, *path)) as f:
        return f.read()


def numbers(text, base=10):
    """Of "2, 3" and "481-484 PIN"."""
    found = set()
    for first, last in re.findall(r'\b([0-9a-f]+)(?:-([0-9a-f]+))?\b', text):
        found |= {*range(int(first, base), int(last or first, base) + 1)}
    return found


class Tables(unittest.TestCase):
    def setUp(self):
        names = [name for name in os.listdir(L1) if name.startswith('test-')]
        self.tests = {t for name in names for t in re.findall(r'TEST\(\w+, "([^"]+)"\)', read(L1, name))}
        self.rows = [[cell.strip() for cell in line.strip('|').split('|')]
                     for line in read(L1, 'README.md').splitlines() if line.startswith('|')]

    def test_errors(self):
        seen, tested = set(), set()
        for first, *_, last in (row for row in self.rows if re.match(r'\d', row[0]) and len(row) == 3):
            these = numbers(first)
            self.assertFalse(seen & these, first)
            seen |= these
            names = re.findall(r'`([^`]+)`', last)
            self.assertEqual({*names} - self.tests, set(), first)
            if not last.startswith('none: '):
                tested |= these
                told = {int(n) for name in names for n in re.findall(r'-(\d+)\b', name.partition('error')[2])}
                self.assertLessEqual(these, told, f'{first}: the tests are of other numbers')
        self.assertEqual(seen, ERRORS)
        has = {int(n) for n in re.findall(r'VMX_ERR_\w+ = (\d+)', read('hypervisor/rootvisor/nested/nested.h'))}
        self.assertEqual(tested, has)

    def test_msrs(self):
        seen = set()
        for first, last in (row for row in self.rows if re.match(r'4[89][0-9a-f]', row[0]) and len(row) == 2):
            for msrs in re.findall(r'\b4[89][0-9a-f](?:-4[89][0-9a-f])?\b', first):
                seen |= numbers(msrs, 16)
            names = re.findall(r'`([^`]+)`', last)
            self.assertTrue(names, first)
            self.assertEqual({*names} - self.tests, set(), first)
        self.assertEqual(seen, {*range(0x480, 0x492)})


if __name__ == '__main__':
    unittest.main()
