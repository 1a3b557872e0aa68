# SPDX-License-Identifier: LGPL-2.1-or-later
"""The groups of figures. Each function takes the machines and returns its figures, or raises BenchError.
docs/performance.md explains them."""

import json
import subprocess
import sys

from . import machines
from .machines import emulator
from .figures import BenchError, Figure
from .machines import TOP, Machines
from .moment import tick_rate

sys.path.insert(0, str(TOP / "tests"))
import loc  # noqa: E402

INSTRUCTIONS = "instructions"
BOOT_TARGET = 1.02
GUEST_BOOT_TARGET = 1.10
EXIT_TARGET = 1.6            # of an ordinary guest
KINDS = (("pio", "port I/O"), ("cpuid", "CPUID"), ("mmio", "MMIO"))
STRINGS = (("ins", "a sector read by port I/O (REP INSW)"), ("outs", "a sector written by port I/O (REP OUTSW)"))


def before_linux(tsc: int, mono_ns: int, rate: float) -> float:
    """Ticks before the kernel started its clock: firmware, GRUB, RootVisor, the kernel's first steps."""
    return tsc - mono_ns / 1e9 * rate


def boot(m: Machines) -> list[Figure]:
    if m.settings.quick:
        native, ours = m.mini(False), m.mini(True)
        return [Figure("mini host boot to its first process", INSTRUCTIONS, ours.init_tsc, native.init_tsc)]
    native, ours = m.host(False), m.host(True)
    spent, rootvisor = [], ours.up["tsc"] - ours.up["rootvisor_uptime"]
    for run in (native, ours):
        rate = tick_rate(run.idle.before, run.idle.after)
        spent.append((before_linux(run.up["tsc"], run.up["mono_ns"], rate), run.up["idle_centis"] / 100 * rate))
    figures = [
        Figure("host boot to multi-user.target", INSTRUCTIONS, ours.boot_tsc, native.boot_tsc, BOOT_TARGET),
        Figure("of it, before Linux keeps time", INSTRUCTIONS, spent[1][0], spent[0][0]),
        Figure("of it, Linux until multi-user.target", INSTRUCTIONS, ours.boot_tsc - spent[1][0],
               native.boot_tsc - spent[0][0]),
        Figure("host boot, idle time left out", INSTRUCTIONS, ours.boot_tsc - spent[1][1],
               native.boot_tsc - spent[0][1]),
        Figure("firmware and GRUB until RootVisor starts", INSTRUCTIONS, rootvisor),
        Figure("RootVisor exits during boot", "exits", ours.up["host"]["exits"]),
    ]
    idle = ours.idle
    # One exit of the interval is the question itself.
    figures.append(Figure("RootVisor exits of an idle host", "exits/s", (idle.host("exits") - 1) / idle.seconds))
    for name, count in idle.host_reasons()[:6]:
        figures.append(Figure(f"of these, {name}", "exits/s", (count - (name == "VMCALL")) / idle.seconds))
    return figures


def exits(m: Machines) -> list[Figure]:
    native, ours = m.mini(False), m.mini(True)
    figures = []
    for kind, title in KINDS:
        figures.append(Figure(f"{title} exit, smallest KVM guest", INSTRUCTIONS, ours.kvmtest(kind), native.kvmtest(kind),
                              EXIT_TARGET))
    for machine in ("ordinary", "protected"):
        for kind, title in KINDS:
            # There is no protected guest on bare KVM: what the guest would have cost there.
            figures.append(Figure(f"{title} exit, {machine} guest", INSTRUCTIONS, ours.each(f"{machine}.exits.{kind}"),
                                  native.each(f"ordinary.exits.{kind}"), EXIT_TARGET if machine == "ordinary" else None))
    for kind, title in KINDS:
        figures.append(Figure(f"{title} exit, protected against ordinary", INSTRUCTIONS,
                              ours.each(f"protected.exits.{kind}"), ours.each(f"ordinary.exits.{kind}")))
    for machine in ("ordinary", "protected"):
        # Processes that start and the console's bytes exit too.
        question = ours.span(f"{machine}.question").host("exits")
        for kind, title in KINDS:
            name = f"{machine}.exits.{kind}"
            figures.append(Figure(f"exits to RootVisor for one {title} exit, {machine}", "exits",
                                  (ours.span(name).host("exits") - question) / ours.fact(name)["n"]))
    for kind, title in STRINGS:
        for machine in ("ordinary", "protected"):
            figures.append(Figure(f"{title}, {machine}", INSTRUCTIONS, ours.each(f"{machine}.exits.{kind}"),
                                  native.each(f"ordinary.exits.{kind}")))
        figures.append(Figure(f"{title}, exits to RootVisor, protected against ordinary", "exits",
                              *((ours.span(f"{machine}.exits.{kind}").host("exits") - ours.span(f"{machine}.question").host("exits"))
                                / ours.fact(f"{machine}.exits.{kind}")["n"] for machine in ("protected", "ordinary"))))
    return figures


