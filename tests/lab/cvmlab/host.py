# SPDX-License-Identifier: LGPL-2.1-or-later
"""One boot of the whole emulated host with one scenario, and what came of it."""

import base64
import dataclasses
import json
import os
import pathlib
import re
import shutil
import subprocess

from . import attacks, boot, courier, disk, emulator, guest, image, packages, tpm
from .emulator import LabError
from .paths import LAB, TOP

SCENARIOS = LAB / "scenarios"

# Natively, KVM must not use what bare Bochs gets wrong.
NATIVE_KVM = "kvm_intel.enable_apicv=0 kvm_intel.pml=0"
HOST_CMDLINE = f"{boot.FAST} root=/dev/sda rw rootfstype=ext4 quiet loglevel=3 apparmor=0 selinux=0 net.ifnames=0 panic=-1 " \
               "systemd.show_status=0"


@dataclasses.dataclass
class Options:
    """How to boot the host."""
    rootvisor: bool = True
    build: pathlib.Path = TOP / "build"
    memory_mib: int = 1280
    cpus: int = 1
    append: str = ""
    rootvisor_options: str = ""
    tpm: bool | None = None     # None: if the scenario wants one (a file `tpm` in its folder)
    timeout: float = 6000
    hang: float = 400
    files: dict[str, pathlib.Path] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Outcome:
    """What the scenario said. steps and figures in the order they came."""
    result: emulator.Result
    steps: list[dict]
    figures: list[dict]
    stages: dict[str, int]
    status: int | None
    cut: list[str] = dataclasses.field(default_factory=list)    # lines that another message made unreadable

    @property
    def passed(self) -> bool:
        return self.status == 0 and bool(self.steps) and all(step["ok"] for step in self.steps) and not self.cut

    def reason(self) -> str:
        """Why it did not pass, in one line."""
        if self.status is None:
            return f"{self.result.end}: {self.result.message}"
        failed = [step for step in self.steps if not step["ok"]]
        if failed:
            return f"step {failed[0]['id']} ({failed[0]['title']}): {failed[0]['detail']}"
        if not self.steps:
            return "the scenario reported no step"
        if self.cut:
            return f"what the host told was cut by another message: {self.cut[0][:200]}"
        return f"the scenario ended with status {self.status}"


def artefacts(options: Options) -> dict[str, pathlib.Path]:
    """RootVisor, Guardian and cvmboot in the build directory."""
    return {"rootvisor": options.build / "hypervisor/rootvisor/rootvisor",
            "guardian.bin": options.build / "hypervisor/guardian/guardian.bin"}


def installed(build: pathlib.Path, out: pathlib.Path) -> pathlib.Path:
    """What `meson install` would put on the host, plus the enabled units."""
    if (build / "build.ninja").exists():
        packages.run("meson", "install", "-C", build, "--no-rebuild", "--quiet", "--destdir", out.resolve())
    for unit in ("cvmd.service", "cvmd.socket"):
        if (out / "usr/lib/systemd/system" / unit).exists() or (out / "lib/systemd/system" / unit).exists():
            prefix = "/usr/lib" if (out / "usr/lib/systemd/system" / unit).exists() else "/lib"
            wants = out / "etc/systemd/system" / ("sockets" if unit.endswith("socket") else "multi-user")
            wants = wants.with_name(wants.name + ".target.wants")
            wants.mkdir(parents=True, exist_ok=True)
            (wants / unit).symlink_to(f"{prefix}/systemd/system/{unit}")
    return out


def scenario_disk(name: str, options: Options, work: pathlib.Path) -> pathlib.Path:
    """The second disk: the scenario's own files, the guest's kernel and initrds, the attack tools."""
    source = SCENARIOS / name
    if not (source / "run").is_file():
        raise LabError(f"no scenario '{name}': {source}/run is missing")
    tree = work / "scenario"
    shutil.rmtree(tree, ignore_errors=True)
    shutil.copytree(source, tree)
    for shared in sorted((SCENARIOS / "common").iterdir()):
        shutil.copyfile(shared, tree / shared.name)
    # What the tenant asks with: fresh for each run, and not the host's choice.
    (work / "nonce").write_text(os.urandom(64).hex())
    shutil.copyfile(work / "nonce", tree / "nonce")
    add_client(tree)
    guest_dir = tree / "guest"
    guest_dir.mkdir()
    shutil.copyfile(packages.kernel().vmlinuz, guest_dir / "vmlinuz")
    (guest_dir / "initrd.img").write_bytes(guest.initrd())
    (guest_dir / "cmdline").write_text(guest.CMDLINE)
    if with_tenant(name):
        add_disk(guest_dir, options.build, work)
    tools = tree / "bin"
    tools.mkdir()
    for name, program in attacks.tools().items():
        shutil.copyfile(program, tools / name)
        (tools / name).chmod(0o755)
    for target, path in (attacks.files(packages.kernel()) | options.files).items():
        (tree / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, tree / target)
    mib = sum(f.stat().st_size for f in tree.rglob("*") if f.is_file()) // (1 << 20) + 8
    disk = work / "scenario.ext4"
    image.filesystem(tree, disk, mib)
    return disk


