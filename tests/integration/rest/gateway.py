# SPDX-License-Identifier: LGPL-2.1-or-later
"""The private control plane of tests/integration/cvmd, and a gateway before it that runs as user nobody; curl is the
client."""
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "cvmd"))
import harness  # noqa: E402
from harness import PATIENCE, wait_for  # noqa: E402

NOBODY = 65534


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.headers} {self.body[:600]!r}"


class Gateway(harness.Plane):
    options = ()

    def configure(self, **kw):
        super().configure(**kw)
        with open(self.config, "a") as f:
            f.write("GatewayUser=nobody\n")

    def __init__(self, source, build, **kw):
        super().__init__(source, build, **kw)
        self.program = self.dir / "cvmd-rest"
        shutil.copy(os.environ.get("CVMD_REST", self.build / "cvmd/rest/cvmd-rest"), self.program)
        self.uploads = self.dir / "uploads"
        self.uploads.mkdir()
        os.chown(self.uploads, NOBODY, NOBODY)
        self.socket = str(self.dir / "rest.sock")
        self.unix = socket.socket(socket.AF_UNIX)
        self.unix.bind(self.socket)
        os.chmod(self.socket, 0o666)
        self.unix.listen(4096)
        subprocess.run(["ip", "link", "set", "lo", "up"], check=False, stderr=subprocess.DEVNULL)
        self.tcp = socket.socket()
        self.tcp.bind(("127.0.0.1", 0))
        self.tcp.listen(4096)
        self.port = self.tcp.getsockname()[1]
        self.rest = None
        self.start_rest()

    def start_rest(self, *options):
        """As systemd would: the sockets as descriptors 3 and 4."""
        fds = [self.unix.fileno(), self.tcp.fileno()]

        def child():
            high = [os.dup2(fd, 100 + i) for i, fd in enumerate(fds)]
            for i, fd in enumerate(high):
                os.dup2(fd, 3 + i, inheritable=True)
                os.close(fd)
        self.rest = self.spawn(
            ["sh", "-c", 'LISTEN_PID=$$ LISTEN_FDS=2 exec "$@"', "sh", "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}",
             "--clear-groups", str(self.program), f"--bus-address={self.address}", f"--upload-dir={self.uploads}",
             *self.options, *options], preexec_fn=child, pass_fds=(), close_fds=False)
        wait_for("the gateway", lambda: self.get("/readyz").status == 200)

    def kill_rest(self, how=signal.SIGKILL):
        self.rest.send_signal(how)
        return self.rest.wait(timeout=PATIENCE)

    def curl(self, method, path, body=None, headers=(), tls=None, user=None, file=None, extra=(), timeout=PATIENCE):
        """A request; `tls` is a client (or "" for none) over TCP, `user` a user id over the unix socket."""
        argv = ["curl", "-sS", "-i", "-X", method, "--max-time", str(timeout), *extra]
        if method == "HEAD":
            argv[3:5] = ["-I"]
        for h in headers:
            argv += ["-H", h]
        if body is not None:
            if not any(h.lower().startswith("content-type:") for h in headers):
                argv += ["-H", "Content-Type: application/json"]
            argv += ["--data-binary", "@-"]
        elif file is not None:
            argv += ["-H", "Content-Type: application/octet-stream", "-T", str(file)]
        argv += self.address_of(path, tls)
        argv = self.as_user(argv, user)
        data = body if body is None or isinstance(body, (bytes, str)) else json.dumps(body)
        if isinstance(data, str):
            data = data.encode()
        r = subprocess.run(argv, input=data, stdin=None if data is not None else subprocess.DEVNULL, capture_output=True,
                           timeout=timeout + 10)
        return self.parse(r.stdout, r.stderr)

    def address_of(self, path, tls):
        if tls is None:
            return ["--unix-socket", self.socket, f"http://localhost{path}"]
        argv = ["--cacert", str(self.dir / "ca.pem"), f"https://127.0.0.1:{self.port}{path}"]
        if tls:
            argv += ["--cert", str(self.dir / f"{tls}.pem"), "--key", str(self.dir / f"{tls}.key")]
        return argv

    @staticmethod
    def as_user(argv, user):
        return argv if user is None else ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", *argv]

    def stream(self, path, until, headers=(), tls=None, user=None):
        """An answer without an end, up to where `until` likes what came."""
        # By itself curl keeps the fields until something of the body comes.
        argv = ["stdbuf", "-o0", "curl", "-sS", "-i", "-N", *(x for h in headers for x in ("-H", h)), *self.address_of(path, tls)]
        with subprocess.Popen(self.as_user(argv, user), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as p:
            guard = threading.Timer(PATIENCE, p.kill)
            guard.start()
            data = b""
            while not until(data) and (part := os.read(p.stdout.fileno(), 65536)):
                data += part
            guard.cancel()
            p.kill()
        return self.parse(data)

    @staticmethod
    def parse(rest, complaint=b""):
        head = b""
        # Before the answer's fields stand those of 100 Continue.
        while rest.startswith(b"HTTP/") and (not head or head.split()[1].startswith(b"1")):
            head, _, rest = rest.partition(b"\r\n\r\n")
        if not head:
            return Answer(0, {}, complaint)
        lines = head.decode(errors="replace").split("\r\n")
        fields = {}
        for line in lines[1:]:
            key, _, value = line.partition(":")
            fields[key.strip().lower()] = value.strip()
        return Answer(int(lines[0].split()[1]), fields, rest)

    def get(self, path, **kw):
        return self.curl("GET", path, **kw)

    def post(self, path, body=None, **kw):
        return self.curl("POST", path, {} if body is None else body, **kw)

    def call(self, interface, member, *args):
        """A call as root, by busctl."""
        r = subprocess.run(["busctl", f"--address={self.address}", f"--timeout={PATIENCE}", "call", "org.cvmd1", "/org/cvmd1", interface, member,
                            *map(str, args)], capture_output=True, text=True, timeout=PATIENCE)
        if r.returncode:
            raise AssertionError(f"{member}: {r.stderr}")
        return r.stdout

    def token(self, name, role, machines="*", lifetime=600):
        out = self.call("org.cvmd1.Clients", "CreateToken", "sssu", name, role, machines, lifetime)
        return out.split('"')[1]

    def authority(self):
        out = self.call("org.cvmd1.Clients", "Authority")
        (self.dir / "ca.pem").write_text(json.loads(out.split(" ", 1)[1][:out.split(" ", 1)[1].rindex(' "')]))
        (self.dir / "ca.pem").chmod(0o644)

    def make_csr(self, name):
        key = self.dir / f"{name}.key"
        return subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                               "-keyout", str(key), "-subj", f"/CN={name}"], check=True, capture_output=True, text=True).stdout

    def enrol(self, name, role, machines="*"):
        """A client with key and certificate in NAME.key, NAME.pem; its id."""
        csr = self.make_csr(name)
        r = self.post("/v1/enrol", {"token": self.token(name, role, machines), "csr": csr}, tls="")
        if r.status != 201:
            raise AssertionError(f"enrol: {r}")
        (self.dir / f"{name}.pem").write_text(r.json["certificate"])
        return r.json["id"]

    def wait_operation(self, answer, state="done", seconds=PATIENCE):
        if answer.status != 202:
            raise AssertionError(f"not accepted: {answer}")
        path = answer.headers["location"]
        end = time.monotonic() + seconds
        while (o := self.get(path).json)["state"] in ("pending", "running"):
            if time.monotonic() > end:
                raise AssertionError(f"waited {seconds} s for {o}")
            time.sleep(0.05)
        if state and o["state"] != state:
            raise AssertionError(f"not {state}: {o}")
        return o
