#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Counts lines of code (neither blank nor comment) of what must be trusted, against the budgets."""

import json
import pathlib
import re
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent
HYPERVISOR = TOP / "hypervisor"
PARTS = [  # name, folders, budget
    ("RootVisor", ["rootvisor"], 6000),
    ("Guardian", ["guardian"], None),
    ("crypto glue", ["guardian/crypto"], None),
    ("cvmboot", ["cvmboot"], None),
    ("ABI headers", ["include"], None),
]
SUFFIXES = {".c", ".h", ".S"}


def lines_of_code(text: str) -> int:
    """Lines that hold something besides comments. Strings and character constants are kept whole."""
    token = re.compile(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|/\*.*?\*/|//[^\n]*', re.S)
    bare = token.sub(lambda m: "\n" * m.group().count("\n") if m.group().startswith(("/*", "//")) else m.group(), text)
    return sum(1 for line in bare.splitlines() if line.strip())


def count(folder: pathlib.Path) -> int:
    return sum(lines_of_code(path.read_text()) for path in folder.rglob("*") if path.suffix in SUFFIXES)


def figures() -> list[dict]:
    out = []
    for name, folders, budget in PARTS:
        value = sum(count(HYPERVISOR / folder) for folder in folders)
        if name == "Guardian":
            value -= count(HYPERVISOR / "guardian/crypto")
        out.append({"name": f"lines.{name}", "unit": "lines", "value": value, "baseline": None, "ratio": None,
                    "target": budget, "met": None if budget is None else value <= budget})
    return out


def main() -> int:
    found = figures()
    if "--json" in sys.argv[1:]:
        print(json.dumps({"figures": found}, indent=1))
    else:
        for figure in found:
            budget = f" of {figure['target']}" if figure["target"] else ""
            print(f"{figure['name'].removeprefix('lines.'):12} {figure['value']:6} lines{budget}")
    return 1 if any(figure["met"] is False for figure in found) else 0


if __name__ == "__main__":
    sys.exit(main())
