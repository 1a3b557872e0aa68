#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The lab's serial line has two writers, host and RootVisor: what the one cut in two comes whole."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lab"))
from cvmlab import host  # noqa: E402

FACT = 'LAB {"file":"evidence","base64":"QUJD"}'
EVENT = "rootvisor: event 14: type 7 reason 0 vm 0 (19, 99ea6dbc311fdab3)"


class Mended(unittest.TestCase):
    def check(self, lines, expected):
        self.assertEqual(list(host.mended(lines)), expected)

    def test_untouched(self):
        lines = ["GUEST: up", EVENT, FACT, EVENT, 'LAB {"detail":"rootvisor: event 3: type 1"}', ""]
        self.check(lines, lines)

    def test_cut_anywhere(self):
        for at in range(5, len(FACT)):
            self.check(["a", FACT[:at] + EVENT, FACT[at:], "b"], ["a", EVENT, FACT, "b"])

    def test_two_events(self):
        self.check([FACT[:9] + EVENT, EVENT, FACT[9:]], [EVENT, EVENT, FACT])
        self.check([FACT[:9] + EVENT, FACT[9:20] + EVENT, FACT[20:]], [EVENT, EVENT, FACT])

    def test_no_rest(self):
        self.check([FACT[:9] + EVENT], [EVENT, FACT[:9]])


if __name__ == "__main__":
    unittest.main()