LOADS = (("cpu", "arithmetic", 1.01), ("memory", "memory", 1.01), ("process", "fork, exec, files, system calls", 1.05))


def load(m: Machines) -> list[Figure]:
    native, ours = m.mini(False), m.mini(True)
    figures = [Figure("host: fork, exec, mmap, files", INSTRUCTIONS, ours.each("host.load"), native.each("host.load"), 1.01)]
    spent = ours.span("host.load")
    figures.append(Figure("exits to RootVisor for one round of it", "exits", spent.host("exits") / ours.fact("host.load")["n"]))
    for name, count in spent.host_reasons()[:6]:
        figures.append(Figure(f"of these, {name}", "exits", count / ours.fact("host.load")["n"]))
    for kind, title, target in LOADS:
        figures.append(Figure(f"ordinary guest: {title}", INSTRUCTIONS, ours.each(f"ordinary.load.{kind}"),
                              native.each(f"ordinary.load.{kind}")))
        figures.append(Figure(f"protected against ordinary: {title}", INSTRUCTIONS, ours.each(f"protected.load.{kind}"),
                              ours.each(f"ordinary.load.{kind}"), target))
    # A tick of a kernel comes every so many microseconds, and this clock's second has few instructions.
    fast = m.mini_fast_clock()
    for kind, title, _ in LOADS[:2]:
        figures.append(Figure(f"the same, {machines.FAST_CLOCK // 10**6:,} M instructions a second: {title}", INSTRUCTIONS,
                              fast.each(f"protected.load.{kind}"), fast.each(f"ordinary.load.{kind}")))
    for run, clock in ((ours, emulator.Config.ips), (fast, machines.FAST_CLOCK)):
        for machine in ("ordinary", "protected"):
            spent = run.span(f"{machine}.load.cpu").host("exits") - run.span(f"{machine}.question").host("exits")
            figures.append(Figure(f"exits in 1,000 M instructions of arithmetic, {machine}, {clock // 10**6:,} M a second", "exits",
                                  spent / run.fact(f"{machine}.load.cpu")["ticks"] * 1e9))
    return figures


def guest_boot(m: Machines) -> list[Figure]:
    native, ours = m.mini(False), m.mini(True)
    bare, plain, safe = (run.fact(f"{name}.boot")["ticks"]
                         for run, name in ((native, "ordinary"), (ours, "ordinary"), (ours, "protected")))
    hosts = [native.span("ordinary.boot"), ours.span("ordinary.boot"), ours.span("protected.boot")]
    busy = [span.busy_ticks for span in hosts]
    # What the difference is made of, each part measured by itself.
    hashing = m.guardian()["measure-256-KiB"] / 2**18 * m.measured_bytes()
    pages = hosts[2].vm("taken")
    taking = m.taking(1, "figures-taking")["taking-2-MiB"] / 512 * pages
    return [
        Figure("guest boot, ordinary", INSTRUCTIONS, plain, bare),
        Figure("guest boot, protected against ordinary", INSTRUCTIONS, safe, plain, GUEST_BOOT_TARGET),
        Figure("guest boot, protected against bare KVM", INSTRUCTIONS, safe, bare),
        Figure("from QEMU's start, ordinary", INSTRUCTIONS, busy[1], busy[0]),
        Figure("from QEMU's start, protected against ordinary", INSTRUCTIONS, busy[2], busy[1]),
        Figure("what protection adds to a boot", INSTRUCTIONS, safe - plain),
        Figure("kernel and initrd, which are measured", "bytes", m.measured_bytes()),
        Figure("hashing them", INSTRUCTIONS, hashing),
        Figure("pages taken from the host until user space", "pages", pages),
        Figure("taking them, by 2 MiB", INSTRUCTIONS, taking),
        Figure("the rest: fewer exits, for instance", INSTRUCTIONS, safe - plain - hashing - taking),
        Figure("exits to RootVisor, boot of an ordinary guest", "exits", hosts[1].host("exits")),
        Figure("exits to RootVisor, boot of a protected guest", "exits", hosts[2].host("exits")),
    ]


