#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""CBOR from the outside: EAT in a CWT, and CoRIMs. The encoder, the decoder and the COSE check here are others than those under
test; signatures are made and checked by the openssl command."""
import hashlib, importlib.util, json, os, struct, subprocess, sys, tempfile, time, unittest

HERE = os.path.dirname(os.path.abspath(__file__))
spec = importlib.util.spec_from_file_location('outside', os.path.join(HERE, 'test-attest-cli.py'))
outside = importlib.util.module_from_spec(spec)
spec.loader.exec_module(outside)
Key, Host, write, read = (getattr(outside, n) for n in ('Key', 'Host', 'write', 'read'))
CLI = outside.CLI


class Tag:
    def __init__(self, tag, value):
        self.tag, self.value = tag, value


def head(major, n):
    if n < 24:
        return bytes([major << 5 | n])
    for info, fmt in ((24, '>B'), (25, '>H'), (26, '>I'), (27, '>Q')):
        if n < 1 << 8 * struct.calcsize(fmt):
            return bytes([major << 5 | info]) + struct.pack(fmt, n)


def enc(v):
    if isinstance(v, bool):
        return b'\xf5' if v else b'\xf4'
    if isinstance(v, int):
        return head(0, v) if v >= 0 else head(1, -1 - v)
    if isinstance(v, bytes):
        return head(2, len(v)) + v
    if isinstance(v, str):
        return head(3, len(v.encode())) + v.encode()
    if isinstance(v, (list, tuple)):
        return head(4, len(v)) + b''.join(map(enc, v))
    if isinstance(v, dict):
        return head(5, len(v)) + b''.join(enc(k) + enc(x) for k, x in v.items())
    return head(6, v.tag) + enc(v.value)


def dec(b, at=0):
    major, info = b[at] >> 5, b[at] & 31
    at += 1
    n = info
    if info >= 24:
        size = 1 << (info - 24)
        n = int.from_bytes(b[at:at + size], 'big')
        at += size
    if major == 0:
        return n, at
    if major == 1:
        return -1 - n, at
    if major in (2, 3):
        s = b[at:at + n]
        assert len(s) == n
        return (s if major == 2 else s.decode()), at + n
    if major == 4:
        out = []
        for _ in range(n):
            v, at = dec(b, at)
            out.append(v)
        return out, at
    if major == 5:
        out = {}
        for _ in range(n):
            k, at = dec(b, at)
            assert k not in out
            out[k], at = dec(b, at)
        return out, at
    if major == 6:
        v, at = dec(b, at)
        return Tag(n, v), at
    return {20: False, 21: True, 22: None}[n], at


def sign1(key, payload, protected, tag=True, external=b''):
    p = enc(protected)
    sig = key.sign(enc(['Signature1', p, external, payload]))
    return enc(Tag(18, [p, {}, payload, sig]) if tag else [p, {}, payload, sig])


def triple(model, *values, vendor='cvmd'):
    return [{0: {1: vendor, 2: model}}, [{1: v} for v in values]]


def corim(triples, extra={}):
    comid = enc({1: {0: 'cvmd images'}, 4: {0: triples}})
    return enc(Tag(501, {0: 'test', 1: [Tag(506, comid)], **extra}))


A, B = b'\xaa' * 48, b'\xbb' * 48


class Test(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.tmp = tempfile.TemporaryDirectory()
        cls.dir = cls.tmp.name
        cls.vendor = Key(cls.dir, 'vendor')
        cls.header = {1: -7, 3: 'application/rim+cbor'}
        cls.good = corim([triple('rootvisor', {2: [[7, A]], 1: Tag(553, 3)}, {2: [[7, B], [1, b'\x11' * 32]]}), triple('guardian', {2: [[7, B]], 1: Tag(552, 2)}),
                          triple('boot', {14: {i: [[1, bytes([i]) * 32], [7, bytes([i]) * 48]] for i in (0, 4, 8, 9)}}),
                          triple('rootvisor', {2: [[7, A]]}, vendor='somebody')])

    @classmethod
    def tearDownClass(cls):
        cls.tmp.cleanup()

    def convert(self, data, *args):
        out = os.path.join(self.dir, 'out.json')
        if os.path.exists(out):
            os.unlink(out)
        r = subprocess.run([CLI, 'policy', 'import-corim', write(self.dir + '/in.corim', data), '-o', out, *args], capture_output=True, text=True)
        self.assertEqual(os.path.exists(out), r.returncode == 0)
        return r, (json.loads(read(out)) if r.returncode == 0 else None)

    def refused(self, data, words, *args):
        r, _ = self.convert(data, *args)
        self.assertEqual(r.returncode, 1, words)
        self.assertIn(words, r.stderr)

    def test_corim(self):
        r, v = self.convert(self.good)
        self.assertEqual(r.returncode, 0, r.stderr)
        self.assertIn('1 triples of other environments', r.stdout)
        self.assertEqual(v['rootvisor'], [{'digest': A.hex(), 'min_svn': 3}, {'digest': B.hex(), 'min_svn': 0}])
        self.assertEqual(v['guardian'], [{'digest': B.hex(), 'min_svn': 2}])
        self.assertEqual([b['bank'] for b in v['boot']], ['sha256', 'sha384'])
        self.assertEqual(v['boot'][0]['pcrs'], {str(i): (bytes([i]) * 32).hex() for i in (0, 4, 8, 9)})
        # What came out is what verify and policy take.
        r = subprocess.run([CLI, 'policy', 'init', '--id', 'x', '--reference', self.dir + '/out.json', '--images', self.dir, '-o', self.dir + '/p.json'], capture_output=True, text=True)
        self.assertIn('cvmboot.rom', r.stderr)  # --images names a folder without any
        r = subprocess.run([CLI, 'policy', 'init', '--id', 'x', '--reference', self.dir + '/out.json', '-o', self.dir + '/p.json'], capture_output=True, text=True)
        self.assertEqual(r.returncode, 0, r.stderr)

    def test_signed_corim(self):
        good = sign1(self.vendor, self.good, self.header)
        r, v = self.convert(good, '--corim-key', self.vendor.public)
        self.assertEqual(r.returncode, 0, r.stderr)
        self.assertEqual(len(v['rootvisor']), 2)
        self.refused(good, 'is signed')
        self.refused(self.good, 'not signed', '--corim-key', self.vendor.public)
        other = Key(self.dir, 'other')
        key = ('--corim-key', self.vendor.public)
        self.refused(sign1(other, self.good, self.header), 'not of this key', *key)
        self.refused(sign1(self.vendor, self.good, self.header, external=b'x'), 'not of this key', *key)
        self.refused(sign1(self.vendor, self.good, dict(self.header) | {1: -35}), 'not ES256', *key)
        self.refused(sign1(self.vendor, self.good, self.header | {1: 5}), 'not ES256', *key)  # HMAC 256/256
        self.refused(sign1(self.vendor, self.good, {3: self.header[3]}), 'lacks the algorithm', *key)
        self.refused(sign1(self.vendor, self.good, {1: -7}), 'lacks the algorithm or content type', *key)
        self.refused(sign1(self.vendor, self.good, self.header | {3: 'text/plain'}), 'content type', *key)
        self.refused(sign1(self.vendor, self.good, self.header | {2: [99], 99: 1}), 'extensions', *key)
        raw = bytearray(good)
        accepted = 0
        for at in range(0, len(raw), 17):
            raw[at] ^= 1 << at % 8
            accepted += self.convert(bytes(raw), *key)[0].returncode == 0
            raw[at] ^= 1 << at % 8
        self.assertEqual(accepted, 0)
        for cut in range(0, len(good), 41):
            self.assertEqual(self.convert(good[:cut], *key)[0].returncode, 1)

    def test_bad_corims(self):
        now = int(time.time())
        boot = {14: {i: [[1, bytes(32)]] for i in (4, 8, 9)}}
        self.assertEqual(self.convert(corim([triple('boot', boot)], {4: {0: Tag(1, now - 9), 1: Tag(1, now + 999)}}))[0].returncode, 0)
        self.refused(corim([triple('boot', boot)], {4: {1: Tag(1, now - 9)}}), 'time is over')
        self.refused(corim([triple('boot', boot)], {4: {0: Tag(1, now + 999), 1: Tag(1, now + 9999)}}), 'not begun')
        self.refused(corim([triple('boot', {14: {0: [[1, bytes(32)]]}})]), 'PCRs 4, 8 and 9')
        self.refused(corim([triple('boot', {14: {24: [[1, bytes(32)]]}})]), 'register')
        self.refused(corim([triple('rootvisor', {2: [[1, bytes(32)]]})]), 'no sha-384 digest')
        self.refused(corim([triple('rootvisor', {2: [[7, bytes(47)]]})]), 'digest')
        self.refused(corim([triple('rootvisor', {2: [[7, A], [7, B]]})]), 'digests')
        self.refused(corim([triple('rootvisor', {2: [[7, A]], 3: {0: True}})]), 'not understood')  # flags would not be checked
        self.refused(corim([triple('rootvisor', *[{2: [[7, bytes([i]) * 48]]} for i in range(17)])]), 'alternatives')
        self.refused(corim([triple('rootvisor', {2: [[7, A]]}, vendor='x')]), 'nothing in this CoRIM')
        self.refused(enc(Tag(500, {})), 'no CoRIM')
        self.refused(b'', 'no CoRIM')
        self.refused(b'\xd9\x01\xf5' + b'\xbf\xff', 'malformed')  # indefinite length
        self.refused(b'\xd9\x01\xf5' + head(5, 1 << 40), 'malformed')
        self.refused(b'\xd9\x01\xf5\xa1\x05' + b'\x81' * 100000 + b'\x00', 'malformed')
        for cut in range(1, len(self.good), 29):
            self.assertEqual(self.convert(self.good[:cut])[0].returncode, 1)

    def test_eat(self):
        host, nonce = Host(self.dir), os.urandom(64)
        verifier = Key(self.dir, 'verifier')
        out = self.dir + '/eat.cwt'
        args = [CLI, 'verify', '--nonce', nonce.hex(), '--firmware', host.paths['firmware'], '--kernel', host.paths['kernel'], '--eat', out,
                '--signing-key', verifier.private, '--report']
        before = int(time.time())
        subprocess.run(args + [write(self.dir + '/e', host.evidence(nonce))], capture_output=True)
        message, end = dec(read(out))
        self.assertEqual((end, message.tag, message.value.tag), (len(read(out)), 61, 18))
        protected, unprotected, payload, sig = message.value.value
        self.assertEqual((dec(protected)[0], unprotected), ({1: -7}, {}))
        self.assertTrue(verifier.verifies(self.dir, enc(['Signature1', protected, b'', payload]), sig))
        claims, end = dec(payload)
        self.assertEqual(end, len(payload))
        self.assertEqual((claims[10], claims[265], claims[270]), (nonce, 'tag:cvmd.org,2026:report#1', 'RootVisor'))
        self.assertEqual(claims['cvm_rootvisor_digest'], outside.sha384(b''.join(host.segments)))
        self.assertEqual(claims['cvm_measured'][1]['digest'], outside.chunked(outside.masked(host.kernel)))
        self.assertEqual(claims['cvm_kex_public'], host.kex.point)
        # The clock that is read there may be some ms behind ours, and our second just begun.
        self.assertTrue(before - 1 <= claims[6] <= time.time(), (before, claims[6]))
        os.unlink(out)
        bad = bytearray(host.report(nonce))
        bad[100] ^= 1
        evidence = json.dumps({'profile': 'tag:cvmd.org,2026:evidence#1', 'report': outside.b64(bytes(bad)), 'report_key': host.quoter.jwk()})
        r = subprocess.run(args + [write(self.dir + '/e', evidence.encode())], capture_output=True)
        self.assertEqual((r.returncode, os.path.exists(out)), (4, False))


if __name__ == '__main__':
    unittest.main()
