# SPDX-License-Identifier: LGPL-2.1-or-later
"""A disk that only the holder of a key can read: made as a tenant makes it, with `cvmctl images encrypt`."""

import dataclasses
import hashlib
import os
import pathlib

from . import archive, packages

DISGUISE = 0x5A     # what is searched for must not be what searches: tests/attacks


@dataclasses.dataclass(frozen=True)
class Disk:
    """The image, its key's file, and what the guest must read from it."""
    image: pathlib.Path
    key: pathlib.Path
    sha256: str

    @property
    def disguised(self) -> str:
        """The key as the attack tools and the guest agent take it."""
        return bytes(byte ^ DISGUISE for byte in self.key.read_bytes()).hex()

    def key_archive(self) -> bytes:
        return key_archive(self.key.read_bytes())


def key_archive(key: bytes) -> bytes:
    """What cvmboot puts behind an initrd: for guests that get their key in the ordinary way."""
    behind = archive.Initramfs()
    behind.file("cvm/disk.key", key, 0o400)
    return behind.bytes()


def make(work: pathlib.Path, cvmctl: pathlib.Path, size: int) -> Disk:
    """work: a folder; size: bytes of random data on the disk, a multiple of 4096."""
    plain = os.urandom(size)
    (work / "plain").write_bytes(plain)
    key = work / "disk.key"
    key.touch(0o600)
    key.write_bytes(os.urandom(32))
    image = work / "disk.img"
    image.unlink(missing_ok=True)
    packages.run(cvmctl, "images", "encrypt", work / "plain", image, "--key-file", key, "--quiet")
    (work / "plain").unlink()
    return Disk(image, key, hashlib.sha256(plain).hexdigest())