def add_client(tree: pathlib.Path):
    """A client's key and its request for a certificate: client.key, client.csr. The host has no tool that makes them."""
    subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", tree / "client.key",
                    "-out", tree / "client.csr", "-subj", "/CN=lab"], check=True, capture_output=True)


def with_tenant(name: str) -> bool:
    """A scenario with a file `tpm`: its host has a TPM, and a tenant that answers while it runs."""
    return (SCENARIOS / name / "tpm").exists()


def add_disk(guest_dir: pathlib.Path, build: pathlib.Path, work: pathlib.Path):
    """What a guest needs whose disk the tenant encrypted. The key stays with the tenant (WORK/tenant); the host gets to know what to
    search for, disguised. For the control, a key that is handed to an ordinary guest in the ordinary way: in its initrd."""
    tenant = work / "tenant"
    shutil.rmtree(tenant, ignore_errors=True)
    tenant.mkdir()
    made = disk.make(tenant, build / "cvmctl/cvmctl", 16384)
    shutil.copyfile(made.image, guest_dir / "disk.img")
    (guest_dir / "disk.sha256").write_text(made.sha256)
    (guest_dir / "disk.disguised").write_text(made.disguised)
    (guest_dir / "initrd-disk.img").write_bytes(guest.disk_initrd(packages.kernel()))
    (guest_dir / "cmdline-disk").write_text(f"{guest.CMDLINE} libata.dma=0 cvm.key=required cvm.key.wait=86400")
    ordinary = disk.Disk(made.image, tenant / "ordinary.key", "")
    ordinary.key.write_bytes(os.urandom(32))
    (guest_dir / "initrd-key.img").write_bytes(guest.initrd() + ordinary.key_archive())
    (guest_dir / "ordinary.disguised").write_text(ordinary.disguised)


