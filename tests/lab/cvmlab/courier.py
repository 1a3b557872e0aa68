# SPDX-License-Identifier: LGPL-2.1-or-later
"""The tenant's side of a run: on this machine, while the emulated host runs. The host's `labctl ask VERB IN OUT` comes over
its third serial port; the scenario's `tenant VERB IN OUT` answers, a process of its own that shares nothing with the host."""

import pathlib
import socket
import subprocess

from .serialline import SerialLine

LINE_MAX = 128
FILE_MAX = 1 << 20


class Courier:
    """Serves one run. A context manager; at the end the tenant is called with the verb `end`."""

    def __init__(self, script: pathlib.Path, work: pathlib.Path, env: dict[str, str], on_line):
        """script: the scenario's `tenant`; work: a folder of the tenant's own; on_line gets each line that it prints."""
        self.script, self.work, self.env, self.on_line = script, work, env, on_line
        self._line = SerialLine(self._serve)
        self.serial_port = self._line.port

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self._line.close()
        self._run("end", b"")

    def _serve(self, connection: socket.socket):
        with connection.makefile("rb") as stream:
            while line := stream.readline(LINE_MAX):
                # What the kernel's driver sends when it looks for the port begins no line of ours.
                words = line.split()
                if len(words) != 2 or not words[0].isalpha() or not words[1].isdigit() or int(words[1]) > FILE_MAX:
                    self.on_line(f"courier: not a question: {line!r}")
                    continue
                status, answer = self._run(words[0].decode(), stream.read(int(words[1])))
                connection.sendall(f"{status} {len(answer)}\n".encode() + answer)

    def _run(self, verb: str, question: bytes) -> tuple[int, bytes]:
        """Status and answer; of a failure, what the tenant said."""
        into, out = self.work / f"{verb}.in", self.work / f"{verb}.out"
        into.write_bytes(question)
        out.write_bytes(b"")
        done = subprocess.run([self.script, verb, into, out], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace", env=self.env, timeout=3600)
        for line in done.stdout.splitlines():
            self.on_line(line)
        answer = out.read_bytes() if done.returncode == 0 else done.stdout[-600:].encode()
        return done.returncode & 0x7F, answer[:FILE_MAX]