def sealing(m: Machines) -> list[Figure]:
    ours = m.mini(True)
    reads = {name: ours.fact(f"{name}.host-reads")["read"] for name in ("ordinary", "protected")}
    sealed = ours.span("protected.host-reads").vm("sealed")
    again = ours.span("protected.check.sealed").vm("unsealed")
    pages = ours.fact("protected.check.sealed")["n"]
    if sealed < pages or again < pages:
        raise BenchError(f"the host's reads sealed {sealed} pages, the guest's check brought back {again}: at least "
                         f"{pages} were expected")
    if ours.span("protected.check.warm").vm("unsealed"):
        raise BenchError("pages were sealed before the host read them")
    common = reads["ordinary"]["ticks"] / reads["ordinary"]["pages"]
    # All pages of the guest are read, some of them were never private: those cost what they always cost.
    seal = (reads["protected"]["ticks"] - common * reads["protected"]["pages"]) / sealed
    warm, cold = (ours.fact(f"protected.check.{when}")["ticks"] for when in ("warm", "sealed"))
    figures = [
        Figure("sealing a page, on top of the host's read", INSTRUCTIONS, seal),
        Figure("the host's read by itself, ordinary guest", INSTRUCTIONS, common),
        Figure("unsealing a page, on top of the guest's touch", INSTRUCTIONS, (cold - warm) / again),
        Figure("pages sealed by reading all the guest's memory", "pages", sealed),
    ]
    return figures + program(m, "count-gcm", "") + program(m, "bench-seal", "in user space: ")


def taking(m: Machines) -> list[Figure]:
    """Pages that leave the host, one shoot-down for each, or one for 2 MiB; and a swap of 64 MiB. By tests/vmx/l1. On two CPUs that never
    rest, a tick of Bochs 2.7 is an instruction of each: what is more than on one CPU is the wait for the other one."""
    # A boot each: what a test leaves behind is no part of the next one's cost.
    alone, both, swapped = m.taking(1, "figures-taking"), m.taking(2, "figures-taking"), m.taking(1, "figures-swap")
    swap = {(way, guest): swapped[f"swap-{way}-{guest}"] for way in ("out", "in") for guest in ("protected", "ordinary")}
    pages = swapped["swap-pages-protected"]
    figures = [
        Figure("taking a page from the host", INSTRUCTIONS, alone["taking-a-page"]),
        Figure("taking 2 MiB at once", INSTRUCTIONS, alone["taking-2-MiB"]),
        Figure("of it, for each page", INSTRUCTIONS, alone["taking-2-MiB"] / 512),
    ]
    if both["taking-2-MiB"] > alone["taking-2-MiB"]:
        page, large = (both[name] - alone[name] for name in ("taking-a-page", "taking-2-MiB"))
        figures += [
            Figure("shoot-down for a page, a second CPU in a guest", INSTRUCTIONS, page),
            Figure("shoot-down for 2 MiB at once, a second CPU in a guest", INSTRUCTIONS, large),
            Figure("of it, for each page", INSTRUCTIONS, large / 512),
        ]
    else:
        machines.say("no figure of the shoot-down: with two CPUs this emulator's ticks are no instructions (Bochs 2.7's are)")
    figures += [
        Figure("NMIs to a second CPU in a guest, for a page", "NMIs", both["taking-a-page-nmis"]),
        Figure("NMIs to a second CPU in a guest, for 2 MiB", "NMIs", both["taking-2-MiB-nmis"]),
    ]
    for way in ("out", "in"):
        figures.append(Figure(f"swap {way} of {pages * 4 // 1024} MiB, protected against ordinary", INSTRUCTIONS, swap[way, "protected"],
                              swap[way, "ordinary"]))
        figures.append(Figure("of it, for each page what protection adds", INSTRUCTIONS,
                              (swap[way, "protected"] - swap[way, "ordinary"]) / pages))
    return figures


def report(m: Machines) -> list[Figure]:
    """What a report costs: all of it by tests/vmx/l1, its parts by tests/integration/guardian-tcg (QEMU, one tick an instruction)."""
    whole, parts = m.taking(1, "figures-report"), m.guardian()
    return [
        Figure("a report, from the guest's VMCALL to the answer", INSTRUCTIONS, whole["report"]),
        Figure("of it, the Guardian's part", INSTRUCTIONS, parts["report"]),
        Figure("of it, the Quoter's signature", INSTRUCTIONS, parts["sign"]),
        Figure("exits of the guest for it", "exits", whole["report-exits"]),
        Figure("of these, to the host", "exits", whole["report-to-the-host"]),
        Figure("upcalls for it (Guardian and Quoter, one exit each)", "exits", whole["report-upcalls"]),
    ]


