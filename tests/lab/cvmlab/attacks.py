# SPDX-License-Identifier: LGPL-2.1-or-later
"""The attacker's tools, built: what tests/attacks puts on the emulated host."""

import pathlib

from . import guest, packages
from .paths import TOP

ATTACKS = TOP / "tests" / "attacks"


def tools() -> dict[str, pathlib.Path]:
    """Name and file of each program."""
    return {source.stem: packages.static_program(source, *guest.AGENT_MODULE_FLAGS)
            for source in sorted(ATTACKS.glob("*.c"))}


def files(kernel: packages.Kernel) -> dict[str, pathlib.Path]:
    """Where on the scenario disk (/lab) the step scripts and the ring-0 attacker for `kernel` belong."""
    steps = {f"steps/{step.name}": step for step in sorted((ATTACKS / "steps").glob("*.sh"))}
    modules = {f"{name}.ko": kernel.modules / where / f"{name}.ko"
               for name, where in (("zsmalloc", "mm"), ("lzo-rle", "crypto"), ("zram", "drivers/block/zram"))}
    return steps | modules | {"cvmattack.ko": packages.kernel_module(ATTACKS / "module", kernel)}
