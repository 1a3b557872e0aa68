#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The audit log from the outside. RFC 6962 against an implementation of its own; every way to tamper with an export, a
database or a whole log is found, and the untouched one passes; kill -9 loses nothing that was acknowledged.
Arguments: audit-tool, cvmctl."""
import base64
import collections
import hashlib
import json
import os
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import unittest

TOOL, CVMCTL = sys.argv[1], sys.argv[2]
TAMPERED, INCOMPLETE = 6, 7


def sha(data):
    return hashlib.sha256(data).digest()


# RFC 6962, 2.1, as it stands there.
def mth(d):
    if not d:
        return sha(b"")
    if len(d) == 1:
        return sha(b"\0" + d[0])
    k = split(len(d))
    return sha(b"\1" + mth(d[:k]) + mth(d[k:]))


def split(n):
    return 1 << ((n - 1).bit_length() - 1)


def path(m, d):
    if len(d) == 1:
        return []
    k = split(len(d))
    return path(m, d[:k]) + [mth(d[k:])] if m < k else path(m - k, d[k:]) + [mth(d[:k])]


def subproof(m, d, whole):
    if m == len(d):
        return [] if whole else [mth(d)]
    k = split(len(d))
    return subproof(m, d[:k], whole) + [mth(d[k:])] if m <= k else subproof(m - k, d[k:], False) + [mth(d[:k])]


def tool(*args, **kw):
    return subprocess.run([TOOL, *map(str, args)], check=True, capture_output=True, text=True, **kw).stdout


def lines(file):
    return file.read_bytes().split(b"\n")


class Merkle(unittest.TestCase):
    def ask(self, questions):
        out = tool("merkle", input="".join(q + "\n" for q in questions)).splitlines()
        self.assertEqual(len(out), len(questions))
        return [[bytes.fromhex(h) for h in line.split()] for line in out]

    def test_rfc6962(self):
        data = [b"%d" % i for i in range(700)]
        questions, want = [], []
        for n in (*range(0, 20), 255, 256, 257, 511, 512, 513, 700):
            questions.append(f"root {n}")
            want.append([mth(data[:n])])
        for n in (*range(1, 18), 257, 700):
            for i in {0, 1, n // 2, n - 1} & set(range(n)):
                questions.append(f"inclusion {i} {n}")
                want.append(path(i, data[:n]))
            for m in {1, 2, n // 2, n - 1, n, 256, 300} & set(range(1, n + 1)):
                questions.append(f"consistency {m} {n}")
                want.append(subproof(m, data[:n], True))
        for q, got, w in zip(questions, self.ask(questions), want):
            self.assertEqual(got, w, q)
        # The known root of the empty tree.
        self.assertEqual(mth([]).hex(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")


class Log(unittest.TestCase):
    N = 300

    @classmethod
    def setUpClass(cls):
        # Not about durability: no need to wait for a disk.
        shm = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        cls.top = pathlib.Path(tempfile.mkdtemp(prefix="audit-test-", dir=shm))
        cls.log, cls.file = cls.top / "log", cls.top / "export"
        tool("make", cls.log, cls.N)
        tool("export", cls.log, cls.file)
        cls.key = tool("key", cls.log).strip()
        cls.good = lines(cls.file)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.top)

    def verify(self, file, *args, key=None, reports=("report-1.pem", "report-2.pem"), log=None):
        argv = [CVMCTL, "audit", "verify", "--json", "--key", key or self.key]
        for r in reports:
            argv += ["--report-key", (log or self.log) / r]
        r = subprocess.run([*argv, *map(str, args), file], capture_output=True, text=True)
        out = json.loads(r.stdout) if r.stdout else {"error": r.stderr, "findings": []}
        out["codes"] = [f["code"] for f in out["findings"]]
        return r.returncode, out

    def changed(self, new):
        file = self.top / "changed"
        file.write_bytes(b"\n".join(new))
        return file

    def found(self, new, code, index=None, **kw):
        """The changed export is refused, with this code, at this entry; the unchanged one passes the same way."""
        self.assertNotEqual(new, self.good)
        status, out = self.verify(self.changed(new), **kw)
        self.assertEqual(status, TAMPERED, out)
        self.assertIn(code, out["codes"], out)
        if index is not None:
            self.assertIn(index, [f["index"] for f in out["findings"] if f["code"] == code], out)
        self.assertEqual(self.verify(self.file)[0], 0)
        return out

    @staticmethod
    def entry(line):
        return json.loads(line)[1]

    @staticmethod
    def sealed(leaf):
        """An entry's line with the hash made to fit."""
        return b'["' + sha(b"\0" + leaf).hex()[:16].encode() + b'",' + leaf + b"]"

    def leaf(self, i):
        return self.good[1 + i][20:-1]

    def test_control(self):
        status, out = self.verify(self.file)
        self.assertEqual((status, out["verdict"], out["findings"]), (0, "intact", []), out)
        self.assertGreaterEqual(out["to"], self.N)
        self.assertEqual(out["rootvisor_starts"], 2)
        self.assertGreater(out["rootvisor_heads"], 20)
        self.assertEqual(out["rootvisor_anchors"], out["rootvisor_heads"])
        self.assertGreater(out["older_checkpoints"], 5)
        self.assertEqual(out["rootvisor_tail"], 0)

    def test_leaves_independently(self):
        """Root and leaves by the implementation above: the checkpoint signs these very lines."""
        head = json.loads(self.good[0])
        leaves = [line[20:-1] for line in self.good[1:-2]]
        note = head["checkpoint"].split("\n")
        self.assertEqual(int(note[1]), len(leaves))
        self.assertEqual(base64.b64decode(note[2]), mth(leaves))
        for i, line in enumerate(self.good[1:-2]):
            self.assertEqual(json.loads(line)[0], sha(b"\0" + leaves[i]).hex()[:16])
            self.assertEqual(json.loads(leaves[i])["index"], i)

    def test_edit(self):
        for i in (0, 7, 150, len(self.good) - 4):
            new = list(self.good)
            new[1 + i] = new[1 + i].replace(b'"time":', b'"time":1', 1)
            self.found(new, "edited", i)

    def test_edit_and_hash(self):
        i = next(i for i in range(100, 200) if self.entry(self.good[1 + i])["source"] == "cvmd")
        new = list(self.good)
        new[1 + i] = self.sealed(self.leaf(i).replace(b"uid 0", b"uid 1"))
        self.found(new, "anchor")
        self.found(new, "fork")

    def test_edit_last(self):
        """Behind every record of RootVisor and every older checkpoint: the newest root alone finds it."""
        i = len(self.good) - 4
        new = list(self.good)
        new[1 + i] = self.sealed(self.leaf(i).replace(b'"time":', b'"time":1'))
        self.found(new, "root")

    def test_drop(self):
        for i in (0, 42, 200):
            self.found(self.good[:1 + i] + self.good[2 + i:], "dropped", i)

    def test_drop_and_renumber(self):
        i = next(i for i in range(50, 100) if self.entry(self.good[1 + i])["source"] == "cvmd")
        new = self.good[:1 + i]
        for j, line in enumerate(self.good[2 + i:-2], i):
            new.append(self.sealed(line[20:-1].replace(b'{"index":%d,' % (j + 1), b'{"index":%d,' % j)))
        end = json.loads(self.good[-2])["end"] - 1
        new[0] = new[0].replace(b'"to":%d,' % (end + 1), b'"to":%d,' % end)
        self.found(new + [b'{"end":%d}' % end, b""], "fork")

    def test_reorder(self):
        new = list(self.good)
        new[30], new[31] = new[31], new[30]
        self.found(new, "reordered", 29)

    def test_insert(self):
        self.found(self.good[:10] + [self.good[9]] + self.good[10:], "reordered")

    def test_truncate_file(self):
        for n in (2, 100, len(self.good) - 2):
            self.found(self.good[:n] + [b""], "truncated")

    def test_truncate_log(self):
        """A shorter log with a genuine, older checkpoint: only who kept a newer one can tell."""
        old = self.top / "short"
        note = self.top / "note"
        note.write_text(tool("checkpoint", self.log))
        tool("make", old, 1)
        shutil.copytree(self.log, self.top / "cut")
        db = sqlite3.connect(self.top / "cut/audit.db")
        keep = db.execute("SELECT size FROM checkpoint ORDER BY size LIMIT 1 OFFSET 2").fetchone()[0]
        db.executescript(f"DELETE FROM entry WHERE id > {keep}; DELETE FROM checkpoint WHERE size > {keep};"
                         f"DELETE FROM tile WHERE level = 1 AND idx >= {keep // 256}")
        db.close()
        tool("export", self.top / "cut", self.top / "cut.export")
        status, out = self.verify(self.top / "cut.export")
        self.assertIn(status, (0, INCOMPLETE), out)      # by itself it is a log
        status, out = self.verify(self.top / "cut.export", "--checkpoint", note)
        self.assertEqual((status, "truncated" in out["codes"]), (TAMPERED, True), out)

    def test_signature(self):
        head = json.loads(self.good[0])
        head["checkpoint"] = head["checkpoint"].replace("\n%d\n" % head["to"], "\n%d\n" % (head["to"] + 1))
        self.found([json.dumps(head).encode()] + self.good[1:], "signature")

    def test_wrong_key(self):
        tool("make", self.top / "other", 3)
        other = tool("key", self.top / "other").strip()
        status, out = self.verify(self.file, key=other)
        self.assertEqual(status, TAMPERED, out)
        self.assertTrue({"key", "signature"} & set(out["codes"]), out)
        status, out = self.verify(self.file, reports=("report-1.pem",))
        self.assertEqual((status, set(out["codes"]) - {"unsigned"}), (TAMPERED, {"key"}), out)
        # without any, what the heads say of themselves holds, and the output says that it is no more than that
        status, out = self.verify(self.file, reports=())
        self.assertEqual((status, out["report_key_checked"]), (0, False), out)

    def forge(self, name, sql):
        """What host root can do: change the database, hash and sign it anew with the log's own key."""
        edited, forged = self.top / f"{name}-edited", self.top / f"{name}-forged"
        shutil.copytree(self.log, edited)
        db = sqlite3.connect(edited / "audit.db")
        db.executescript(sql)
        db.close()
        tool("forge", edited, forged)
        file = self.top / f"{name}.export"
        tool("export", forged, file)
        return file

    def test_forge_control(self):
        """Signed anew without a change, everything fits: the findings below are about the changes."""
        self.assertEqual(self.verify(self.forge("control", "SELECT 1"))[0], 0)

    def test_forge_edit(self):
        note = self.top / "kept"
        note.write_text(tool("checkpoint", self.log))
        file = self.forge("edit", "UPDATE entry SET who = 'nobody' WHERE id = (SELECT min(id) FROM entry WHERE id > 30 AND source = 'cvmd')")
        status, out = self.verify(file)
        self.assertEqual((status, set(out["codes"])), (TAMPERED, {"anchor"}), out)  # RootVisor remembers
        status, out = self.verify(file, "--checkpoint", note)
        self.assertIn("fork", out["codes"], out)                                    # and so does a kept checkpoint

    def test_forge_drop_and_insert(self):
        file = self.forge("drop", "DELETE FROM entry WHERE id = 32")
        self.assertIn("anchor", self.verify(file)[1]["codes"])
        file = self.forge("insert", "UPDATE entry SET id = -id WHERE id > 40; UPDATE entry SET id = 1 - id WHERE id < 0;"
                                    "INSERT INTO entry SELECT 41, time, source, machine, uuid, event, reason, message, who,"
                                    "boot_id, NULL, arg0, arg1, raw, hash FROM entry WHERE id = 3 AND source = 'cvmd'")
        self.assertIn("anchor", self.verify(file)[1]["codes"])

    def test_forge_events(self):
        """RootVisor's own events: edited, taken out, put in another order, given to another start."""
        event = self.entry(next(line for line in self.good[90:] if b'"source":"rootvisor"' in line and b'"denied"' in line))
        n = event["index"] + 1
        raw = bytearray.fromhex(event["raw"])
        raw[32 + 48] ^= 1
        arg = int.from_bytes(raw[80:88], "little")
        for name, sql, code in (
                ("event-raw", f"UPDATE entry SET raw = x'{raw.hex()}', arg0 = {arg} WHERE id = {n}", "edited"),
                ("event-story", f"UPDATE entry SET arg0 = 4711 WHERE id = {n}", "edited"),
                ("event-drop", f"DELETE FROM entry WHERE id = {n}", "dropped"),
                ("event-boot", f"UPDATE entry SET boot_id = 'boot-9' WHERE id = {n}", "dropped")):
            status, out = self.verify(self.forge(name, sql))
            self.assertEqual(status, TAMPERED, out)
            self.assertIn(code, out["codes"], (name, out))

    def test_forge_without_rootvisor(self):
        """All that RootVisor said taken out: there is nothing to verify, and that is not called intact with a key given."""
        status, out = self.verify(self.forge("silent", "DELETE FROM entry WHERE event = 'head'"))
        self.assertEqual((status, "unsigned" in out["codes"]), (TAMPERED, True), out)
        status, out = self.verify(self.forge("mute", "DELETE FROM entry WHERE source = 'rootvisor'"))
        self.assertEqual((status, out["codes"]), (INCOMPLETE, ["unsigned"] * 2), out)
        # one start of two
        status, out = self.verify(self.forge("half", "DELETE FROM entry WHERE boot_id = 'boot-2'"))
        self.assertEqual((status, out["codes"]), (INCOMPLETE, ["unsigned"]), out)

    def test_replay_of_another_boot(self):
        heads = [self.entry(line) for line in self.good[1:-2] if b'"event":"head"' in line]
        first = [h for h in heads if h["boot"] == "boot-1"][-1]
        second = [h for h in heads if h["boot"] == "boot-2"]
        for name, victim in (("first", second[0]), ("last", second[-1])):
            file = self.forge(f"replay-{name}", f"UPDATE entry SET raw = (SELECT raw FROM entry WHERE id = {first['index'] + 1})"
                                                f" WHERE id = {victim['index'] + 1}")
            status, out = self.verify(file)
            self.assertEqual(status, TAMPERED, out)
            self.assertIn("foreign-head", out["codes"], out)
        # an older head of the same start
        file = self.forge("replay-old", f"UPDATE entry SET raw = (SELECT raw FROM entry WHERE id = {second[0]['index'] + 1})"
                                        f" WHERE id = {second[3]['index'] + 1}")
        self.assertIn("foreign-head", self.verify(file)[1]["codes"])

    def test_database_edit(self):
        """The naive attack, and what cvmd says at its next start."""
        log = self.top / "naive"
        shutil.copytree(self.log, log)
        db = sqlite3.connect(log / "audit.db")
        db.executescript("UPDATE entry SET message = 'nothing happened' WHERE id = 50")
        db.close()
        tool("export", log, self.top / "naive.export")
        status, out = self.verify(self.top / "naive.export")
        self.assertEqual((status, out["findings"][0]["code"], out["findings"][0]["index"]), (TAMPERED, "edited", 49), out)
        db = sqlite3.connect(log / "audit.db")
        db.executescript("DELETE FROM entry WHERE id BETWEEN 20 AND 25")
        db.close()
        r = subprocess.run([TOOL, "export", log, self.top / "naive.export"], capture_output=True, text=True, check=True)
        self.assertIn("audit log was changed", r.stderr)
        out = self.verify(self.top / "naive.export")[1]
        self.assertIn(("dropped", 19), [(f["code"], f["index"]) for f in out["findings"]], out)

    def test_gap(self):
        """Events that were lost before cvmd read them: said, counted by type, not called tampering, not called intact."""
        log = self.top / "gap"
        tool("make", log, 100, "gap")
        tool("export", log, self.top / "gap.export")
        status, out = self.verify(self.top / "gap.export", log=log, key=tool("key", log).strip())
        self.assertEqual((status, out["rootvisor_lost"], set(out["codes"])), (INCOMPLETE, 5, {"gap"}), out)
        self.assertTrue(any("1 vm-stopped, 4 denied" in f["text"] for f in out["findings"]), out)

    def test_parts(self):
        """A part of the log is verified as such; the parts fit together."""
        for a, b in ((0, 100), (100, 256), (256, 300), (17, 18), (300, 300)):
            tool("export", self.log, self.top / "part", a, b)
            status, out = self.verify(self.top / "part")
            self.assertIn(status, (0, INCOMPLETE), (a, b, out))
            self.assertEqual(set(out["codes"]) - {"unsigned"}, set(), (a, b, out))
            self.assertEqual((out["from"], out["to"]), (a, b))
            new = lines(self.top / "part")
            if b - a > 2:
                i = 1 + (b - a) // 2
                new[i] = self.sealed(new[i][20:-1].replace(b'"time":', b'"time":1', 1))
                status, out = self.verify(self.changed(new))
                self.assertEqual(status, TAMPERED, (a, b, out))

    def test_nonsense(self):
        for text in (b"", b"\n", b"{}\n", b"[1,2]\n", b'{"format":"cvmd-audit-2"}\n', b"\0" * 5000, self.good[0][:200]):
            status, out = self.verify(self.changed([text]))
            self.assertEqual(status, 1, (text, out))
        r = subprocess.run([CVMCTL, "audit", "verify", self.file], capture_output=True, text=True)
        self.assertEqual((r.returncode, "--key" in r.stderr), (2, True))
        self.assertEqual(self.verify("/nonexistent")[0], 1)


