#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The completion scripts in the shells themselves: what each offers behind a line. Arguments: cvmctl, and the scripts for
bash, zsh, fish. Names of machines, images and operations come from a stand-in that plays cvmctl."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

cvmctl = sys.argv[1]
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


def in_bash(line, env):
    words = line.split(" ")
    script = (f'. {bash}; COMP_WORDS=({" ".join(repr(w) for w in words)}); COMP_CWORD={len(words) - 1}; _cvmctl; '
              'printf "%s\\n" "${COMPREPLY[@]}"')
    return subprocess.run(["bash", "--norc", "-c", script], env=env, capture_output=True, text=True, timeout=30)


def in_fish(line, env):
    return subprocess.run(["fish", "--no-config", "-c", f'source {fish}; complete -C "{line}"'], env=env, capture_output=True,
                          text=True, timeout=30)


# The widget's functions print what they would offer.
ZSH = """
compadd() {{ while [[ $1 == -* && $1 != -- ]]; do shift; done; [[ $1 == -- ]] && shift; print -l -- "$@" }}
_files() {{ if [[ $1 == -/ ]]; then print -l -- *(/N); else print -l -- *(N); fi }}
words=({words}); CURRENT={current}
. {script}
"""


def in_zsh(line, env):
    words = line.split(" ")
    script = ZSH.format(words=" ".join(repr(w) for w in words), current=len(words), script=zsh)
    return subprocess.run(["zsh", "-f", "-c", script], env=env, capture_output=True, text=True, timeout=30)


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
    for shell, offer in (("bash", in_bash), ("zsh", in_zsh), ("fish", in_fish)):
        if not shutil.which(shell):
            print(f"{shell} is not installed: its script is not tried")
            continue
        for line, want, unwanted in CASES:
            r = offer(line, env)
            # zsh's compadd does the matching itself, fish appends descriptions
            got = {w.split("\t")[0].rstrip("/") for w in r.stdout.splitlines()}
            if shell == "zsh":
                got = {w for w in got if w.startswith(line.split(" ")[-1])}
            ran += 1
            if r.stderr or not want <= got or unwanted & got:
                bad.append(f"{shell}: '{line}': missing {sorted(want - got)}, unwanted {sorted(unwanted & got)}: {r.stderr}")
print("\n".join(bad) or f"{ran} lines completed")
sys.exit(77 if not ran else 1 if bad else 0)
