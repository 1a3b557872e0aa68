# SPDX-License-Identifier: LGPL-2.1-or-later
"""A private control plane: dbus-daemon with the installed policy, virtlogd, libvirtd, cvmd with a stand-in for
RootVisor, all in a mount namespace of their own. QEMU runs without hardware virtualization."""
import atexit
import json
import os
import pathlib
import pwd
import shlex
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import traceback
import uuid

SKIP = 77


def enter_namespace(net=False):
    """Runs this program again in mount and PID namespaces of its own, and a network of its own if it wants one; whatever it starts ends with it."""
    if os.environ.get("CVMD_TEST_NAMESPACE"):
        return
    if os.geteuid() != 0:
        print("1..0 # SKIP needs root: a libvirtd of its own")
        sys.exit(SKIP)
    for tool in ("libvirtd", "virtlogd", "dbus-daemon", "qemu-system-x86_64", "virsh"):
        if subprocess.run(["which", tool], stdout=subprocess.DEVNULL).returncode != 0:
            print(f"1..0 # SKIP {tool} is not installed")
            sys.exit(SKIP)
    try:
        pwd.getpwnam("libvirt-qemu")
    except KeyError:
        print("1..0 # SKIP there is no user libvirt-qemu: install libvirt-daemon-system")
        sys.exit(SKIP)
    os.environ["CVMD_TEST_NAMESPACE"] = "1"
    # The shell is there to reap: libvirtd waits for QEMU processes that it left to init.
    os.execvp("unshare", ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child", "--propagation",
                          "private", *(["--net"] if net else []), "sh", "-c", '"$@"; exit $?', "sh", sys.executable] + sys.argv)


