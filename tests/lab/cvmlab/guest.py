# SPDX-License-Identifier: LGPL-2.1-or-later
"""What runs inside the lab's VMs, and QEMU as the mini host carries it."""

import pathlib

from . import archive, packages
from .paths import LAB, TOP

AGENT_MODULE_FLAGS = (f"-I{LAB / 'guest'}", f"-I{TOP / 'hypervisor/include'}")

# The guest's command line: as the host's, and I/O memory for the agent's mmio command.
CMDLINE = "console=ttyS0 nokaslr mitigations=off tsc=reliable no_timer_check iomem=relaxed quiet"

QEMU = "/usr/bin/qemu-system-x86_64"


def initrd() -> bytes:
    """A guest initramfs that holds the agent as PID 1, and cvm-guest."""
    image = archive.Initramfs()
    image.directory("dev")
    image.device("dev/console", 5, 1)
    image.file("init", packages.static_program(LAB / "guest" / "guest-agent.c", *AGENT_MODULE_FLAGS), 0o755)
    image.directory("bin")
    image.file("bin/cvm-guest", packages.static_program(
        TOP / "guest/cvm-guest.c", f"-I{TOP / 'hypervisor/include'}", "-D_GNU_SOURCE", '-DCVMD_VERSION="lab"',
        compiler="musl-gcc"), 0o755)
    return image.bytes()


def add_qemu(image: archive.Initramfs):
    """Puts Debian's QEMU, its libraries and firmware into an initramfs."""
    image.file("usr/bin/qemu-system-x86_64", pathlib.Path(QEMU), 0o755)
    for library in packages.shared_libraries(QEMU):
        image.file(library, pathlib.Path(library).resolve(), 0o755)
    for name in ("bios-256k.bin", "bios.bin"):
        image.file(f"usr/share/seabios/{name}", pathlib.Path("/usr/share/seabios") / name)
    for name in ("kvmvapic.bin", "linuxboot_dma.bin", "linuxboot.bin"):
        image.file(f"usr/share/qemu/{name}", pathlib.Path("/usr/share/qemu") / name)
