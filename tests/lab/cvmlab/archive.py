# SPDX-License-Identifier: LGPL-2.1-or-later
"""initramfs images (cpio newc), written so that equal contents give equal bytes."""

import os
import pathlib
import stat


class Initramfs:
    """Collects entries, then writes one uncompressed archive."""

    def __init__(self):
        self.entries: dict[str, tuple[int, bytes, int]] = {}

    def directory(self, name: str, mode: int = 0o755):
        name = name.strip("/")
        parts = name.split("/")
        for i in range(1, len(parts) + 1):
            self.entries.setdefault("/".join(parts[:i]), (stat.S_IFDIR | mode, b"", 0))

    def file(self, name: str, source: pathlib.Path | bytes, mode: int | None = None):
        data = source if isinstance(source, bytes) else pathlib.Path(source).read_bytes()
        if mode is None:
            mode = 0o644 if isinstance(source, bytes) else os.stat(source).st_mode & 0o777
        self._parent(name)
        self.entries[name.strip("/")] = (stat.S_IFREG | mode, data, 0)

    def symlink(self, name: str, target: str):
        self._parent(name)
        self.entries[name.strip("/")] = (stat.S_IFLNK | 0o777, target.encode(), 0)

    def device(self, name: str, major: int, minor: int):
        self._parent(name)
        self.entries[name.strip("/")] = (stat.S_IFCHR | 0o600, b"", (major << 16) | minor)

    def _parent(self, name: str):
        parent = os.path.dirname(name.strip("/"))
        if parent:
            self.directory(parent)

    def bytes(self) -> bytes:
        out = bytearray()
        for inode, name in enumerate(sorted(self.entries), 1):
            mode, data, device = self.entries[name]
            self._emit(out, inode, name, mode, data, device)
        self._emit(out, 0, "TRAILER!!!", 0, b"", 0)
        out += b"\0" * (-len(out) % 512)
        return bytes(out)

    @staticmethod
    def _emit(out: bytearray, inode: int, name: str, mode: int, data: bytes, device: int):
        encoded = name.encode() + b"\0"
        fields = (inode, mode, 0, 0, 1, 0, len(data), 0, 0, device >> 16, device & 0xFFFF, len(encoded), 0)
        out += b"070701" + b"".join(b"%08X" % field for field in fields) + encoded
        out += b"\0" * (-len(out) % 4)
        out += data
        out += b"\0" * (-len(out) % 4)
