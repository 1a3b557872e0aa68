#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Counts lines of C and assembly, without blanks and comments, for each part of the protection layer.

  loc.py [--json] [--files]
The budget is what the design allows; the ceiling may only be lowered. RootVisor is what stays: it faces the host. The start stage is
measured and trusted with it, and gone before the first VM entry. Exit status 1 if a part is over its ceiling.
"""

import argparse
import json
import pathlib
import re
import sys

TOP = pathlib.Path(__file__).resolve().parents[1]

# Part: its folders below hypervisor/, its budget, its ceiling. A file counts for the first part that names it.
PARTS = [
    ("crypto glue", ["guardian/crypto"], None, None),
    ("RootVisor", ["rootvisor"], 6000, 6000),
    ("start stage", ["start"], None, 1100),
    ("hostboot", ["hostboot"], None, None),
    ("Guardian", ["guardian"], None, None),
    ("TPM", ["tpm"], None, None),
    ("cvmboot", ["cvmboot"], None, None),
    ("ABI headers", ["include"], None, None),
]
SUFFIXES = {".c", ".h", ".S", ".s"}

# Strings and character constants are kept, so that "/*" in one opens no comment.
TOKEN = re.compile(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|/\*.*?(?:\*/|\Z)|//(?:\\\n|[^\n])*', re.S)


def strip_comments(text: str) -> str:
    """The text with every comment replaced by a blank and its line ends."""
    def replace(match: re.Match) -> str:
        token = match.group(0)
        return " " + "\n" * token.count("\n") if token.startswith("/") else token
    return TOKEN.sub(replace, text)


def count(path: pathlib.Path) -> int:
    return sum(1 for line in strip_comments(path.read_text()).split("\n") if line.strip())


def parts() -> list[dict]:
    """One dict a part: name, lines, budget and ceiling (or None), files (path below the top: lines)."""
    seen, result = set(), []
    for name, folders, budget, ceiling in PARTS:
        files = {}
        for folder in folders:
            for path in sorted((TOP / "hypervisor" / folder).rglob("*")):
                if path.suffix in SUFFIXES and path not in seen:
                    seen.add(path)
                    files[str(path.relative_to(TOP))] = count(path)
        if not files:
            raise FileNotFoundError(f"no C or assembly in {', '.join('hypervisor/' + f for f in folders)}")
        result.append({"name": name, "lines": sum(files.values()), "budget": budget, "ceiling": ceiling,
                       "files": files})
    return result


def said(part: dict) -> str:
    if part["ceiling"] and part["lines"] > part["ceiling"]:
        return f" ABOVE ITS CEILING of {part['ceiling']}"
    return " OVER BUDGET" if part["budget"] and part["lines"] > part["budget"] else ""


def main() -> int:
    parser = argparse.ArgumentParser(description="Lines of C and assembly, without blanks and comments, by part.")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--files", action="store_true", help="every file, too")
    args = parser.parse_args()
    try:
        counted = parts()
    except (OSError, UnicodeDecodeError) as error:
        print(f"loc.py: {error}", file=sys.stderr)
        return 2
    over = [part for part in counted if part["ceiling"] and part["lines"] > part["ceiling"]]
    if args.json:
        print(json.dumps(counted if args.files else [{k: v for k, v in p.items() if k != "files"} for p in counted]))
        return 1 if over else 0
    for part in counted:
        budget = f"of {part['budget']}" if part["budget"] else ""
        print(f"{part['name']:14} {part['lines']:6} {budget:8}{said(part)}".rstrip())
        if args.files:
            for name, lines in part["files"].items():
                print(f"  {name:52} {lines:5}")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
