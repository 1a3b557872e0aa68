#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The manual against the programs: every verb of the table and every option of it stands in a page of cvmctl, every verb
has an example, every example is a command that cvmctl knows; the settings that cvmd knows stand in cvmd.conf(5). Arguments: source root, cvmctl, cvmd."""
import json
import pathlib
import re
import shlex
import subprocess
import sys

source, cvmctl, cvmd = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]
bad = []


def output(*argv):
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def need(what, text, page):
    if what not in text:
        bad.append(f"{page}: {what} is missing")


pages = {p.name: p.read_text() for p in (source / "man").glob("cvmctl*.scd")}
table = json.loads(output(cvmctl, "help", "--json"))
assert len(table["verbs"]) >= 16, table


def bold(verb):
    return " ".join(f"*{word}*" for word in verb.split())


def examples(text):
    """The commands of the fenced blocks, continued lines joined."""
    for block in re.findall(r"^```\n(.*?)^```", text, re.M | re.S):
        for line in block.replace("\\\\\n", " ").splitlines():
            if found := re.search(r"(?:^[$#] |\|\s*|\bssh \S+ )(cvmctl .*)", line):
                yield found.group(1)


shown = {}
for name, text in pages.items():
    for line in examples(text):
        # Only this command, with the shell's substitutions as words.
        line = re.sub(r"\$\([^)]*\)", "x", line)
        argv = shlex.split(re.split(r"\s[|>&]|;", line)[0])
        if "..." in argv:
            argv.remove("...")
        words = [w for w in argv[1:] if not w.startswith("-")]
        r = subprocess.run([cvmctl, "--parse-only", *argv[1:]], capture_output=True, text=True)
        if r.returncode != 0:
            bad.append(f"{name}: '{line}' is no command that cvmctl knows: {r.stderr.strip()}")
        for n in (1, 2):
            shown.setdefault(" ".join(words[:n]), set()).add(name)

for verb in table["verbs"]:
    # At the start of a line, and not as the first word of another verb.
    pattern = r"^(\*cvmctl\* |[^\t\n]*[,|] ?)?" + re.escape(bold(verb["name"])) + r"(?! \*[a-z])"
    where = [name for name, text in pages.items() if re.search(pattern, text, re.M)]
    if not where:
        bad.append(f"{verb['name']} stands in no page of cvmctl")
        continue
    if verb["name"] not in shown:
        bad.append(f"{', '.join(where)}: no example of {verb['name']}")
    for option in verb["options"]:
        if not any(f"--{option['name']}*" in pages[name] for name in where):
            bad.append(f"{', '.join(where)}: {verb['name']} --{option['name']} is missing")
for option in table["common_options"] + table["remote_options"]:
    need(f"--{option['name']}*", pages["cvmctl.1.scd"], "cvmctl(1)")

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
