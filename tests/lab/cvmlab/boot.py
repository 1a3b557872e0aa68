# SPDX-License-Identifier: LGPL-2.1-or-later
"""The GRUB boot medium: Linux alone, or RootVisor first and Linux as its module."""

import dataclasses
import pathlib
import shutil
import tempfile

from .emulator import LabError
from .packages import run

GRUB_MODULES = "normal iso9660 biosdisk linux multiboot2 serial terminal echo"

# What makes a stock kernel boot quickly in the emulator; none of it changes what is tested.
FAST = "console=ttyS0 nokaslr mitigations=off tsc=reliable no_timer_check"


@dataclasses.dataclass
class RootVisor:
    """Files of the protection layer and RootVisor's own options."""
    image: pathlib.Path
    guardian: pathlib.Path
    options: str = ""


def configuration(cmdline: str, rootvisor: RootVisor | None, initrd: bool = True) -> str:
    """grub.cfg. The first word of a module line names the module's role."""
    head = "set timeout=0\nset default=0\nserial --unit=0 --speed=115200\nterminal_output serial\n"
    if rootvisor:
        body = [f"multiboot2 /boot/rootvisor {rootvisor.options}".rstrip(),
                f"module2 /boot/vmlinuz vmlinuz {cmdline}"]
        if initrd:
            body.append("module2 /boot/initrd.img initrd")
        body.append("module2 /boot/guardian.bin guardian")
        title = "rootvisor"
    else:
        body = [f"linux /boot/vmlinuz {cmdline}"]
        if initrd:
            body.append("initrd /boot/initrd.img")
        title = "native"
    return head + f"menuentry {title} {{\n" + "".join(f"\t{line}\n" for line in body) + "}\n"


def iso(out: pathlib.Path, config: str, files: dict[str, pathlib.Path]):
    """Writes a bootable ISO; files maps names below /boot to their sources."""
    with tempfile.TemporaryDirectory(prefix="cvmlab.") as scratch:
        boot = pathlib.Path(scratch) / "boot"
        (boot / "grub").mkdir(parents=True)
        (boot / "grub" / "grub.cfg").write_text(config)
        for name, source in files.items():
            if not pathlib.Path(source).is_file():
                raise LabError(f"{source} is missing (wanted as /boot/{name})")
            shutil.copyfile(source, boot / name)
        partial = out.with_suffix(".partial")
        run("grub-mkrescue", "-d", "/usr/lib/grub/i386-pc", f"--install-modules={GRUB_MODULES}", "--locales=",
            "--fonts=", "--themes=", "--compress=no", "-o", partial, scratch)
        partial.rename(out)
