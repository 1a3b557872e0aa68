#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""cvmctl images encrypt: stock cryptsetup opens what it made; each sector is AES-XTS under the header's volume key, by
libcrypto called here with nothing of cvmctl between. Argument: cvmctl."""
import ctypes
import ctypes.util
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

CVMCTL = sys.argv.pop(1)
OFFSET, SECTOR = 1 << 20, 4096


def decrypt(key: bytes, number: int, data: bytes) -> bytes:
    """One sector; its number in units of 512 bytes is the tweak, little-endian ("plain64")."""
    c = ctypes.CDLL(ctypes.util.find_library("crypto"))
    for name in ("EVP_CIPHER_CTX_new", "EVP_aes_256_xts"):
        getattr(c, name).restype = ctypes.c_void_p
    context, out, n = ctypes.c_void_p(c.EVP_CIPHER_CTX_new()), ctypes.create_string_buffer(len(data)), ctypes.c_int()
    assert c.EVP_DecryptInit_ex(context, ctypes.c_void_p(c.EVP_aes_256_xts()), None, key, number.to_bytes(16, "little")) == 1
    assert c.EVP_DecryptUpdate(context, out, ctypes.byref(n), data, len(data)) == 1
    c.EVP_CIPHER_CTX_free(context)
    return out.raw


@unittest.skipUnless(shutil.which("cryptsetup"), "cryptsetup is not installed")
class Test(unittest.TestCase):
    def setUp(self):
        work = tempfile.TemporaryDirectory()
        self.addCleanup(work.cleanup)
        self.dir = pathlib.Path(work.name)
        self.plain = os.urandom(3 * (1 << 20) + 1000)
        (self.dir / "in").write_bytes(self.plain)
        for name in ("key", "recovery", "other"):
            (self.dir / name).write_bytes(os.urandom(32))

    def encrypt(self, *args, word="images"):
        return subprocess.run([CVMCTL, word, "encrypt", self.dir / "in", self.dir / "out", *args], capture_output=True, text=True)

    def cryptsetup(self, *args):
        return subprocess.run(["cryptsetup", *args, self.dir / "out"], capture_output=True, text=True)

    def test_stock_cryptsetup_opens_it(self):
        done = self.encrypt("--key-file", self.dir / "key", "--recovery-key-file", self.dir / "recovery", word="image")
        self.assertEqual(done.returncode, 0, done.stderr)
        for name, status in (("key", 0), ("recovery", 0), ("other", 2)):
            done = self.cryptsetup("open", "--test-passphrase", "--key-file", self.dir / name)
            self.assertEqual(done.returncode, status, done.stderr)
        dump = self.cryptsetup("luksDump", "--dump-volume-key", "-q", "--key-file", self.dir / "key").stdout
        key = bytes.fromhex(re.sub(r"\s", "", dump.split("MK dump:")[1]))
        self.assertEqual(len(key), 64)
        out = (self.dir / "out").read_bytes()
        self.assertEqual(len(out), OFFSET + -(-len(self.plain) // SECTOR) * SECTOR)
        padded = self.plain + bytes(-len(self.plain) % SECTOR)
        for at in range(0, len(padded), SECTOR):
            self.assertEqual(decrypt(key, at // 512, out[OFFSET + at:OFFSET + at + SECTOR]), padded[at:at + SECTOR])
        # Nothing of the image or a key lies bare; two sectors of the same content differ.
        self.assertNotIn(self.plain[:64], out)
        self.assertNotIn((self.dir / "key").read_bytes(), out)
        self.assertEqual((self.dir / "out").stat().st_mode & 0o777, 0o600)

    def test_equal_sectors_differ(self):
        (self.dir / "in").write_bytes(bytes(4 * SECTOR))
        self.assertEqual(self.encrypt("--key-file", self.dir / "key").returncode, 0)
        out = (self.dir / "out").read_bytes()[OFFSET:]
        self.assertEqual(len({out[i:i + SECTOR] for i in range(0, len(out), SECTOR)}), 4)

    def test_refusals(self):
        (self.dir / "short").write_bytes(b"x" * 15)
        (self.dir / "long").write_bytes(b"x" * 249)
        for key in ("short", "long", "missing"):
            done = self.encrypt("--key-file", self.dir / key)
            self.assertEqual(done.returncode, 1)
            self.assertIn(key, done.stderr)
            self.assertFalse((self.dir / "out").exists())
        self.assertEqual(self.encrypt().returncode, 2)
        (self.dir / "out").write_bytes(b"somebody's")
        self.assertEqual(self.encrypt("--key-file", self.dir / "key").returncode, 1)
        self.assertEqual((self.dir / "out").read_bytes(), b"somebody's")


if __name__ == "__main__":
    unittest.main()