class Writers(unittest.TestCase):
    def test_kill(self):
        """kill -9 at any moment: what was acknowledged is there, once, and the tree is that of the entries."""
        top = pathlib.Path(tempfile.mkdtemp(prefix="audit-kill-"))
        told = collections.Counter()
        for i in range(8):
            p = subprocess.Popen([TOOL, "append", top, "8", "100000"], stdout=subprocess.PIPE)
            head = [p.stdout.readline() for _ in range(1 + 40 * i)]
            p.send_signal(signal.SIGKILL)
            out = b"".join([*head, p.stdout.read()]).decode()
            p.stdout.close()
            p.wait()
            told.update(line for line in out.split("\n")[:-1])
            size = int(tool("check", top))
            with sqlite3.connect(top / "audit.db") as db:
                there = collections.Counter(" ".join(m.split()[:2]) for (m,) in db.execute("SELECT message FROM entry"))
            self.assertEqual(sum(there.values()), size)
            missing = told - there
            self.assertFalse(missing, f"acknowledged and lost: {missing}")
        self.assertGreater(size, 100)
        tool("export", top, top / "export")
        r = subprocess.run([CVMCTL, "audit", "verify", "--key", tool("key", top).strip(), top / "export"], capture_output=True,
                           text=True)
        self.assertEqual(r.returncode, 0, r.stdout)
        self.assertEqual(os.stat(top / "audit.key").st_mode & 0o777, 0o600)
        shutil.rmtree(top)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0]])
