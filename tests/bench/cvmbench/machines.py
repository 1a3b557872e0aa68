# SPDX-License-Identifier: LGPL-2.1-or-later
"""The runs of the emulator that the figures come from. Each is made at most once an invocation."""

import dataclasses
import json
import pathlib
import re
import subprocess
import sys
import time

TOP = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(TOP / "tests" / "lab"))
from cvmlab import emulator, guest, host, packages, paths  # noqa: E402

from .figures import BenchError  # noqa: E402
from .moment import Span  # noqa: E402

HERE = TOP / "tests" / "bench"
FAST_CLOCK = 1_000_000_000


@dataclasses.dataclass
class Settings:
    build: pathlib.Path
    out: pathlib.Path
    bochs: str | None
    quick: bool
    timeout: float      # of one run of the emulator, in seconds

    @property
    def rounds(self) -> int:
        """Exits of each kind."""
        return 200 if self.quick else 1000

    @property
    def pages(self) -> int:
        return 256 if self.quick else 1024

    @property
    def idle_seconds(self) -> int:
        """Of the emulated host's clock."""
        return 30


def side(rootvisor: bool) -> str:
    return "with RootVisor" if rootvisor else "natively"


def say(text: str):
    print(f"bench: {text}", file=sys.stderr, flush=True)


@dataclasses.dataclass
class MiniRun:
    """What the guests of the mini host cost; keys are the names in host/mini.sh."""
    facts: dict[str, dict]
    init_tsc: int

    def fact(self, name: str) -> dict:
        if name not in self.facts:
            raise BenchError(f"the mini host did not report '{name}'")
        return self.facts[name]

    def span(self, name: str) -> Span:
        return Span(self.fact(name)["before"], self.fact(name)["after"])

    def each(self, name: str) -> float:
        """Ticks of one of the fact's operations."""
        return self.fact(name)["ticks"] / self.fact(name)["n"]

    def kvmtest(self, kind: str) -> float:
        found = re.search(rf"exits {kind} (\d+) ticks (\d+)", self.fact("kvmtest")["lines"])
        if not found:
            raise BenchError(f"kvmtest measured no {kind}")
        return int(found.group(2)) / int(found.group(1))


@dataclasses.dataclass
class HostRun:
    """The boot of the Debian host and an idle interval after it."""
    boot_tsc: int
    up: dict
    idle: Span