def add_tpm(anchor: tpm.Tpm, overlay: pathlib.Path, options: Options, grub: str, files: dict[str, pathlib.Path]):
    """What the host needs to use the TPM at its serial line, and what firmware would have measured."""
    serial = overlay / "usr/lib/lab/tpm-serial"
    serial.parent.mkdir(parents=True)
    shutil.copyfile(packages.static_program(LAB / "host" / "tpm-serial.c"), serial)
    serial.chmod(0o755)
    settings = overlay / "etc/cvmd/cvmd.conf.d/lab.conf"
    settings.parent.mkdir(parents=True)
    settings.write_text("[cvmd]\nTPM=cmd:/usr/lib/lab/tpm-serial /dev/ttyS1\nTPMEventLog=/run/lab-eventlog\n")
    unit = overlay / "etc/systemd/system/cvmd.service.d/lab.conf"
    unit.parent.mkdir(parents=True)
    unit.write_text("[Service]\nDeviceAllow=/dev/ttyS1 rw\n")
    (anchor.work / "firmware.log").write_bytes(anchor.play_firmware(grub, files))
    (anchor.work / "ca.pem").write_bytes(b"".join(path.read_bytes() for path in anchor.roots))
    # The tenant's key.
    key = anchor.work / "tenant.key"
    packages.run("openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key)
    packages.run("openssl", "ec", "-in", key, "-pubout", "-out", anchor.work / "tenant.pem")
    options.files |= {"tpm.d/firmware.log": anchor.work / "firmware.log"}


def run(name: str, options: Options, work: pathlib.Path, bochs: emulator.Bochs, show=print, on_fact=None) -> Outcome:
    """Boots the host and lets it run scenario `name`. `show` gets every serial line, `on_fact` every
    LAB fact as it comes."""
    work.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(work / "out", ignore_errors=True)
    base = image.base()
    files = {"vmlinuz": base.vmlinuz, "initrd.img": base.initrd}
    rootvisor = None
    with_tpm = options.rootvisor and (with_tenant(name) if options.tpm is None else options.tpm)
    if options.rootvisor:
        images = artefacts(options)
        own = f"{options.rootvisor_options} {'tpm=com2' if with_tpm else ''}".strip()
        rootvisor = boot.RootVisor(images["rootvisor"], images["guardian.bin"], own)
        files |= images
    overlay = work / "overlay"
    shutil.rmtree(overlay, ignore_errors=True)
    overlay.mkdir()
    # The emulator leaves its lock when it is killed; the images are made anew anyway.
    for lock in work.glob("*.lock"):
        lock.unlink()
    disk = work / "host.ext4"
    words = [HOST_CMDLINE, "" if options.rootvisor else NATIVE_KVM,
             *(f"systemd.setenv={k}={v}" for k, v in bochs.environment.items()), options.append]
    cmdline = " ".join(w for w in words if w)
    grub = boot.configuration(cmdline, rootvisor)
    anchor = tpm.Tpm(work / "tpm") if with_tpm else None
    if anchor:
        add_tpm(anchor, overlay, options, grub, files)
    image.overlay(base, installed(options.build, overlay), disk)
    second = scenario_disk(name, options, work)
    boot.iso(work / "boot.iso", grub, files)
    config = emulator.Config(memory_mib=options.memory_mib, cpus=options.cpus, cdrom=work / "boot.iso",
                             disk=disk, disk2=second)
    config.com2_port = anchor.serial_port if anchor else None
    steps, figures, stages, status, cut = [], [], {}, None, []
    asked = None
    if with_tenant(name):
        asked = courier.Courier(SCENARIOS / "common/tenant", work / "tenant", environment(options, work),
                                lambda line: said(line, steps, show, on_fact))
        config.com3_port = asked.serial_port
    emulated = emulator.Run(bochs, config, work)
    try:
        for line in emulated.lines(options.timeout, options.hang):
            show(line)
            found = re.search(r"LAB (\{.*)", line)
            if not found:
                continue
            try:
                fact = json.loads(found.group(1))
            except ValueError:
                show(f"lab: not JSON: {line}")
                cut.append(line)
                continue
            if "step" in fact:
                steps.append(step_of(fact))
            elif "file" in fact:
                save(work / "out", fact)
            elif "figure" in fact:
                figures.append(fact)
            elif "stage" in fact:
                stages[fact["stage"]] = fact.get("tsc", 0)
            elif fact.get("end"):
                status = fact.get("status")
                stages["end"] = fact.get("tsc", 0)
            if on_fact:
                on_fact(fact)
    finally:
        emulated.stop()
        if asked:
            asked.stop()
        if anchor:
            anchor.stop()
        for large in (disk, second):
            large.unlink(missing_ok=True)
    steps += outside(name, options, work, show, on_fact)
    return Outcome(emulated.result(), steps, figures, stages, status, cut)


def step_of(fact: dict) -> dict:
    return {"id": str(fact["step"]), "title": fact.get("title", ""), "ok": fact.get("ok") is True,
            "detail": fact.get("detail", "")}


def save(out: pathlib.Path, fact: dict):
    """A file that the scenario sends: the host's way to hand something to a tenant."""
    out.mkdir(exist_ok=True)
    name = pathlib.PurePath(str(fact["file"])).name
    try:
        (out / name).write_bytes(base64.b64decode(fact.get("base64", ""), validate=True))
    except ValueError:
        (out / name).unlink(missing_ok=True)


def environment(options: Options, work: pathlib.Path) -> dict[str, str]:
    """Of the tenant's programs."""
    return dict(os.environ, BUILD=str(options.build), WORK=str(work), TOP=str(TOP))


def said(line: str, steps: list[dict], show, on_fact):
    """A line of the tenant's; a LAB line may be a step."""
    show(line)
    if line.startswith("LAB {"):
        fact = json.loads(line[4:])
        if "step" in fact:
            steps.append(step_of(fact))
            if on_fact:
                on_fact(fact)


def outside(name: str, options: Options, work: pathlib.Path, show=print, on_fact=None) -> list[dict]:
    """Runs the scenario's `outside`, if it has one, on this machine after the host has ended: the tenant's
    part. Its LAB lines are steps too."""
    script = SCENARIOS / name / "outside"
    if not script.exists():
        return []
    done = subprocess.run([script], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors="replace", env=environment(options, work), timeout=600)
    steps = []
    for line in done.stdout.splitlines():
        said(line, steps, show, on_fact)
    if done.returncode and all(step["ok"] for step in steps):
        steps.append({"id": "outside", "title": "the tenant's part runs", "ok": False,
                      "detail": f"status {done.returncode}: {done.stdout[-300:]}"})
    return steps
