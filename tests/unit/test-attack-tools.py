#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The attack tools against a process that holds what they look for: a tool that finds nothing because it
is broken would make every guest look protected."""

import json
import mmap
import os
import pathlib
import subprocess
import sys
import unittest

TOOLS = {pathlib.Path(path).name.removeprefix("attack-"): path for path in sys.argv[1:]}
MARKER = b"seen-from-the-host-27"
ABSENT = b"never-in-this-process"
RAM = 64 << 20
# 12 of these cross a boundary of the chunks in which the tools read.
PLACES = [5 * 4096 + 100] + [(i + 1) * 64 * 4096 - 7 for i in range(12)]


def disguise(text: bytes) -> str:
    return bytes(byte ^ 0x5A for byte in text).hex()


def tool(name: str, *args, text: str = ""):
    done = subprocess.run([TOOLS[name], *map(str, args)], input=text, stdout=subprocess.PIPE, text=True)
    return done.returncode, json.loads(done.stdout)


class Memory(unittest.TestCase):
    """This process plays QEMU: its largest anonymous mapping is the guest's RAM."""

    def setUp(self):
        self.ram = mmap.mmap(-1, RAM, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        for place in PLACES:
            self.ram[place:place + len(MARKER)] = MARKER
        self.ram[32 << 20:40 << 20] = os.urandom(8 << 20)
        self.ram[40 << 20:48 << 20] = b"host " * ((8 << 20) // 5) + b"\0" * ((8 << 20) % 5)

    def tearDown(self):
        self.ram.close()

    def test_finds_all(self):
        status, out = tool("ramscan", os.getpid(), disguise(MARKER), "--sample", 100000)
        self.assertEqual(status, 0)
        self.assertEqual(out["ram_hits"], len(PLACES))
        self.assertEqual(int(out["first"][0], 16), PLACES[0])
        self.assertEqual(out["high"], 2048)
        self.assertAlmostEqual(out["mean_high_bits"], 7.955, delta=0.01)
        # Pages of text, those of markers, and where a marker crosses into the next page: one more each.
        self.assertEqual(out["low"], 2048 + 1 + 2 * 12)

    def test_finds_nothing(self):
        # Put together in place, or the compiler's constant would be found.
        status, out = tool("ramscan", os.getpid(), disguise(ABSENT[:8] + os.urandom(8)))
        self.assertEqual((status, out["hits"]), (1, 0))
        self.assertGreater(out["ram_pages"], 4096)

    def test_at(self):
        _, out = tool("ramscan", os.getpid(), disguise(MARKER), "--at", 40 << 20, "--at", 33 << 20)
        self.assertAlmostEqual(out["at"]["0x2800000"], 2.32, delta=0.01)    # five letters, log2(5)
        self.assertGreater(out["at"]["0x2100000"], 7.9)

    def test_flip(self):
        before = self.ram[50 << 20:(50 << 20) + 16]
        status, out = tool("hostwrite", os.getpid(), "flip", 50 << 20, 8)
        self.assertEqual((status, out["pages_written"]), (0, 1))
        self.assertEqual(self.ram[50 << 20:(50 << 20) + 16], bytes(b ^ 0xFF for b in before[:8]) + before[8:])

    def test_copy(self):
        tool("hostwrite", os.getpid(), "copy", 33 << 20, 52 << 20)
        self.assertEqual(self.ram[52 << 20:(52 << 20) + 4096], self.ram[33 << 20:(33 << 20) + 4096])

    def test_outside(self):
        status, out = tool("hostwrite", os.getpid(), "flip", RAM + 4096)
        self.assertEqual(status, 2)
        self.assertIn("not in the guest's RAM", out["error"])


class Files(unittest.TestCase):
    def test_dump(self):
        path = pathlib.Path(os.environ.get("TMPDIR", "/tmp")) / f"attack-dump.{os.getpid()}"
        try:
            path.write_bytes(os.urandom(262144 - 5) + MARKER + os.urandom(100000))
            status, out = tool("dumpscan", path, disguise(MARKER))
            self.assertEqual((status, out["hits"], int(out["first"][0], 16)), (0, 1, 262144 - 5))
            path.write_bytes(os.urandom(300000))
            status, out = tool("dumpscan", path, disguise(MARKER))
            self.assertEqual((status, out["hits"], out["high"]), (1, 0, 73))
        finally:
            path.unlink(missing_ok=True)

    def test_missing(self):
        status, out = tool("dumpscan", "/nonexistent", disguise(MARKER))
        self.assertEqual(status, 2)
        self.assertIn("No such file", out["error"])


def pattern64(seed: int, index: int) -> int:
    """As patterns.h."""
    z = (seed * 0x9E3779B97F4A7C15 + (index + 1) * 0xD1342543DE82EF95) & (1 << 64) - 1
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & (1 << 64) - 1
    z = (z ^ z >> 27) * 0x94D049BB133111EB & (1 << 64) - 1
    return z ^ z >> 31


class Text(unittest.TestCase):
    def test_found(self):
        text = f"RAX={pattern64(7, 0):016x} RBX={pattern64(7, 3):016x}\nYMM03={pattern64(7, 113):016x}"
        status, out = tool("textregs", 7, text=text)
        self.assertEqual((status, out["gpr"], out["vector_words"], out["values"]), (0, 2, 1, 3))

    def test_other_seed(self):
        status, out = tool("textregs", 8, text=f"RAX={pattern64(7, 0):016x}")
        self.assertEqual((status, out["found"]), (1, False))

    def test_no_registers(self):
        self.assertEqual(tool("textregs", 7, text="error: no such domain")[0], 2)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