class Machines:
    """Runs the emulator when a figure first asks for a run."""

    def __init__(self, settings: Settings):
        self.settings = settings
        self._mini: dict[bool, MiniRun] = {}
        self._fast: MiniRun | None = None
        self._guardian: dict[str, int] = {}
        self._host: dict[bool, HostRun] = {}
        self._emulator = None

    def emulator(self) -> emulator.Bochs:
        if not self._emulator:
            self._emulator = emulator.Bochs.find(self.settings.bochs)
        return self._emulator

    def description(self) -> str:
        """What the figures come from."""
        what = f"bochs {self._emulator.version}" if self._emulator else "no emulator"
        return f"{what}{', quick' if self.settings.quick else ''}"

    def mini(self, rootvisor: bool) -> MiniRun:
        if rootvisor not in self._mini:
            self._mini[rootvisor] = self._run_mini(rootvisor)
        return self._mini[rootvisor]

    def mini_fast_clock(self) -> MiniRun:
        """With RootVisor, the guests' loads alone, and FAST_CLOCK instructions between two seconds of the emulated clock."""
        if not self._fast:
            self._fast = self._run_mini(True, FAST_CLOCK)
        return self._fast

    def host(self, rootvisor: bool) -> HostRun:
        if rootvisor not in self._host:
            self._host[rootvisor] = self._run_host(rootvisor)
        return self._host[rootvisor]

    def guardian(self) -> dict[str, int]:
        """What the Guardian's operations cost: tests/integration/guardian-tcg (QEMU, one tick an instruction)."""
        if not self._guardian:
            say("guardian-tcg")
            try:
                done = subprocess.run([TOP / "tests/integration/guardian-tcg", self.settings.build], stdin=subprocess.DEVNULL,
                                      stdout=subprocess.PIPE, text=True, timeout=600)
            except subprocess.TimeoutExpired as error:
                raise BenchError(f"guardian-tcg did not end in {error.timeout:.0f} s") from error
            counted = [line.split(") ", 1)[1] for line in done.stdout.splitlines() if line.startswith("# instructions")]
            if done.returncode or not counted:
                raise BenchError(f"guardian-tcg ended with status {done.returncode}")
            self._guardian = json.loads(counted[0])
        return self._guardian

    def measured_bytes(self) -> int:
        """Of the guests' kernel and initrd."""
        return packages.kernel().vmlinuz.stat().st_size + len(guest.initrd())

    def taking(self, cpus: int, *only: str) -> dict[str, int]:
        """What tests/vmx/l1 measures, on that many CPUs; all, or the tests whose names begin so."""
        say(f"tests/vmx/l1 {' '.join(only)}, {cpus} CPUs")
        argv = [TOP / "tests/vmx/l1/run", "--figures", "--build", self.settings.build, "--bochs", self.emulator().path,
                "--cpus", str(cpus), "--timeout", str(self.settings.timeout), *only]
        done = subprocess.run([str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        found = {name: int(value) for name, value in re.findall(r"^figure (\S+) (\d+)$", done.stdout, re.M)}
        if done.returncode or not found:
            raise BenchError(f"tests/vmx/l1 --figures: {done.stdout.strip() or done.returncode}")
        return found

    def _run_mini(self, rootvisor: bool, ips: int | None = None) -> MiniRun:
        s = self.settings
        # The same mode, hence the same image, on both sides; natively nobody uses the firmware in it.
        argv = [sys.executable, paths.LAB / "mini", "--rootvisor" if rootvisor else "--native", "--qemu-protected",
                "--build", s.build, "--bochs", self.emulator().path, "--timeout", str(s.timeout),
                "--host-script", HERE / "host" / "mini.sh", "--host-program", HERE / "host" / "benchctl.c",
                "--host-program", HERE / "host" / "load.c",
                "--append", f"quiet bench.exits={s.rounds} bench.pages={s.pages}{' bench.only=load' if ips else ''}"]
        argv += ["--ips", ips] if ips else []
        what = f"guests' load, {ips:,} instructions a second" if ips else "guests, exits, sealing"
        say(f"mini host {side(rootvisor)}: {what} (a minute or more)")
        start, facts, init, last = time.monotonic(), {}, None, ""
        log = s.out / f"mini-{'rootvisor' if rootvisor else 'native'}{'-fast' if ips else ''}.log"
        with open(log, "w") as kept:
            process = subprocess.Popen([str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                       stderr=subprocess.STDOUT, text=True, errors="replace")
            try:
                for line in process.stdout:
                    kept.write(line)
                    last = line.strip() or last
                    if line.startswith("bench: "):
                        say(f"  {line[7:].strip()} ({time.monotonic() - start:.0f} s)")
                    if not (found := re.search(r"LAB (\{.*\})\s*$", line)):
                        continue
                    try:
                        fact = json.loads(found.group(1))
                    except ValueError as error:
                        raise BenchError(f"a fact came damaged over the serial line (see {log}): {error}") from error
                    if "bench" in fact:
                        facts[fact["bench"]] = fact
                    elif fact.get("stage") == "init":
                        init = fact["tsc"]
                status = process.wait(timeout=60)
            finally:
                if process.poll() is None:
                    # It stops its emulator on the interrupt; only then may it be killed.
                    process.send_signal(2)
                    try:
                        process.wait(timeout=20)
                    except subprocess.TimeoutExpired:
                        process.kill()
                process.wait()
        if status or init is None:
            raise BenchError(f"mini host {side(rootvisor)}: {last} (see {log})")
        return MiniRun(facts, init)

    def _run_host(self, rootvisor: bool) -> HostRun:
        s = self.settings
        say(f"Debian host {side(rootvisor)}: boot to multi-user.target, {s.idle_seconds} s idle (minutes)")
        benchctl = packages.static_program(HERE / "host" / "benchctl.c", f"-I{paths.LAB / 'guest'}")
        scratch = s.out / "work"
        scratch.mkdir(parents=True, exist_ok=True)
        (scratch / "settle").write_text("15\n")
        (scratch / "seconds").write_text(f"{s.idle_seconds}\n")
        options = host.Options(rootvisor=rootvisor, build=s.build, timeout=s.timeout, files={
            "bin/benchctl": benchctl, "settle": scratch / "settle", "seconds": scratch / "seconds"})
        facts, log = {}, s.out / f"host-{'rootvisor' if rootvisor else 'native'}.log"

        def on_fact(fact):
            if "bench" in fact:
                facts[fact["bench"]] = fact
            say(f"  {fact.get('bench') or fact.get('stage') or fact.get('step') or 'end'}")

        with open(log, "w") as kept:
            outcome = host.run("idle", options, s.out / "work" / "host", self.emulator(),
                               show=lambda line: kept.write(line + "\n"), on_fact=on_fact)
        if not outcome.passed:
            raise BenchError(f"Debian host {side(rootvisor)}: {outcome.reason()} (see {log})")
        try:
            interval = facts["idle"]["interval"]
            return HostRun(outcome.stages["multi-user"], facts["up"]["now"], Span(interval["before"], interval["after"]))
        except KeyError as error:
            raise BenchError(f"Debian host {side(rootvisor)} did not report {error} (see {log})") from error
