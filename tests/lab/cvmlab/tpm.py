# SPDX-License-Identifier: LGPL-2.1-or-later
"""A TPM 2.0 for the emulated machine, which has none: swtpm behind its second serial port.

Bochs carries single bytes, swtpm wants a command in one piece: a thread here puts them together. The TPM is
manufactured for the run, with EK certificates of a CA made for the run; it is reset when the run starts, and
not when the emulated machine resets itself.
"""

import hashlib
import os
import pathlib
import re
import shutil
import socket
import struct
import subprocess
import time

from .emulator import LabError
from .serialline import LISTEN, SerialLine

HEADER = 10             # of commands and answers: tag, size, code
LARGEST = 4096
BANKS = (("sha256", 0x0B), ("sha384", 0x0C))
EV_SEPARATOR, EV_S_CRTM_VERSION, EV_IPL = 4, 8, 13


def size_of(header: bytes) -> int:
    """The size that a command or answer names, 0 if it cannot be one."""
    size = int.from_bytes(header[2:6], "big")
    return size if HEADER <= size <= LARGEST else 0


def receive(stream: socket.socket, count: int) -> bytes:
    """Exactly so many bytes, fewer at the end of the stream."""
    data = b""
    while len(data) < count:
        chunk = stream.recv(count - len(data))
        if not chunk:
            break
        data += chunk
    return data


def tool(argv: list, env: dict[str, str] | None = None) -> str:
    """What a program prints; LabError if it fails."""
    done = subprocess.run([str(a) for a in argv], stdin=subprocess.DEVNULL, capture_output=True, text=True, env=env, timeout=600)
    if done.returncode:
        raise LabError(f"{argv[0]} failed with status {done.returncode}: {done.stderr[-1000:]}")
    return done.stdout


def pcrs(text: str) -> dict[str, dict[int, str]]:
    """PCRs by bank as tpm2_pcrread and tpm2_eventlog print them: lower-case hexadecimal."""
    banks: dict[str, dict[int, str]] = {}
    bank = None
    for line in text.splitlines():
        if found := re.fullmatch(r"\s*(sha\w+|sm3\w+)\s*:\s*", line):
            bank = banks.setdefault(found.group(1), {})
        elif (found := re.fullmatch(r"\s*(\d+)\s*:\s*0x([0-9A-Fa-f]+)\s*", line)) and bank is not None:
            bank[int(found.group(1))] = found.group(2).lower()
    return {name: values for name, values in banks.items() if values}


