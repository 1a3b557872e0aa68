#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The manual against the programs: every verb and option that help tells stands in the man page, and the settings
that cvmd knows in cvmd.conf(5). Arguments: source root, cvmctl, cvmd."""
import pathlib
import re
import subprocess
import sys

source, cvmctl, cvmd = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]
bad = []


def output(*argv):
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def need(what, text, page):
    if what not in text:
        bad.append(f"{page}: {what} is missing")


page = (source / "man/cvmctl.1.scd").read_text()
verbs = re.findall(r"^  ([a-z]+) ", output(cvmctl, "help"), re.M)
assert len(verbs) >= 13, verbs
for verb in verbs:
    need(f"*{verb}*", page, "cvmctl(1)")
    help_text = output(cvmctl, "help", verb)
    if verb not in ("verify", "digest", "policy"):  # these refer to their --help
        for option in re.findall(r"--[a-z-]+", help_text):
            need(f"{option}*", page, f"cvmctl(1), {verb}")

page = (source / "man/cvmd.8.scd").read_text()
for option in re.findall(r"--[a-z-]+", output(cvmd, "--help")):
    need(f"*{option}*", page, "cvmd(8)")

page = (source / "man/cvmd.conf.5.scd").read_text()
keys = re.findall(r'strcmp\(key, "(\w+)"\)', (source / "cvmd/config.c").read_text())
assert len(keys) >= 6, keys
for key in keys:
    need(f"*{key}=*", page, "cvmd.conf(5)")
    need(f"#{key}=", (source / "cvmd/cvmd.conf").read_text(), "cvmd.conf")

print("\n".join(bad) or "the manual is complete")
sys.exit(1 if bad else 0)
