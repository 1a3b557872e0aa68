# SPDX-License-Identifier: LGPL-2.1-or-later
"""The tenant's side of a run: on this machine, while the emulated host runs. The host's `labctl ask VERB IN OUT` comes over
its third serial port; the scenario's `tenant VERB IN OUT` answers, a process of its own that shares nothing with the host."""

import pathlib
import socket
import subprocess
import threading

LISTEN = "127.0.0.1"
LINE_MAX = 128
FILE_MAX = 1 << 20


class Courier:
    """Serves one run. A context manager; at the end the tenant is called with the verb `end`."""

    def __init__(self, script: pathlib.Path, work: pathlib.Path, env: dict[str, str], on_line):
        """script: the scenario's `tenant`; work: a folder of the tenant's own; on_line gets each line that it prints."""
        self.script, self.work, self.env, self.on_line = script, work, env, on_line
        self._stream = None
        self._listener = socket.create_server((LISTEN, 0))
        self.serial_port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        for stream in (self._stream, self._listener):
            if stream:
                try:
                    stream.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
                stream.close()
        self._thread.join(60)
        self._run("end", b"")

    def _serve(self):
        try:
            self._stream, _ = self._listener.accept()
            with self._stream.makefile("rb") as stream:
                while line := stream.readline(LINE_MAX):
                    # What the kernel's driver sends when it looks for the port begins no line of ours.
                    words = line.split()
                    if len(words) != 2 or not words[0].isalpha() or not words[1].isdigit() or int(words[1]) > FILE_MAX:
                        self.on_line(f"courier: not a question: {line!r}")
                        continue
                    status, answer = self._run(words[0].decode(), stream.read(int(words[1])))
                    self._stream.sendall(f"{status} {len(answer)}\n".encode() + answer)
        except OSError:
            pass                # the emulator was stopped

    def _run(self, verb: str, question: bytes) -> tuple[int, bytes]:
        """Status and answer; of a failure, what the tenant said."""
        into, out = self.work / f"{verb}.in", self.work / f"{verb}.out"
        into.write_bytes(question)
        out.write_bytes(b"")
        done = subprocess.run([self.script, verb, into, out], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace", env=self.env, timeout=600)
        for line in done.stdout.splitlines():
            self.on_line(line)
        answer = out.read_bytes() if done.returncode == 0 else done.stdout[-600:].encode()
        return done.returncode & 0x7F, answer[:FILE_MAX]
