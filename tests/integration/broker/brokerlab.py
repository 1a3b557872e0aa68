# SPDX-License-Identifier: LGPL-2.1-or-later
"""A real broker, a host whose Guardians are real, a relay between them that is free to cheat, and what stands in for Vault."""

import base64
import hashlib
import hmac
import http.client
import http.server
import json
import os
import pathlib
import ssl
import struct
import subprocess
import threading
import time

KINDS = ("", "firmware", "kernel", "initrd", "cmdline")
DIGEST = 48


class Host:
    """tests/integration/broker/host.c"""

    def __init__(self, program):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, line: str) -> str:
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def report(self, vm: int, nonce: bytes) -> str:
        return self.ask(f"report {vm} {nonce.hex()}")

    def count(self, vm: int, epoch: int, count: int):
        self.ask(f"count {vm} {epoch << 32 | count:x}")

    def put(self, vm: int, blob: bytes) -> int:
        return int(self.ask(f"put {vm} {blob.hex()}"))

    def get(self, vm: int) -> bytes | int:
        answer = self.ask(f"get {vm}")
        return int(answer) if answer.startswith("-") else bytes.fromhex(answer)

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(120)


def decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def run(cvmctl, *args, environment=None):
    return subprocess.run([cvmctl, *map(str, args)], capture_output=True, text=True, timeout=300,
                          env=dict(os.environ, **(environment or {})))


def reference_values(plane, machine: str) -> dict:
    """What the reports of a machine of tests/integration/cvmd say, as a tenant's expectation."""
    path = plane.dir / "evidence"
    plane.cvmctl("report", machine, "--nonce", os.urandom(64).hex(), "-o", path)
    report = decode(json.loads(path.read_text())["report"])
    number, = struct.unpack_from("<I", report, 416)
    parts = []
    for at in range(424, 424 + 64 * number, 64):
        kind, size = struct.unpack_from("<IxxxxQ", report, at)
        parts.append({"kind": KINDS[kind], "size": size, "digest": report[at + 16:at + 16 + DIGEST].hex()})
    return {"profile": "tag:cvmd.org,2026:reference-values#1",
            "rootvisor": [{"digest": report[64:64 + DIGEST].hex(), "min_svn": 1}],
            "guardian": [{"digest": report[112:112 + DIGEST].hex(), "min_svn": 1}],
            "launch": [{"digest": report[176:176 + DIGEST].hex(), "components": parts}]}


class Broker:
    def __init__(self, cvmctl, store: pathlib.Path, *options, environment=None, stderr=None):
        self.store = store
        self.cvmctl = cvmctl
        self.process = subprocess.Popen([cvmctl, "broker", "serve", str(store), "--listen", "127.0.0.1:0", *options],
                                        stdout=subprocess.PIPE, stderr=stderr, text=True, env=dict(os.environ, **(environment or {})))
        line = self.process.stdout.readline()
        if not line.startswith("Listening on "):
            raise RuntimeError(f"the broker said {line!r}")
        self.url = line.split()[-1]
        self.port = int(self.url.rsplit(":", 1)[1])
        self.tls = ssl.create_default_context(cafile=store / "tls.crt")

    def close(self):
        """Its status; may be called again."""
        self.process.terminate()
        self.process.stdout.close()
        return self.process.wait(120)

    def log(self) -> list[dict]:
        done = run(self.cvmctl, "--json", "broker", "log", self.store)
        if done.returncode:
            raise RuntimeError(done.stderr)
        return json.loads(done.stdout)


def sealed_key(plane, machine: str) -> pathlib.Path:
    """A key that a broker sealed to a machine of tests/integration/cvmd."""
    d = plane.dir / "sealing"
    d.mkdir()
    (d / "policy").write_text(json.dumps({"profile": "tag:cvmd.org,2026:policy#1", "id": "test",
                                          "reference_values": reference_values(plane, machine)}))
    (d / "key").write_bytes(os.urandom(32))
    plane.cvmctl("broker", "init", d / "broker", "--policy", d / "policy", "--name", "127.0.0.1")
    plane.cvmctl("broker", "add", d / "broker", "default/disk/key", "--key-file", d / "key", "--accept-warning", "platform.no-anchor",
                 "--accept-warning", "platform.no-dma-protection")
    broker = Broker(plane.argv()[0], d / "broker")
    nonce = plane.cvmctl("key", "challenge", "--broker", broker.url, "--broker-cert", d / "broker/tls.crt", "-o", d / "session").stdout.strip()
    plane.cvmctl("report", machine, "--nonce", nonce, "-o", d / "report")
    plane.cvmctl("key", "fetch", "--session", d / "session", "--report", d / "report", "--resource", "default/disk/key", "-o", d / "sealed")
    broker.close()
    return d / "sealed"


