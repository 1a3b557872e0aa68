# SPDX-License-Identifier: LGPL-2.1-or-later
"""What runs inside the lab's VMs, and QEMU as the mini host carries it."""

import os
import pathlib
import shutil

from . import archive, packages
from .emulator import LabError
from .paths import LAB, TOP

AGENT_MODULE_FLAGS = (f"-I{LAB / 'guest'}", f"-I{TOP / 'hypervisor/include'}")

# The guest's command line: as the host's, and I/O memory for the agent's mmio command.
CMDLINE = "console=ttyS0 nokaslr mitigations=off tsc=reliable no_timer_check iomem=relaxed quiet"

QEMU = "/usr/bin/qemu-system-x86_64"

# What an IDE disk and dm-crypt need, in this order; those that are built into the kernel are not there.
DISK_MODULES = ("crc64-rocksoft", "t10-pi", "scsi_common", "scsi_mod", "libata", "ata_piix", "sd_mod", "dax", "dm-mod", "af_alg",
                "algif_skcipher", "ecb", "gf128mul", "xts", "dm-crypt")
# The disk, opened by stock cryptsetup with the key that cvmboot left: one line on what came of it.
OPEN_DISK = f"""#!/bin/busybox sh
export PATH=/bin:/usr/sbin
busybox mkdir -p /run /tmp
for m in {" ".join(DISK_MODULES)}; do
    # As modprobe does: the module's words of the command line.
    words=$(busybox tr ' ' '\\n' < /proc/cmdline | busybox sed -n "s/^$m\\.//p")
    [ -e /lib/$m.ko ] && busybox insmod /lib/$m.ko $words
done
n=0; until [ -b /dev/sda ] || [ $n = 600 ]; do n=$((n + 1)); busybox sleep 0.1; done
cryptsetup open --type luks2 --key-file /cvm/disk.key /dev/sda disk || exit 1
echo "$(busybox cat /sys/class/ata_device/dev1.0/xfer_mode) $(busybox sha256sum < /dev/mapper/disk | busybox cut -c1-64)"
"""


def initrd() -> bytes:
    """A guest initramfs that holds the agent as PID 1, and cvm-guest."""
    return _agent().bytes()


def disk_initrd(kernel: packages.Kernel) -> bytes:
    """The same with what its command `disk` needs: stock cryptsetup and the modules of `kernel`."""
    image = _agent()
    add_cryptsetup(image, kernel)
    return image.bytes()


def add_cryptsetup(image: archive.Initramfs, kernel: packages.Kernel):
    """Puts /bin/open-disk and all that it runs into an initramfs."""
    cryptsetup = shutil.which("cryptsetup", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if not cryptsetup:
        raise LabError("cryptsetup is not installed: see tests/lab/deps.txt")
    image.file("bin/busybox", pathlib.Path(shutil.which("busybox")), 0o755)
    image.file("usr/sbin/cryptsetup", pathlib.Path(cryptsetup), 0o755)
    for library in packages.shared_libraries(cryptsetup):
        image.file(library, pathlib.Path(library).resolve(), 0o755)
    for found in kernel.modules.rglob("*.ko"):
        if found.stem in DISK_MODULES:
            image.file(f"lib/{found.name}", found)
    image.file("bin/open-disk", OPEN_DISK.encode(), 0o755)


def _agent() -> archive.Initramfs:
    image = archive.Initramfs()
    image.directory("dev")
    image.device("dev/console", 5, 1)
    image.file("init", packages.static_program(LAB / "guest" / "guest-agent.c", *AGENT_MODULE_FLAGS), 0o755)
    image.directory("bin")
    image.file("bin/cvm-guest", packages.static_program(
        TOP / "guest/cvm-guest.c", f"-I{TOP / 'hypervisor/include'}", "-D_GNU_SOURCE", '-DCVMD_VERSION="lab"',
        compiler="musl-gcc"), 0o755)
    return image


def add_qemu(image: archive.Initramfs):
    """Puts Debian's QEMU, its libraries and firmware into an initramfs."""
    image.file("usr/bin/qemu-system-x86_64", pathlib.Path(QEMU), 0o755)
    for library in packages.shared_libraries(QEMU):
        image.file(library, pathlib.Path(library).resolve(), 0o755)
    for name in ("bios-256k.bin", "bios.bin"):
        image.file(f"usr/share/seabios/{name}", pathlib.Path("/usr/share/seabios") / name)
    for name in ("kvmvapic.bin", "linuxboot_dma.bin", "linuxboot.bin"):
        image.file(f"usr/share/qemu/{name}", pathlib.Path("/usr/share/qemu") / name)
