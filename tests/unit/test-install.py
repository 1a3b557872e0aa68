#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""meson install into an empty directory puts there what install.list says, and nothing else; the catalog is one, its
message ids are cvmd's. Arguments: source root, build root."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

source, build = map(pathlib.Path, sys.argv[1:3])
bad = []
wanted = {line.split()[1]: line.split()[0] for line in (source / "tests/unit/install.list").read_text().splitlines()
          if line and not line.startswith("#")}
with tempfile.TemporaryDirectory() as tmp:
    done = subprocess.run(["meson", "install", "-C", build, "--no-rebuild", "--quiet"], capture_output=True, text=True,
                          env=dict(os.environ, DESTDIR=tmp))
    assert done.returncode == 0, done.stdout + done.stderr
    found = {}
    for path in pathlib.Path(tmp).rglob("*"):
        if path.is_file() and not path.is_symlink():
            found["/" + str(path.relative_to(tmp))] = f"{path.stat().st_mode & 0o7777:04o}"
    bad += [f"{p} is installed and not in install.list" for p in sorted(found.keys() - wanted.keys())]
    bad += [f"{p} is in install.list and not installed" for p in sorted(wanted.keys() - found.keys())]
    bad += [f"{p} has mode {found[p]}, not {wanted[p]}" for p in sorted(found.keys() & wanted.keys()) if found[p] != wanted[p]]

    if shutil.which("journalctl"):
        subprocess.run(["journalctl", f"--root={tmp}", "--update-catalog"], check=True, capture_output=True)
        dump = subprocess.run(["journalctl", f"--root={tmp}", "--dump-catalog"], check=True, capture_output=True,
                              text=True).stdout
        in_catalog = set(re.findall(r"^-- ([0-9a-f]{32})", dump, re.M))
        in_source = set(re.findall(r'"([0-9a-f]{32})"', (source / "cvmd/journal.c").read_text()))
        assert len(in_source) >= 10, in_source
        if in_catalog != in_source:
            bad.append(f"only in the catalog: {in_catalog - in_source}; only in cvmd: {in_source - in_catalog}")
    if shutil.which("systemd-sysusers"):
        # In a root of its own; it makes the group there.
        pathlib.Path(tmp, "etc").mkdir(exist_ok=True)
        r = subprocess.run(["systemd-sysusers", f"--root={tmp}", "cvmd.conf"], capture_output=True, text=True)
        group = pathlib.Path(tmp, "etc/group")
        if r.returncode or not group.exists() or "cvmd:" not in group.read_text():
            bad.append(f"systemd-sysusers makes no group: {r.stderr}")
print("\n".join(bad) or f"{len(wanted)} files installed as listed")
sys.exit(1 if bad else 0)