class Tpm:
    """One swtpm and its serial line. A context manager."""

    def __init__(self, work: pathlib.Path):
        """work: a folder of its own; what was in it is gone."""
        for tool in ("swtpm", "swtpm_setup", "swtpm_localca"):
            if not shutil.which(tool):
                raise LabError(f"{tool} is not installed: see tests/lab/deps.txt")
        shutil.rmtree(work, ignore_errors=True)
        self.work, self.ca, self.state = work, work / "ca", work / "state"
        for folder in (self.ca, self.state):
            folder.mkdir(parents=True)
        self.commands = 0
        self._upstream = None
        self._manufacture(",".join(name for name, _ in BANKS))
        self.process, self.port = self._start()
        self._line = SerialLine(self._serve)
        self.serial_port = self._line.port

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    @property
    def roots(self) -> list[pathlib.Path]:
        """Certificates of the CA that certified the EK: root first."""
        return [self.ca / "swtpm-localca-rootca-cert.pem", self.ca / "issuercert.pem"]

    @property
    def tcti(self) -> str:
        """For tpm2-tools on this machine, after disconnect()."""
        return f"swtpm:host={LISTEN},port={self.port}"

    def _manufacture(self, banks: str):
        (self.work / "localca.conf").write_text("".join(f"{key} = {self.ca / name}\n" for key, name in (
            ("statedir", ""), ("signingkey", "signkey.pem"), ("issuercert", "issuercert.pem"), ("certserial", "certserial"))))
        (self.work / "localca.options").write_text("--platform-manufacturer cvmd\n--platform-version 1\n--platform-model lab\n")
        (self.work / "setup.conf").write_text(
            f"create_certs_tool = {shutil.which('swtpm_localca')}\ncreate_certs_tool_config = {self.work}/localca.conf\n"
            f"create_certs_tool_options = {self.work}/localca.options\n")
        done = subprocess.run(["swtpm_setup", "--tpm2", "--tpm-state", self.state, "--create-ek-cert", "--pcr-banks", banks,
                               "--config", self.work / "setup.conf"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace", timeout=1200)
        if done.returncode:
            raise LabError(f"swtpm_setup failed with status {done.returncode}:\n{done.stdout[-2000:]}")

    def _start(self) -> tuple[subprocess.Popen, int]:
        for _ in range(10):
            with socket.create_server((LISTEN, 0)) as probe:
                port = probe.getsockname()[1]
            process = subprocess.Popen(
                ["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={self.state}", "--flags", "not-need-init",
                 "--server", f"type=tcp,port={port},bindaddr={LISTEN}",
                 "--ctrl", f"type=tcp,port={port + 1},bindaddr={LISTEN}", "--log", f"file={self.work}/swtpm.log,level=1"],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
            deadline = time.monotonic() + 60
            while process.poll() is None and time.monotonic() < deadline:
                try:
                    self._upstream = socket.create_connection((LISTEN, port), timeout=600)
                    return process, port
                except OSError:
                    time.sleep(0.05)
            if process.poll() is None:
                process.kill()
            process.wait()
        raise LabError("swtpm does not start")

    def transact(self, command: bytes) -> bytes:
        """One command to the TPM and its answer."""
        self._upstream.sendall(command)
        answer = receive(self._upstream, HEADER)
        if len(answer) < HEADER or not size_of(answer):
            raise LabError("swtpm gave no answer")
        return answer + receive(self._upstream, size_of(answer) - HEADER)

    def play_firmware(self, config: str, files: dict[str, pathlib.Path]) -> bytes:
        """Measures as firmware and GRUB do on a machine that has a TPM (the emulated one knows of none), before it starts.
        Returns the event log. config: grub.cfg; files: what GRUB loads, by name below /boot."""
        self._run(0x144, b"\0\0", 0x8001)
        spec = b"Spec ID Event03\0" + struct.pack("<IBBBBI", 0, 0, 2, 2, 2, len(BANKS)) + b"".join(
            struct.pack("<HH", alg, hashlib.new(name).digest_size) for name, alg in BANKS) + b"\0"
        log = struct.pack("<II20xI", 0, 3, len(spec)) + spec
        events = [(0, EV_S_CRTM_VERSION, b"lab", b"lab")]
        events += [(pcr, EV_SEPARATOR, bytes(4), bytes(4)) for pcr in range(8)]
        events.append((4, EV_IPL, pathlib.Path("/usr/lib/grub/i386-pc/kernel.img").read_bytes(), b"grub\0"))
        events += [(8, EV_IPL, line.encode(), f"grub_cmd: {line}".encode() + b"\0")
                   for line in map(str.strip, config.splitlines()) if line]
        events += [(9, EV_IPL, path.read_bytes(), f"/boot/{name}".encode() + b"\0") for name, path in sorted(files.items())]
        for pcr, kind, measured, data in events:
            digests = struct.pack(">I", len(BANKS))
            log += struct.pack("<III", pcr, kind, len(BANKS))
            for name, alg in BANKS:
                digest = hashlib.new(name, measured).digest()
                digests += struct.pack(">H", alg) + digest
                log += struct.pack("<H", alg) + digest
            log += struct.pack("<I", len(data)) + data
            self._run(0x182, struct.pack(">IIIHBH", pcr, 9, 0x40000009, 0, 0, 0) + digests, 0x8002)
        return log

    def _run(self, code: int, body: bytes, tag: int):
        answer = self.transact(struct.pack(">HII", tag, HEADER + len(body), code) + body)
        if answer[6:10] != bytes(4):
            raise LabError(f"swtpm refuses command {code:#x}: {answer.hex()}")

    def _serve(self, stream: socket.socket):
        """Follows the serial line until the emulator ends. Bytes that begin no command are dropped."""
        data = b""
        while chunk := stream.recv(LARGEST):
            data += chunk
            while len(data) >= HEADER:
                # 8001h, 8002h: what a probing driver sends is no command.
                if data[:1] != b"\x80" or data[1] not in (1, 2) or not size_of(data):
                    data = data[1:]
                    continue
                if len(data) < size_of(data):
                    break
                command, data = data[:size_of(data)], data[size_of(data):]
                self.commands += 1
                stream.sendall(self.transact(command))

    def disconnect(self):
        """Ends the serial line; the TPM goes on, for others."""
        self._line.close()
        if self._upstream:
            self._upstream.close()

    def stop(self):
        self.disconnect()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def compare(self, log: bytes, seen: str) -> str:
        """What a replay of the log by tpm2_eventlog, PCRs 12 and 13 read by tpm2_pcrread, and PCR 12 of bank sha256 as the
        host saw it disagree in; ends the serial line."""
        self.disconnect()
        path = self.work / "eventlog"
        path.write_bytes(log)
        replayed = pcrs(tool(["tpm2_eventlog", path]).partition("\npcrs:\n")[2])
        read = pcrs(tool(["tpm2_pcrread"], self.environment()))
        if "sha256" not in read:
            return "tpm2_pcrread shows no bank sha256"
        for bank in read:
            for pcr in (12, 13):
                expected = replayed.get(bank, {}).get(pcr)
                if expected is None or int(expected, 16) == 0:
                    return f"the event log says nothing of PCR {pcr}, bank {bank}"
                if read[bank].get(pcr) != expected:
                    return f"PCR {pcr}, bank {bank}: the log makes {expected}, the TPM has {read[bank].get(pcr)}"
        if read["sha256"][12] != seen:
            return f"the host read PCR 12 as {seen or 'nothing'}"
        return ""

    def environment(self) -> dict[str, str]:
        """For tpm2-tools, after disconnect()."""
        return dict(os.environ, TPM2TOOLS_TCTI=self.tcti)
