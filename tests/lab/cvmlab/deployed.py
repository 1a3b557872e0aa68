# SPDX-License-Identifier: LGPL-2.1-or-later
"""The boot medium as `cvmctl host deploy` makes it: Debian's grub-mkconfig in a root directory of its own, and the
configuration, images and grubenv that came out of it. Only grub-probe is played: the medium is no disk of this machine."""

import pathlib
import shutil
import subprocess

from . import boot
from .emulator import LabError
from .packages import run

UUID = "2026-11-21-00-00-00-00"  # of the ISO 9660 file system, its date
MODULES = "loadenv search search_fs_uuid search_fs_file search_label gzio test all_video regexp sleep"
SCRIPTS = ("00_header", "10_linux")
PROBE = f"""#!/bin/sh
case "$*" in
    *--target=device*) echo /dev/sr0 ;;
    *--target=fs_uuid*) echo {UUID} ;;
    *--target=fs*) echo iso9660 ;;
    *--target=abstraction*|*--target=partmap*|*--target=hints_string*|*--target=compatibility_hint*) echo ;;
    *) exit 1 ;;
esac
"""
MOUNT = """set -e
mount --bind /usr "$1/usr"
mount --bind /dev "$1/dev"
mount --bind "$1/grub-probe" "$1/usr/sbin/grub-probe"
chroot "$1" /usr/sbin/grub-mkconfig > "$1/boot/grub/grub.cfg" 2>/dev/null
exec "$2" host deploy --root "$1" --images "$3"
"""


def root(work: pathlib.Path, build: pathlib.Path, images: boot.RootVisor, kernel, initrd: pathlib.Path, cmdline: str):
    """A host's root directory below `work` on which RootVisor is deployed."""
    tree, source = work / "host", work / "images"
    for name in ("usr", "dev", "etc/grub.d", "etc/default/grub.d", "boot/grub/i386-pc", "proc", "tmp"):
        (tree / name).mkdir(parents=True)
    for name in ("bin", "sbin", "lib", "lib64"):
        (tree / name).symlink_to(f"usr/{name}")
    source.mkdir()
    shutil.copyfile(images.image, source / "rootvisor")
    shutil.copyfile(images.guardian, source / "guardian.bin")
    shutil.copyfile(pathlib.Path(__file__).resolve().parents[3] / "cvmctl/grub/22_linux_cvmd", source / "22_linux_cvmd")
    for name in SCRIPTS:
        shutil.copy(pathlib.Path("/etc/grub.d") / name, tree / "etc/grub.d" / name)
    (tree / "etc/default/grub").write_text(
        "GRUB_DEFAULT=0\nGRUB_TIMEOUT=0\nGRUB_DISTRIBUTOR=Debian\nGRUB_TERMINAL=serial\n"
        'GRUB_SERIAL_COMMAND="serial --unit=0 --speed=115200"\n'
        f'GRUB_CMDLINE_LINUX="{cmdline}"\nGRUB_CMDLINE_CVMD="{images.options}"\n')
    (tree / "boot/grub/i386-pc/multiboot2.mod").touch()
    shutil.copyfile(kernel.vmlinuz, tree / f"boot/vmlinuz-{kernel.version}")
    shutil.copyfile(initrd, tree / f"boot/initrd.img-{kernel.version}")
    (tree / "grub-probe").write_text(PROBE)
    (tree / "grub-probe").chmod(0o755)
    done = subprocess.run(["unshare", "--mount", "--propagation", "private", "sh", "-c", MOUNT, "sh", tree,
                           build.resolve() / "cvmctl/cvmctl", source], capture_output=True, text=True)
    if done.returncode:
        raise LabError(f"cvmctl host deploy: {done.stdout}{done.stderr}")
    return tree


def iso(out: pathlib.Path, tree: pathlib.Path):
    """The medium: /boot as it is there."""
    files = tree.parent / "medium"
    shutil.copytree(tree / "boot", files / "boot", ignore=shutil.ignore_patterns("i386-pc"))
    run("grub-mkrescue", "-d", "/usr/lib/grub/i386-pc", f"--install-modules={boot.GRUB_MODULES} {MODULES}", "--locales=",
        "--fonts=", "--themes=", "--compress=no", "-o", out, files, "--", "-volume_date", "uuid", UUID.replace("-", ""))
