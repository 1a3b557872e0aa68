# SPDX-License-Identifier: LGPL-2.1-or-later
"""Bochs: what a given binary can do, its configuration file, one run of it.

Two kinds of build matter. Debian's 2.7 has plugins (display sdl2, plugin_ctrl) and an internal
debugger that starts at a prompt; a plain 3.0 build has neither. Everything that depends on
this stands in this file.
"""

import dataclasses
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time


class LabError(Exception):
    """The lab itself cannot go on (not: a test failed)."""


# Lines on the serial port after which waiting longer is pointless.
FATAL = [
    (re.compile(r"ROOTVISOR PANIC.*"), "RootVisor panicked"),
    (re.compile(r"Kernel panic - not syncing.*"), "the host kernel panicked"),
    (re.compile(r"ROOTVISOR HALT.*"), "RootVisor halted"),
    (re.compile(r"HOSTBOOT HALT.*"), "hostboot found no way into Linux"),
    (re.compile(r"error: .*(multiboot|file `).*"), "GRUB failed"),
]


@dataclasses.dataclass(frozen=True)
class Bochs:
    """One emulator binary and its two properties that change how it is driven."""
    path: str
    plugins: bool
    debugger: bool
    version: str

    @staticmethod
    def find(path: str | None = None) -> "Bochs":
        path = path or os.environ.get("BOCHS") or "bochs"
        found = shutil.which(path)
        if not found:
            raise LabError(f"no emulator '{path}': install bochs or set BOCHS=")
        # Debian's /usr/bin/bochs is a wrapper that looks for a user's configuration; the binary
        # stands beside it.
        if os.path.exists(found + "-bin"):
            found += "-bin"
        asked = subprocess.run([found, "--help"], stdin=subprocess.DEVNULL, timeout=300, text=True,
                               errors="replace", stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        features = subprocess.run([found, "--help", "cpu"], stdin=subprocess.DEVNULL, timeout=300, text=True,
                                  errors="replace", stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        version = re.search(r"Bochs x86 Emulator (\S+)", asked.stdout + features.stdout)
        return Bochs(found, "LTDL_LIBRARY_PATH" in asked.stdout, "\n  -rc " in asked.stdout,
                     version.group(1) if version else "unknown")

    @property
    def environment(self) -> dict[str, str]:
        """What programs under it must be told. Bochs 2 computes ADCX or ADOX wrongly for some operands, and OpenSSL
        refuses good P-256 signatures then: bit 19 is ADX."""
        return {"OPENSSL_ia32cap": ":~0x80000"} if self.version.startswith("2.") else {}


@dataclasses.dataclass
class Config:
    """The emulated machine. Paths of media may be None."""
    memory_mib: int = 1024
    cpus: int = 1
    model: str = "broadwell_ult"
    cdrom: pathlib.Path | None = None
    disk: pathlib.Path | None = None
    disk2: pathlib.Path | None = None
    boot: str = "cdrom"
    com2_port: int | None = None        # of servers on this machine: the second serial port
    com3_port: int | None = None        # and the third
    ips: int = 50_000_000
    log: bool = True                    # what the emulator has to say while all is well; not for runs of hours

    def text(self, bochs: Bochs, workdir: pathlib.Path) -> str:
        lines = []
        if bochs.plugins:
            lines += ["display_library: sdl2", "plugin_ctrl: speaker=0, gameport=0, parallel=0"]
        else:
            lines += ["display_library: nogui"]
        lines += [
            f"megs: {self.memory_mib}",
            "romimage: file=/usr/share/bochs/BIOS-bochs-latest",
            "vgaromimage: file=/usr/share/vgabios/vgabios.bin",
            f"cpu: model={self.model}, count={self.cpus}, ips={self.ips}, reset_on_triple_fault=0",
            "clock: sync=none, time0=1700000000",
            "panic: action=fatal",
            f"error: action={'report' if self.log else 'ignore'}",
            f"info: action={'report' if self.log else 'ignore'}",
            "debug: action=ignore",
            f"log: {workdir}/bochs.log",
            "port_e9_hack: enabled=1",
            f"com1: enabled=1, mode=file, dev={workdir}/serial.txt",
            f"boot: {self.boot}",
        ]
        for name, port in (("com2", self.com2_port), ("com3", self.com3_port)):
            if port:
                lines.append(f"{name}: enabled=1, mode=socket-client, dev=127.0.0.1:{port}")
        for name, image in (("ata0-master", self.disk), ("ata0-slave", self.disk2)):
            if image:
                lines.append(f'{name}: type=disk, path="{image}", mode=flat')
        if self.cdrom:
            lines += ["ata1: enabled=1, ioaddr1=0x170, ioaddr2=0x370, irq=15",
                      f'ata1-master: type=cdrom, path="{self.cdrom}", status=inserted']
        return "\n".join(lines) + "\n"


@dataclasses.dataclass
class Result:
    """How a run ended. `end` is one of done, shutdown, fatal, hang, timeout, exit."""
    end: str
    message: str
    seconds: float
    serial: str
    ticks: int | None


class Run:
    """One emulator process. Follow its serial lines with lines(); always stops the process."""

    def __init__(self, bochs: Bochs, config: Config, workdir: pathlib.Path):
        self.workdir = workdir
        workdir.mkdir(parents=True, exist_ok=True)
        self.serial_path = workdir / "serial.txt"
        self.serial_path.write_bytes(b"")
        rc = workdir / "bochsrc"
        rc.write_text(config.text(bochs, workdir))
        argv = [bochs.path, "-q", "-f", str(rc)]
        if bochs.debugger:
            commands = workdir / "debugger.rc"
            # `c` leaves the first prompt; `q` ends the run when the guest breaks in.
            commands.write_text("c\nq\n")
            argv += ["-rc", str(commands)]
        env = dict(os.environ, SDL_VIDEODRIVER="dummy", SDL_AUDIODRIVER="dummy")
        self.start = time.monotonic()
        self.stdout = open(workdir / "console.txt", "wb")
        # Bochs built with show-ips logs from its SIGALRM handler, and waits for ever for its own lock when the
        # signal comes in the middle of a log line. What is blocked here stays blocked in it.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
        try:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=self.stdout,
                                            stderr=subprocess.STDOUT, env=env, cwd=workdir, start_new_session=True)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self.end, self.message = "exit", ""
        self._cpu = 0.0

    def stop(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.stdout.close()

    def lines(self, timeout: float, hang: float):
        """Yields serial lines as they come, until the emulator ends, `timeout` seconds passed in all, or
        the emulator used `hang` seconds of CPU without a byte (of CPU: the test machine may be busy, and a
        stopped one is no hang); ten times that by the clock is a hang too. Says in self.end and self.message why it ended."""
        buffer, last, last_cpu = b"", time.monotonic(), self.cpu_seconds()
        with open(self.serial_path, "rb") as serial:
            while True:
                ended = self.process.poll() is not None
                chunk = serial.read()
                if chunk:
                    last, last_cpu = time.monotonic(), self.cpu_seconds()
                    buffer += chunk
                    *whole, buffer = buffer.split(b"\n")
                    for raw in whole:
                        line = clean(raw)
                        yield line
                        for pattern, what in FATAL:
                            if found := pattern.search(line):
                                self.end, self.message = "fatal", f"{what}: {found.group(0)}"
                    if self.end == "fatal":
                        self._settle()
                        return
                elif ended:
                    if buffer:
                        yield clean(buffer)
                    self._ended()
                    return
                now = time.monotonic()
                if now - self.start > timeout:
                    self.end, self.message = "timeout", f"no end after {timeout:.0f} s; last line: {clean(buffer)!r}"
                    return
                if self.cpu_seconds() - last_cpu > hang or now - last > 10 * hang:
                    self.end, self.message = "hang", f"nothing on the serial line for {now - last:.0f} s"
                    return
                time.sleep(0.05)

    def cpu_seconds(self) -> float:
        """CPU time of the emulator so far; what it used last once it has ended."""
        try:
            fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
            self._cpu = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        except OSError:
            pass
        return self._cpu

    def _settle(self):
        """Lets the lines that follow a panic reach the file."""
        deadline = time.monotonic() + 2
        while self.process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)

    def _ended(self):
        log = self.log()
        if "Shutdown port: shutdown requested" in log or "User requested shutdown" in log or self.process.returncode == 0:
            self.end, self.message = "shutdown", "the machine ended itself"
            return
        panics = re.findall(r"^\d+p\[[^\n]*", log, re.M)
        self.end = "exit"
        self.message = f"the emulator ended with status {self.process.returncode}" + (
            f": {panics[-1]}" if panics else "")

    def log(self) -> str:
        path = self.workdir / "bochs.log"
        if not path.exists():
            return ""
        size = path.stat().st_size
        with open(path, "rb") as log:
            log.seek(max(0, size - 65536))
            return log.read().decode(errors="replace")

    def ticks(self) -> int | None:
        """Instructions at the last line of the emulator's log."""
        stamps = re.findall(r"^(\d{11,})[ipe]\[", self.log(), re.M)
        return int(stamps[-1]) if stamps else None

    def result(self) -> Result:
        return Result(self.end, self.message, time.monotonic() - self.start,
                      self.serial_path.read_bytes().decode(errors="replace"), self.ticks())


def clean(raw: bytes) -> str:
    """A serial line as text, without carriage returns and terminal escapes."""
    return re.sub(r"\x1b(\[[0-9;?]*[A-Za-z]|[c=>]|\][^\x07]*\x07)", "", raw.decode(errors="replace")).replace("\r", "")
