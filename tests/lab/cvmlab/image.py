# SPDX-License-Identifier: LGPL-2.1-or-later
"""The host's disk: a stock Debian by mmdebstrap (cached), our own files laid over it, scenario disks."""

import dataclasses
import hashlib
import os
import pathlib
import shutil
import subprocess
import tempfile

from . import packages
from .emulator import LabError
from .paths import LAB, cache

SUITE = "bookworm"
BASE_MIB = 1400

# What a host that only runs VMs does not read.
EXCLUDED = ["/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*",
            "/usr/share/i18n/*", "/usr/share/gtk-doc/*",
            # libvirtd would probe it at every start: a billion instructions for a machine nobody asks for.
            "/usr/bin/qemu-system-i386"]


@dataclasses.dataclass(frozen=True)
class Host:
    """A base image: root file system, kernel and initramfs as Debian's own tools made them."""
    directory: pathlib.Path

    @property
    def disk(self) -> pathlib.Path:
        return self.directory / "host.ext4"

    @property
    def vmlinuz(self) -> pathlib.Path:
        return self.directory / "vmlinuz"

    @property
    def initrd(self) -> pathlib.Path:
        return self.directory / "initrd.img"


def host_packages() -> list[str]:
    lines = (LAB / "host" / "packages.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def tree_bytes(root: pathlib.Path) -> bytes:
    """Names, modes and contents below root, in a fixed order: what a cache key is made of."""
    out = bytearray()
    for path in sorted(root.rglob("*")):
        out += f"{path.relative_to(root)}\0{path.lstat().st_mode:o}\0".encode()
        if path.is_symlink():
            out += os.readlink(path).encode()
        elif path.is_file():
            out += hashlib.sha256(path.read_bytes()).digest()
    return bytes(out)


def apt_sources() -> list[str]:
    """The Debian sources of this machine's own apt, for the suite of the host image."""
    text = packages.run("apt-get", "indextargets", "--format", "$(SITE)|$(RELEASE)|$(COMPONENT)|$(ORIGIN)",
                        "Identifier: Packages")
    lines = []
    for target in dict.fromkeys(text.split()):
        site, release, component, origin = (target.split("|") + ["", ""])[:4]
        if origin == "Debian" and component == "main" and release.split("-")[0] == SUITE:
            lines.append(f"deb {site} {release} {component}")
    if not lines:
        raise LabError(f"this machine's apt has no Debian {SUITE} source, or apt-get update was never run")
    return lines


def base() -> Host:
    """The base image, built if the cache has none for this recipe (about a minute)."""
    labctl = packages.static_program(LAB / "host" / "labctl.c")
    recipe = hashlib.sha256()
    for part in ("\n".join(host_packages()).encode(), (LAB / "host" / "customize").read_bytes(),
                 tree_bytes(LAB / "host" / "rootfs"), labctl.name.encode(), pathlib.Path(__file__).read_bytes(),
                 # Modules built for the kernel that apt offers now must fit the one in the image.
                 packages.kernel().version.encode()):
        recipe.update(hashlib.sha256(part).digest())
    directory = cache() / f"host-{recipe.hexdigest()[:16]}"
    if not (directory / "done").exists():
        if os.geteuid() != 0:
            raise LabError("building the host image wants root (mmdebstrap keeps owners and modes)")
        scratch = pathlib.Path(tempfile.mkdtemp(prefix="host-new.", dir=cache()))
        try:
            _build(scratch, labctl)
            if not directory.exists():
                scratch.rename(directory)
        finally:
            if scratch.exists():
                shutil.rmtree(scratch, ignore_errors=True)
    return Host(directory)


def _build(scratch: pathlib.Path, labctl: pathlib.Path):
    root = scratch / "root"
    argv = ["mmdebstrap", "--quiet", "--variant=essential", "--format=directory",
            f"--include={','.join(host_packages())}", "--aptopt=APT::Install-Recommends false",
            f"--customize-hook={LAB / 'host' / 'customize'} \"$1\" {LAB / 'host' / 'rootfs'} {labctl}"]
    argv += [f"--dpkgopt=path-exclude={pattern}" for pattern in EXCLUDED]
    sources = scratch / "sources.list"
    sources.write_text("\n".join(apt_sources()) + "\n")
    packages.run(*argv, SUITE, root, sources)
    for name, pattern in (("vmlinuz", "vmlinuz-*"), ("initrd.img", "initrd.img-*")):
        found = sorted((root / "boot").glob(pattern))
        if len(found) != 1:
            raise LabError(f"the host image holds {len(found)} files /boot/{pattern}, not one")
        shutil.copyfile(found[0], scratch / name)
    filesystem(root, scratch / "host.ext4", BASE_MIB)
    shutil.rmtree(root)
    (scratch / "done").touch()


def filesystem(tree: pathlib.Path, out: pathlib.Path, mib: int):
    """Writes an ext4 file system that holds `tree`; sparse, without a journal, without a mount."""
    with open(out, "wb") as image:
        image.truncate(mib << 20)
    packages.run("mke2fs", "-q", "-F", "-t", "ext4", "-O", "^has_journal,^metadata_csum,^orphan_file",
                 "-E", "lazy_itable_init=0,root_owner=0:0", "-m", "0", "-d", tree, out)


def overlay(host: Host, tree: pathlib.Path, out: pathlib.Path):
    """Copies the base disk to `out` and puts the files of `tree` into the copy, owned by root."""
    packages.run("cp", "--sparse=always", "--reflink=auto", host.disk, out)
    commands = []
    for path in sorted(tree.rglob("*")):
        name = "/" + str(path.relative_to(tree))
        if any(c in name for c in ' "\n'):
            raise LabError(f"the name {name!r} cannot be put into an image")
        if path.is_symlink():
            commands += [f"rm {name}", f"symlink {name} {os.readlink(path)}"]
        elif path.is_dir():
            commands.append(f"mkdir {name}")
        else:
            mode = 0o100000 | (path.stat().st_mode & 0o7777)
            commands += [f"rm {name}", f"write {path} {name}", f"set_inode_field {name} mode 0{mode:o}",
                         f"set_inode_field {name} uid 0", f"set_inode_field {name} gid 0"]
    # A missing file on rm and an existing directory on mkdir are no errors here; what counts is
    # read back below.
    subprocess.run(["debugfs", "-w", "-f", "-", str(out)], input="\n".join(commands) + "\n", text=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    for path in sorted(tree.rglob("*")):
        if path.is_file() and not path.is_symlink():
            name = "/" + str(path.relative_to(tree))
            shown = packages.run("debugfs", "-R", f"stat {name}", out)
            if f"Size: {path.stat().st_size}" not in shown:
                raise LabError(f"{name} did not reach the host image:\n{shown}")
