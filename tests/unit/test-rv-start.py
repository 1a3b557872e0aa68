#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The start stage is a part of its own: RootVisor's objects refer to nothing of it, it refers to little of RootVisor, and in the
image it has pages of its own.

  test-rv-start.py IMAGE RESIDENT START README     RootVisor's ELF file, the two archives, hypervisor/start/README.md
"""
import pathlib
import re
import struct
import subprocess
import sys
import unittest

IMAGE, RESIDENT, START, README = sys.argv[1:5]
# What rootvisor.lds defines.
BOUNDS = {"image_start", "image_file", "image_text", "image_text_end", "image_rodata_end", "image_end", "hostboot_start", "hostboot_end"}


def symbols(file: str) -> tuple[set[str], set[str]]:
    """Names that the objects of an archive define for others, and those that they want of others."""
    defined, wanted = set(), set()
    for line in subprocess.run(["nm", "-g", file], check=True, capture_output=True, text=True).stdout.splitlines():
        if found := re.match(r"[0-9a-f]* *([A-Za-z]) (\S+)$", line):
            (wanted if found[1] in "Uwv" else defined).add(found[2])
    return defined, wanted - defined


def refers(file: str, to: str) -> set[str]:
    """What the objects of `file` want of those of `to`."""
    return symbols(file)[1] & symbols(to)[0]


def addresses() -> dict[str, int]:
    """All symbols of the image, local ones under the name of any of them."""
    out = subprocess.run(["nm", IMAGE], check=True, capture_output=True, text=True).stdout
    return {line.split()[2]: int(line.split()[0], 16) for line in out.splitlines()}


class Start(unittest.TestCase):
    def test_rootvisor_refers_to_nothing_of_it(self):
        self.assertEqual(refers(RESIDENT, START), set())

    def test_nothing_has_two_homes(self):
        self.assertEqual(symbols(RESIDENT)[0] & symbols(START)[0], set())

    def test_control_the_other_way_is_seen(self):
        """The same look finds what the start stage uses: all of it is in the README, and nothing else is."""
        used = refers(START, RESIDENT)
        self.assertIn("rv_main", used)
        told = re.search(r"\| of RootVisor \|.*?\n\n", pathlib.Path(README).read_text(), re.S)[0]
        self.assertEqual(used, set(re.findall(r"`(\w+)`", "".join(row.split("|")[1] for row in told.splitlines() if row))))

    def test_pages_of_its_own(self):
        at = addresses()
        first, behind = at["image_start"], at["image_text"]
        self.assertEqual([at[name] % 4096 for name in ("image_start", "image_file", "image_text", "image_text_end", "image_rodata_end")], [0] * 5)
        for name in symbols(START)[0]:
            self.assertTrue(first <= at[name] < behind, name)
        for name in symbols(RESIDENT)[0]:
            self.assertTrue(behind <= at[name] < at["image_end"], name)
        self.assertTrue(first <= at["hostboot_start"] < at["hostboot_end"] <= behind)

    def test_memory_equals_file(self):
        """What the Quoter hashes, from image_file to image_rodata_end, is the file's loadable bytes in their order, without a gap."""
        data, at = pathlib.Path(IMAGE).read_bytes(), addresses()
        (offset,), (size, count) = struct.unpack_from("<Q", data, 32), struct.unpack_from("<HH", data, 54)
        headers = [struct.unpack_from("<IIQQQQQ", data, offset + i * size) for i in range(count)]
        behind, zero = at["image_file"], []
        for kind, _flags, _where, _virtual, physical, in_file, in_memory in headers:
            if kind != 1:
                continue
            if not in_file:
                zero.append((physical, physical + in_memory))
                continue
            self.assertEqual((physical, in_memory), (behind, in_file))
            behind += in_file
        self.assertEqual(behind, at["image_rodata_end"])
        self.assertEqual(zero, [(at["image_start"], at["image_file"]), (at["image_rodata_end"], at["image_end"])])

    def test_linked_with_nothing_else(self):
        wanted = symbols(START)[1] | symbols(RESIDENT)[1]
        left = wanted - symbols(START)[0] - symbols(RESIDENT)[0] - BOUNDS - {"safe_table", "safe_table_end"}
        self.assertEqual(left, set())


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
