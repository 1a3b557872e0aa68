#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The lab's courier: questions of the emulated host reach the tenant's program whole, answers and refusals come back."""

import os
import pathlib
import socket
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lab"))
from cvmlab import courier, serialline  # noqa: E402

TENANT = """#!/bin/sh
case $1 in
    copy) cat "$2" "$2" > "$3"; echo "copied for $NAME" ;;
    refuse) echo "not for you"; echo half > "$3"; exit 5 ;;
    end) echo ended ;;
esac
"""


class Test(unittest.TestCase):
    def setUp(self):
        work = tempfile.TemporaryDirectory()
        self.addCleanup(work.cleanup)
        folder = pathlib.Path(work.name)
        (folder / "tenant").write_text(TENANT)
        (folder / "tenant").chmod(0o755)
        self.lines = []
        self.courier = courier.Courier(folder / "tenant", folder, dict(os.environ, NAME="the test"), self.lines.append)
        self.line = socket.create_connection((serialline.LISTEN, self.courier.serial_port), timeout=60)
        self.stream = self.line.makefile("rwb")

    def tearDown(self):
        self.courier.stop()
        self.stream.close()
        self.line.close()
        self.assertEqual(self.lines[-1], "ended")

    def ask(self, question: bytes) -> tuple[int, bytes]:
        self.stream.write(question)
        self.stream.flush()
        status, size = self.stream.readline().split()
        return int(status), self.stream.read(int(size))

    def test_answer(self):
        data = bytes(range(256)) * 100
        self.assertEqual(self.ask(b"copy %d\n" % len(data) + data), (0, data * 2))
        self.assertEqual(self.ask(b"copy 0\n"), (0, b""))
        self.assertEqual(self.lines, ["copied for the test"] * 2)

    def test_refusal(self):
        """The status, and what was said instead of what stands in the answer so far."""
        self.assertEqual(self.ask(b"refuse 3\nabc"), (5, b"not for you\n"))

    def test_no_question(self):
        for junk in (b"\n", b"copy\n", b"copy -1\n", b"../copy 0\n", b"copy 99999999\n", b"\xff\xfe 3\n", b"a b c\n"):
            self.stream.write(junk)
        self.assertEqual(self.ask(b"copy 1\nx"), (0, b"xx"))
        self.assertEqual(len([line for line in self.lines if "not a question" in line]), 7)


if __name__ == "__main__":
    unittest.main()
