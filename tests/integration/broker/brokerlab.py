# SPDX-License-Identifier: LGPL-2.1-or-later
"""A real broker, a host whose Guardians are real, and a relay between them that is free to cheat."""

import base64
import http.client
import json
import os
import pathlib
import ssl
import subprocess
import time


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


class Broker:
    def __init__(self, cvmctl, store: pathlib.Path, *options, environment=None):
        self.store = store
        self.cvmctl = cvmctl
        self.process = subprocess.Popen([cvmctl, "broker", "serve", str(store), "--listen", "127.0.0.1:0", *options],
                                        stdout=subprocess.PIPE, text=True, env=dict(os.environ, **(environment or {})))
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
