#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The completion scripts in the shells themselves: what each offers behind a line, and behind every verb of the table. Arguments: cvmctl, and the scripts for
bash, zsh, fish. Names of machines, images and operations come from a stand-in that plays cvmctl."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

cvmctl = os.path.abspath(sys.argv[1])
bash, fish, zsh = sorted((os.path.abspath(p) for p in sys.argv[2:5]), key=lambda p: ("bash" not in p, "fish" not in p))
FAKE = """#!/bin/sh
[ "$1" = completion ] || exit 1
case $2 in
    machines) echo web; echo db ;;
    images) echo debian-kernel ;;
    operations) echo 01938f5e-7c1a-7b3c-9d21-3f6d5a2c9e10 ;;
esac
"""
# The line up to the cursor; words that must be offered, words that must not.
CASES = [
    ("cvmctl ", {"launch", "images", "operations", "policy", "help"}, {"import", "web", "--json"}),
    ("cvmctl la", {"launch"}, {"list"}),
    ("cvmctl images ", {"list", "import", "delete", "gc"}, {"launch", "debian-kernel"}),
    ("cvmctl images delete ", {"debian-kernel"}, {"web", "list"}),
    ("cvmctl show ", {"web", "db"}, {"debian-kernel", "launch"}),
    ("cvmctl stop --force ", {"web", "db"}, {"launch"}),
    ("cvmctl operations wait ", {"01938f5e-7c1a-7b3c-9d21-3f6d5a2c9e10"}, {"web"}),
    ("cvmctl launch x --", {"--kernel", "--memory", "--no-wait", "--json", "--quiet"}, {"--kind", "--force"}),
    ("cvmctl launch x --kernel ", {"a-file"}, {"web", "--memory"}),
    ("cvmctl images import --kind ", {"kernel", "initrd", "disk"}, {"a-file", "web"}),
    ("cvmctl set db --restart ", {"no", "on-failure", "always"}, {"web"}),
    ("cvmctl digest --images ", {"a-dir"}, {"a-file"}),
    ("cvmctl policy sign ", {"a-file"}, {"web"}),
    ("cvmctl help ", {"launch", "images"}, {"web"}),
]


MARK = "=== "


def in_bash(lines):
    yield f". {bash}"
    for line in lines:
        words = line.split(" ")
        yield (f'COMPREPLY=(); COMP_WORDS=({" ".join(repr(w) for w in words)}); COMP_CWORD={len(words) - 1}; _cvmctl; '
               f'echo; echo {MARK!r}; printf "%s\\n" "${{COMPREPLY[@]}}"')


def in_fish(lines):
    yield f"source {fish}"
    for line in lines:
        yield f'echo; echo {MARK!r}; complete -C "{line}"'


# The widget's functions print what they would offer.
ZSH = """
compadd() { while [[ $1 == -* && $1 != -- ]]; do shift; done; [[ $1 == -- ]] && shift; print -l -- "$@" }
_files() { if [[ $1 == -/ ]]; then print -l -- *(/N); else print -l -- *(N); fi }
"""


def in_zsh(lines):
    yield ZSH
    for line in lines:
        words = line.split(" ")
        yield (f'echo; echo {MARK!r}; words=({" ".join(repr(w) for w in words)}); CURRENT={len(words)}; . {zsh}')


SHELLS = (("bash", ["bash", "--norc"], in_bash), ("zsh", ["zsh", "-f"], in_zsh), ("fish", ["fish", "--no-config"], in_fish))


def cases():
    """Those above, and every verb of the table: its words, and behind it its options and no others."""
    table = json.loads(subprocess.run([cvmctl, "help", "--json"], capture_output=True, text=True, check=True).stdout)
    common = {f"--{o['name']}" for o in table["common_options"]}
    remote = {f"--{o['name']}" for o in table["remote_options"]}
    names = [v["name"] for v in table["verbs"]]
    every = {f"--{o['name']}" for v in table["verbs"] for o in v["options"]} | common | remote
    yield from CASES
    for v in table["verbs"]:
        first, _, second = v["name"].partition(" ")
        if second:
            yield f"cvmctl {first} ", {n.partition(" ")[2] for n in names if n.startswith(f"{first} ")}, set()
        else:
            yield "cvmctl ", {first}, set()
        own = {f"--{o['name']}" for o in v["options"]} | common | (remote if v["remote"] else set())
        yield f"cvmctl {v['name']} --", own, every - own


bad, ran = [], 0
with tempfile.TemporaryDirectory() as tmp:
    bin_dir = pathlib.Path(tmp) / "bin"
    work = pathlib.Path(tmp) / "work"
    bin_dir.mkdir()
    (work / "a-dir").mkdir(parents=True)
    (work / "a-file").touch()
    (bin_dir / "cvmctl").write_text(FAKE)
    (bin_dir / "cvmctl").chmod(0o755)
    os.chdir(work)
    env = dict(os.environ, PATH=f"{bin_dir}:{os.environ['PATH']}", HOME=str(tmp))
    wanted = list(cases())
    for shell, argv, script in SHELLS:
        if not shutil.which(shell):
            print(f"{shell} is not installed: its script is not tried")
            continue
        (work.parent / "script").write_text("\n".join(script([line for line, _, _ in wanted])) + "\n")
        r = subprocess.run([*argv, work.parent / "script"], env=env, capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL)
        answers = re.split(rf"^{MARK}$", r.stdout, flags=re.M)[1:]
        if r.stderr or len(answers) != len(wanted):
            bad.append(f"{shell}: {len(answers)} answers to {len(wanted)} lines: {r.stderr}")
        for (line, want, unwanted), answer in zip(wanted, answers):
            # zsh's compadd does the matching itself, fish appends descriptions
            got = {w.split("\t")[0].rstrip("/") for w in answer.splitlines()}
            if shell == "zsh":
                got = {w for w in got if w.startswith(line.split(" ")[-1])}
            ran += 1
            if not want <= got or unwanted & got:
                bad.append(f"{shell}: '{line}': missing {sorted(want - got)}, unwanted {sorted(unwanted & got)}")
print("\n".join(bad) or f"{ran} lines completed")
sys.exit(77 if not ran else 1 if bad else 0)