def appraisal(m: Machines) -> list[Figure]:
    return program(m, "bench-attest", "")


def control(m: Machines) -> list[Figure]:
    kernel = m.settings.build / "tests/integration/mini-kernel"
    if not kernel.is_file():
        raise BenchError(f"{kernel} is missing: build it")
    return run_program(machines.TOP / "tests/bench/bench-control", machines.TOP, m.settings.build, kernel)


def audit(m: Machines) -> list[Figure]:
    return program(m, "bench-audit", "")


def broker(m: Machines) -> list[Figure]:
    return program(m, "bench-broker", "")


def program(m: Machines, name: str, prefix: str) -> list[Figure]:
    """Figures that a program of the build prints as JSON; their targets are the least that is wanted, but for
    those about memory."""
    path = (m.settings.build / "tests" / "bench" / name).resolve()
    if not path.is_file():
        raise BenchError(f"{path} is missing: build it")
    return run_program(path, prefix=prefix, cwd=path.parent)


def run_program(path, *args, prefix: str = "", cwd=None) -> list[Figure]:
    name = path.name
    machines.say(name)
    try:
        done = subprocess.run([path, *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, timeout=300, cwd=cwd)
    except subprocess.TimeoutExpired as error:
        raise BenchError(f"{name} did not end in {error.timeout:.0f} s") from error
    if done.returncode:
        raise BenchError(f"{name} ended with status {done.returncode}")
    figures = []
    for f in json.loads(done.stdout)["figures"]:
        figures.append(Figure(prefix + f["name"], f["unit"], f["value"], f["baseline"] or None, f["target"],
                              at_least=f.get("at_least", f["unit"].endswith("/s"))))
    return figures


def rest(m: Machines) -> list[Figure]:
    """The REST gateway against a bare handler, by tests/integration/rest/figures."""
    build = m.settings.build
    argv = [TOP / "tests/integration/rest/figures", TOP, build, build / "tests/integration/mini-kernel"]
    machines.say("rest")
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, timeout=300)
    except subprocess.TimeoutExpired as error:
        raise BenchError(f"the REST gateway was not measured in {error.timeout:.0f} s") from error
    if done.returncode or "SKIP" in done.stdout:
        raise BenchError(f"the REST gateway could not be measured: status {done.returncode} {done.stdout[:100]}")
    found = json.loads(done.stdout.splitlines()[-1])
    figures = []
    for way, title in (("unix", "unix socket"), ("mtls", "mutual TLS")):
        ours, bare = found[way]["ours"], found[way]["bare"]
        figures.append(Figure(f"GET of a machine over {title}", "requests/s", ours["rps"], bare["rps"], 0.6, at_least=True))
        figures.append(Figure(f"GET of a machine over {title}, 99 of 100", "us", ours["p99_us"], bare["p99_us"]))
    figures.append(Figure("GET of a machine over unix socket, half, against virsh dominfo", "us", found["unix"]["ours"]["p50_us"],
                          found["virsh_dominfo_ms"] * 1000))
    figures.append(Figure("first page of 10,000 machines, half", "ms", found["page"]["p50_us"] / 1000, target=5))
    figures.append(Figure("first page of 10,000 machines, 99 of 100", "ms", found["page"]["p99_us"] / 1000))
    return figures


def lines(m: Machines) -> list[Figure]:
    try:
        return [Figure(f"lines of {part['name']}", "lines", part["lines"], target=part["budget"]) for part in loc.parts()]
    except OSError as error:
        raise BenchError(f"lines could not be counted: {error}") from error


# Name of --only and of the file, title, function. Cheap ones first: a mistake shows early.
GROUPS = (
    ("lines", "lines of code", lines),
    ("appraisal", "appraising evidence", appraisal),
    ("control", "the control plane (this machine)", control),
    ("audit", "the audit log (this machine)", audit),
    ("broker", "the key broker", broker),
    ("rest", "REST gateway (this machine)", rest),
    ("exits", "one exit", exits),
    ("load", "work on the host and in guests", load),
    ("guest-boot", "guest boot to user space", guest_boot),
    ("sealing", "sealing and unsealing a page", sealing),
    ("report", "a report", report),
    ("taking", "taking pages from the host, swap", taking),
    ("host-boot", "host boot and idle host", boot),
)
