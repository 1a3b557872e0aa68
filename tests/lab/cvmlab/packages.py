# SPDX-License-Identifier: LGPL-2.1-or-later
"""Debian's kernel, fetched by apt and unpacked into the cache; programs built for the lab."""

import dataclasses
import hashlib
import os
import pathlib
import re
import shutil
import subprocess

from .emulator import LabError
from .paths import cache

KERNEL_META = "linux-image-cloud-amd64"


def run(*argv, **kwargs) -> str:
    """Runs a program; its output is shown only when it fails."""
    done = subprocess.run([str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace", **kwargs)
    if done.returncode:
        raise LabError(f"{argv[0]} failed with status {done.returncode}:\n{' '.join(map(str, argv))}\n{done.stdout[-4000:]}")
    return done.stdout


@dataclasses.dataclass(frozen=True)
class Kernel:
    """An unpacked kernel package."""
    version: str
    root: pathlib.Path

    @property
    def vmlinuz(self) -> pathlib.Path:
        return self.root / "boot" / f"vmlinuz-{self.version}"

    @property
    def modules(self) -> pathlib.Path:
        return self.root / "lib" / "modules" / self.version / "kernel"


def kernel() -> Kernel:
    """The stock Debian cloud kernel that apt offers now; the newest cached one if apt is out of reach."""
    store = cache() / "kernel"
    store.mkdir(exist_ok=True)
    depends = subprocess.run(["apt-cache", "depends", KERNEL_META], text=True, stdout=subprocess.PIPE).stdout
    wanted = re.search(r"Depends: (linux-image-\S+-cloud-amd64)", depends)
    if not wanted:
        cached = sorted(store.glob("*/done"), key=lambda done: done.stat().st_mtime)
        if not cached:
            raise LabError(f"apt does not know {KERNEL_META}: run apt-get update")
        root = cached[-1].parent
        image, = (root / "boot").glob("vmlinuz-*")
        return Kernel(image.name.removeprefix("vmlinuz-"), root)
    name = wanted.group(1)
    uri = subprocess.run(["apt-get", "download", "--print-uris", name], text=True, stdout=subprocess.PIPE).stdout
    deb = re.search(r"' (\S+\.deb) ", uri)
    directory = store / (deb.group(1)[:-4] if deb else name)
    if not (directory / "done").exists():
        scratch = store / f"new.{os.getpid()}"
        scratch.mkdir()
        try:
            run("apt-get", "download", "-q", "-o", "APT::Sandbox::User=root", name, cwd=scratch)
            debs = list(scratch.glob("*.deb"))
            run("dpkg-deb", "-x", debs[0], scratch / "root")
            debs[0].unlink()
            (scratch / "root" / "done").touch()
            if not directory.exists():
                (scratch / "root").rename(directory)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return Kernel(name.removeprefix("linux-image-"), directory)


def static_program(source: pathlib.Path, *flags: str, compiler: str = "gcc") -> pathlib.Path:
    """Compiles one C file to a small static program, cached by its content."""
    headers = b"".join(h.read_bytes() for h in sorted(source.parent.glob("*.h")))
    key = hashlib.sha256(source.read_bytes() + headers + repr((compiler, flags)).encode()).hexdigest()[:16]
    out = cache() / "programs" / f"{source.stem}-{key}"
    if not out.exists():
        out.parent.mkdir(exist_ok=True)
        scratch = out.with_suffix(f".{os.getpid()}")
        run(compiler, "-std=gnu17", "-O2", "-Wall", "-Wextra", "-Werror", "-static", "-s", *flags, "-o", scratch, source)
        scratch.rename(out)
    return out


def kernel_module(folder: pathlib.Path, kernel: Kernel) -> pathlib.Path:
    """Builds the module of that folder out of tree for the lab's kernel, cached by its content."""
    headers = pathlib.Path(f"/usr/src/linux-headers-{kernel.version}")
    if not headers.is_dir():
        raise LabError(f"{headers} is missing: apt-get install linux-headers-cloud-amd64 (apt-get update first "
                       "if it brings another version)")
    digest = hashlib.sha256(kernel.root.name.encode())
    for source in sorted(folder.iterdir()):
        digest.update(source.name.encode() + source.read_bytes())
    out = cache() / "modules" / f"{folder.parent.name}-{digest.hexdigest()[:16]}.ko"
    if not out.exists():
        out.parent.mkdir(exist_ok=True)
        scratch = out.with_suffix(f".{os.getpid()}")
        shutil.copytree(folder, scratch)
        try:
            run("make", "-C", headers, f"M={scratch}", "modules")
            built, = scratch.glob("*.ko")
            run("strip", "--strip-debug", built)
            built.rename(out)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return out


def shared_libraries(program: str) -> list[str]:
    """The files that the loader maps for `program`, itself not included."""
    return sorted(set(re.findall(r"(/\S+) \(0x", run("ldd", program))))