class Session:
    """What one client says to a broker; every byte it saw is kept."""

    def __init__(self, broker: Broker):
        self.broker = broker
        self.cookie = None
        self.seen = b""
        self.connection = None

    def request(self, method: str, path: str, body=None, cookie=None):
        """Status and object."""
        headers = {"Content-Type": "application/json"}
        if cookie or self.cookie:
            headers["Cookie"] = f"kbs-session-id={cookie or self.cookie}"
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
        # The broker closes what is idle for 30 s.
        if self.connection and time.monotonic() - self.used > 10:
            self.close()
            self.connection = None
        self.used = time.monotonic()
        if not self.connection:
            self.connection = http.client.HTTPSConnection("127.0.0.1", self.broker.port, context=self.broker.tls, timeout=300)
        self.connection.request(method, path, body, headers)
        answer = self.connection.getresponse()
        data = answer.read()
        self.seen += data
        if set_cookie := answer.getheader("Set-Cookie"):
            self.cookie = set_cookie.split(";")[0].split("=")[1]
        try:
            return answer.status, json.loads(data)
        except ValueError:
            return answer.status, {}

    def close(self):
        if self.connection:
            self.connection.close()

    def auth(self) -> bytes:
        status, answer = self.request("POST", "/kbs/v0/auth", {"version": "0.1.0", "tee": "cvmd", "extra-params": ""})
        if status != 200:
            raise RuntimeError(f"auth: {status} {answer}")
        return decode(answer["nonce"])

    def attest(self, evidence: str):
        return self.request("POST", "/kbs/v0/attest", {"tee-evidence": evidence})

    def resource(self, name="default/disk/web1"):
        """Status, and the blob or the error."""
        status, answer = self.request("GET", f"/kbs/v0/resource/{name}")
        return (status, decode(answer["blob"])) if status == 200 else (status, answer)


class Vault:
    """Answers on loopback as the documents of Vault's transit engine say: POST /v1/MOUNT/encrypt/KEY and .../decrypt/KEY over TLS, with
    X-Vault-Token. Its cipher is none of Vault's; what counts is that nobody without `secret` can undo it. `answer`, if set, is asked
    first: status and object (or bytes), or None."""

    def __init__(self, directory: pathlib.Path, mount="data/transit", key="broker"):
        self.certificate, private = directory / "vault.crt", directory / "vault.key"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                        "/CN=vault", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", private, "-out", self.certificate],
                       check=True, capture_output=True, timeout=300)
        self.mount, self.key, self.token = mount, key, "hvs." + os.urandom(20).hex()
        self.secret, self.answer, self.seen = os.urandom(32), None, []
        self.released = threading.Event()   # lets a request go that `answer` holds
        vault = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                vault.seen.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
                status, body = vault.reply(self.path, self.headers, vault.seen[-1][1])
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                try:
                    self.send_response(status)
                    self.send_header("Content-Type", "application/json")
                    if status // 100 == 3:
                        self.send_header("Location", vault.url("elsewhere"))
                    self.send_header("Content-Length", str(len(data)))
                    self.end_headers()
                    self.wfile.write(data)
                except OSError:
                    pass    # whoever asked has given up

            def log_message(self, *_):
                pass

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, private)
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # a handshake that the client refuses
        # The handshake in the connection's own thread.
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def url(self, key=None) -> str:
        return f"https://127.0.0.1:{self.server.server_address[1]}/{self.mount}/{key or self.key}"

    def close(self):
        self.released.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def mask(self, size: int) -> bytes:
        return hashlib.shake_256(self.secret).digest(size)

    def reply(self, path, headers, body):
        if self.answer and (answer := self.answer(path, body)):
            return answer
        if headers.get("X-Vault-Token") != self.token or headers.get("X-Vault-Request") != "true":
            return 403, {"errors": ["permission denied"]}
        if not path.startswith(f"/v1/{self.mount}/") or path.rsplit("/", 1)[1] != self.key:
            return 404, {"errors": []}
        asked, way = json.loads(body), path.split("/")[-2]
        if way == "encrypt":
            plain = base64.b64decode(asked["plaintext"], validate=True)
            text = bytes(a ^ b for a, b in zip(plain, self.mask(len(plain))))
            sealed = hmac.digest(self.secret, text, "sha256") + text
            return 200, {"data": {"ciphertext": "vault:v1:" + base64.b64encode(sealed).decode(), "key_version": 1}}
        sealed = base64.b64decode(asked["ciphertext"].removeprefix("vault:v1:"), validate=True)
        if way != "decrypt" or not hmac.compare_digest(hmac.digest(self.secret, sealed[32:], "sha256"), sealed[:32]):
            return 400, {"errors": ["cipher: message authentication failed"]}
        return 200, {"data": {"plaintext": base64.b64encode(bytes(a ^ b for a, b in zip(sealed[32:], self.mask(len(sealed) - 32)))).decode()}}