def mount_private():
    for path, below in (("/run", ("lock", "libvirt", "dbus")), ("/var/lib/libvirt", ("qemu",)),
                        ("/var/log/libvirt", ("qemu",)), ("/var/cache/libvirt", ("qemu",))):
        os.makedirs(path, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", path], check=True)
        for name in below:
            os.mkdir(os.path.join(path, name))
    # A KVM that QEMU may use here and libvirt's check says it may not has libvirtd probe QEMU anew for each start,
    # ten seconds long. These machines need none.
    if os.path.exists("/dev/kvm"):
        os.close(os.open("/run/no-kvm", os.O_CREAT, 0))
        subprocess.run(["mount", "--bind", "/run/no-kvm", "/dev/kvm"], check=True)
    # Where cgroups are half there, libvirtd loses its domains when it starts anew.
    shutil.copytree("/etc/libvirt", "/run/etc-libvirt", symlinks=True)
    with open("/run/etc-libvirt/qemu.conf", "a") as f:
        f.write("\ncgroup_controllers = []\nnamespaces = []\n")
    subprocess.run(["mount", "--bind", "/run/etc-libvirt", "/etc/libvirt"], check=True)


BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus"/>
  </policy>
  <policy user="root">
    <allow own="org.freedesktop.PolicyKit1"/>
    <allow send_destination="org.freedesktop.PolicyKit1"/>
  </policy>
  <policy user="polkitd">
    <allow own="org.freedesktop.PolicyKit1"/>
  </policy>
  <include>{policy}</include>
</busconfig>
"""


# A machine that is busy with other things is no failure: nothing here is about time, a time-out ends what hangs.
PATIENCE = int(os.environ.get("CVMD_TEST_PATIENCE", "300"))


def wait_for(what, condition, seconds=PATIENCE):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds} s for {what}")
        time.sleep(0.05)


class Plane:
    """Everything, started; `cvmctl` and `virsh` talk to it."""

    def __init__(self, source, build, rootvisor=True):
        self.source, self.build = pathlib.Path(source), pathlib.Path(build)
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="cvmd-test-"))
        self.dir.chmod(0o755)
        self.commands = self.dir / "rootvisor"
        if rootvisor:
            self.commands.touch()
        self.config = self.dir / "cvmd.conf"
        self.configure()
        self.log = open(self.dir / "cvmd.log", "ab")
        self.children = []
        self.start_bus()
        mount_private()
        self.spawn(["virtlogd"])
        self.libvirtd = self.spawn(["libvirtd"])
        wait_for("libvirtd", lambda: self.virsh("version", check=False).returncode == 0)
        self.cvmd = None
        self.start_cvmd()

    def remove(self):
        shutil.rmtree(self.dir, ignore_errors=True)

    def end(self, failed):
        """After all cases: what cvmd said last, if one failed or all is to be told; the directory stays for who looks into a failure."""
        if failed or os.environ.get("CVMD_TEST_VERBOSE"):
            sys.stderr.write((self.dir / "cvmd.log").read_text(errors="replace")[-3000:])
        if not failed:
            self.remove()
        return failed

    def configure(self, launch=PATIENCE, stop=2, more=""):
        # No round in the middle of a test: what others change is found by its event alone.
        self.config.write_text(f"[cvmd]\nLaunchTimeoutSec={launch}\nStopTimeoutSec={stop}\nMemoryBacking=pageable\nOutsideLookSec=86400\n"
                               f"StateDirectory={self.dir}/state\n"
                               f"Firmware={self.build}/hypervisor/cvmboot/cvmboot.rom\n{more}")

    def spawn(self, argv, **kw):
        kw.setdefault("stdout", self.log)
        kw.setdefault("stderr", self.log)
        kw.setdefault("stdin", subprocess.DEVNULL)
        p = subprocess.Popen(argv, **kw)
        self.children.append(p)
        return p

    def start_bus(self):
        socket = self.dir / "bus"
        config = self.dir / "bus.conf"
        config.write_text(BUS.format(socket=socket, policy=self.source / "cvmd/org.cvmd1.conf"))
        self.address = f"unix:path={socket}"
        self.bus = self.spawn(["dbus-daemon", f"--config-file={config}", "--nofork"])
        wait_for("the bus", socket.exists)

    def start_cvmd(self, wait=True, **kw):
        # CVMD_TEST_UNDER: a program and its arguments, in whose hands cvmd runs. CVMD_TEST_CVMD: another build of it.
        self.cvmd = self.spawn([*shlex.split(os.environ.get("CVMD_TEST_UNDER", "")),
                                os.environ.get("CVMD_TEST_CVMD", str(self.build / "tests/unit/cvmd-fake")), f"--config={self.config}",
                                f"--bus-address={self.address}", "--domain-type=qemu"],
                               env=dict(os.environ, CVMD_FAKE_ROOTVISOR=str(self.commands)), **kw)
        if wait:
            wait_for("cvmd", lambda: self.cvmctl("list", check=None).returncode == 0)

    def kill_cvmd(self):
        self.cvmd.send_signal(signal.SIGKILL)
        self.cvmd.wait()

    def end_cvmd(self):
        self.cvmd.terminate()
        return self.cvmd.wait(timeout=PATIENCE)

    def argv(self, *args):
        return [str(self.build / "cvmctl/cvmctl"), f"--bus-address={self.address}", *map(str, args)]

    def cvmctl(self, *args, check=0, **kw):
        """Runs cvmctl; `check` is the exit status that must come, None: any."""
        kw.setdefault("stdin", subprocess.DEVNULL)
        kw.setdefault("timeout", PATIENCE)
        r = subprocess.run(self.argv(*args), capture_output=True, text=True, **kw)
        if check is not None and r.returncode != check:
            raise AssertionError(f"cvmctl {' '.join(map(str, args))}: status {r.returncode}, not {check}: "
                                 f"{r.stdout}{r.stderr}")
        return r

    def cvmctl_async(self, *args):
        return subprocess.Popen(self.argv(*args), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)

    def json(self, *args):
        return json.loads(self.cvmctl(*args, "--json").stdout)

    def machine(self, name):
        return self.json("show", name)

    def started(self, name):
        """Whether libvirt has started QEMU: then cvmd knows the console."""
        r = self.cvmctl("show", name, "--json", check=None)
        return r.returncode == 0 and json.loads(r.stdout)["console"] != ""

    def state(self, name):
        return self.machine(name)["state"]

    def fill(self, n):
        """n machines in place of those that were, as if defined. While cvmd does not run; its store is as it made it."""
        db = sqlite3.connect(self.dir / "state/state.db")
        db.execute("DELETE FROM machines")
        now = time.time_ns() // 1000
        db.executemany(
            "INSERT INTO machines (name, uuid, state, protected, memory, vcpus, backing, cmdline, has_initrd, created, started,"
            " ended, description, labels, restart) VALUES (?,?,'stopped',1,?,1,'pageable',?,1,?,?,?,?,?,'no')",
            ((f"machine-{i:05}", str(uuid.uuid4()), 1 << 30, "console=ttyS0 root=/dev/vda1 quiet", now, now, now,
              f"The machine number {i}", "tier=web\nowner=somebody\n") for i in range(n)))
        db.commit()
        db.close()

    def virsh(self, *args, check=True):
        r = subprocess.run(["virsh", "-q", "-c", "qemu:///system", *args], capture_output=True, text=True,
                           stdin=subprocess.DEVNULL, timeout=PATIENCE)
        if check and r.returncode != 0:
            raise AssertionError(f"virsh {' '.join(args)}: {r.stderr}")
        return r

    def rootvisor(self, line):
        with open(self.commands, "a") as f:
            f.write(line + "\n")

    def rootvisor_log(self):
        return self.commands.read_text()

    def events(self, *args):
        return [(e["machine"], e["event"]) for e in self.json("audit", *args)]


class Notify:
    """The service manager's end of sd_notify(3), for what is started while it is open, with a watchdog of two seconds."""

    def __init__(self, directory):
        self.path, self.said = str(directory / "notify"), []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        os.chmod(self.path, 0o666)
        self.socket.settimeout(PATIENCE)

    def __enter__(self):
        os.environ.update(NOTIFY_SOCKET=self.path, WATCHDOG_USEC="2000000")
        return self

    def __exit__(self, *_):
        for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC"):
            os.environ.pop(name)
        self.socket.close()
        os.unlink(self.path)

    def until(self, *wanted):
        """Reads on until these came, in this order, others between them."""
        for line in wanted:
            while line not in self.said:
                self.said += self.socket.recv(4096).decode().split("\n")
            del self.said[:self.said.index(line) + 1]


class Skip(Exception):
    """What a case raises that cannot run here."""


def say_last(text):
    """To standard error when the program ends, behind whatever logs it shows then: only the end of a long log may be kept."""
    def say():
        sys.stdout.flush()
        sys.stderr.write(text)
        sys.stderr.flush()
    atexit.register(say)


class Tap:
    """Test cases as methods named test_*, each with a first line of documentation; TAP on standard output, and what failed
    once more as the last thing on standard error."""

    def run(self):
        cases = [n for n in vars(type(self)) if n.startswith("test_")]
        if os.environ.get("CVMD_TEST_ONLY"):
            cases = [n for n in cases if n in os.environ["CVMD_TEST_ONLY"].split(",")]
        failed = 0
        print(f"1..{len(cases)}", flush=True)
        for i, name in enumerate(cases, 1):
            method = getattr(self, name)
            try:
                method()
                print(f"ok {i} - {method.__doc__}", flush=True)
            except Skip as e:
                print(f"ok {i} # SKIP {method.__doc__}: {e}", flush=True)
            except Exception as e:  # a failing case must not hide the others
                failed += 1
                print(f"not ok {i} - {method.__doc__}", flush=True)
                frames = traceback.extract_tb(e.__traceback__)[1:]
                what = "".join(f"{line}\n" for line in [
                    *f"{type(e).__name__}: {e}"[:3000].splitlines(),
                    *(f"  {pathlib.Path(f.filename).name}, line {f.lineno}, in {f.name}: {f.line}" for f in frames[-4:])])
                print("".join(f"# {line}\n" for line in what.splitlines()), end="", flush=True)
                # What is said at the end comes in the reverse order; the first failure is the one to look at, and stands last.
                say_last(f"FAILED {i} - {method.__doc__}\n{what}")
        return 1 if failed else 0
