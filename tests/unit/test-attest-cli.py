#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""verify and digest from the outside.

Nothing of libcvmattest is used here: files, digests and reports are made with Python's struct and hashlib from
the text of the ABI headers, signatures with the openssl command. What both sides agree on is then not one
side's mistake.
"""
import base64, hashlib, json, os, struct, subprocess, sys, tempfile, unittest

CLI = os.environ['ATTEST_CLI']
MASK = [(0x1fa, 2), (0x210, 1), (0x211, 1), (0x218, 4), (0x21c, 4), (0x224, 2), (0x228, 4), (0x250, 8)]
NAMES = {1: 'firmware', 2: 'kernel', 3: 'initrd', 4: 'cmdline'}


def sha384(data):
    return hashlib.sha384(data).digest()


def chunked(data):
    """The digest of a component (cvm/report.h)."""
    return sha384(b''.join(sha384(data[at:at + 65536]) for at in range(0, len(data), 65536)))


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b'=').decode()


def unb64(text):
    return base64.urlsafe_b64decode(text + '=' * (-len(text) % 4))


def read(path):
    with open(path, 'rb') as f:
        return f.read()


def write(path, data):
    with open(path, 'wb') as f:
        f.write(data)
    return path


def bzimage(size=20000, seed=1):
    k = bytearray((i * seed + (i >> 8)) & 255 for i in range(size))
    k[0x1f1] = 27  # 27 setup sectors + 1
    k[0x1fe:0x200] = b'\x55\xaa'
    k[0x202:0x206] = b'HdrS'
    k[0x206:0x208] = struct.pack('<H', 0x20f)
    k[0x211] = 1
    return k


def masked(kernel):
    k = bytearray(kernel)
    for at, n in MASK:
        k[at:at + n] = bytes(n)
    return bytes(k)


def rom(firmware, at=0x100):
    r = bytearray(os.urandom(65536))
    r[at:at + len(firmware)] = firmware
    pages = (len(firmware) + 4095) // 4096 * 4096
    r[0xfdc0:0xfe00] = struct.pack('<4sIIII44x', b'CFW1', 1, at, len(firmware), pages)
    return bytes(r)


def elf(segments):
    off, blob, ph = 64 + 56 * len(segments), b'', b''
    for s in segments:
        ph += struct.pack('<IIQQQQQQ', 1, 5, off + len(blob), 0x100000, 0x100000, len(s), len(s) + 100, 4096)
        blob += s
    head = b'\x7fELF\x02\x01\x01' + bytes(9) + struct.pack('<HHIQQQIHHHHHH', 2, 62, 1, 0, 64, 0, 0, 64, 56,
                                                           len(segments), 0, 0, 0)
    return head + ph + blob


def guardian(svn, body):
    size = 80 + len(body)
    return struct.pack('<QIIQQQQQQQQ', 0x3147564355, 1, svn, size, 0x10000, 4096, 4096, 0, 0, 0, 0) + body


def launch_digest(components):
    data = b'CVMD-LAUNCH-V2\0\0'
    for kind, size, digest in components:
        data += struct.pack('<IIQ', kind, 0, size) + digest
    return sha384(data)


class Key:
    """A P-256 key made and used by the openssl command."""

    def __init__(self, directory, name, curve='P-256'):
        self.private = os.path.join(directory, name + '.key')
        self.public = os.path.join(directory, name + '.pem')
        subprocess.run(['openssl', 'ecparam', '-name', {'P-256': 'prime256v1', 'P-384': 'secp384r1', 'P-521': 'secp521r1'}[curve], '-genkey',
                        '-noout', '-out', self.private], check=True)
        subprocess.run(['openssl', 'ec', '-in', self.private, '-pubout', '-out', self.public], check=True,
                       capture_output=True)
        der = subprocess.run(['openssl', 'ec', '-in', self.private, '-pubout', '-outform', 'DER'], check=True,
                             capture_output=True).stdout
        self.point = der[-65:]

    def sign(self, data):
        der = subprocess.run(['openssl', 'dgst', '-sha256', '-sign', self.private], input=data, check=True,
                             capture_output=True).stdout
        def integer(p):
            assert der[p] == 2
            return int.from_bytes(der[p + 2:p + 2 + der[p + 1]], 'big'), p + 2 + der[p + 1]
        r, p = integer(2)
        s, _ = integer(p)
        return r.to_bytes(32, 'big') + s.to_bytes(32, 'big')

    def verifies(self, directory, data, raw, digest='-sha256'):
        half = len(raw) // 2
        def der(n):
            b = n.to_bytes(half + 1, 'big').lstrip(b'\0')
            b = b if b and b[0] < 0x80 else b'\0' + b
            return b'\x02' + bytes([len(b)]) + b
        body = der(int.from_bytes(raw[:half], 'big')) + der(int.from_bytes(raw[half:], 'big'))
        sig = write(os.path.join(directory, 'sig.der'), b'\x30' + bytes([len(body)]) + body)
        return subprocess.run(['openssl', 'dgst', digest, '-verify', self.public, '-signature', sig], input=data,
                              capture_output=True).returncode == 0

    def jwk(self):
        return {'kty': 'EC', 'crv': 'P-256', 'x': b64(self.point[1:33]), 'y': b64(self.point[33:])}


class Host:
    """Plays RootVisor, Guardian and Quoter: makes reports by the layout in cvm/report.h."""

    def __init__(self, directory):
        self.dir = directory
        self.quoter = Key(directory, 'quoter')
        self.kex = Key(directory, 'kex')
        self.firmware = os.urandom(5000)
        self.segments = [os.urandom(3000), os.urandom(77)]
        self.guardian = guardian(2, os.urandom(4000))
        self.kernel = bytes(bzimage())
        self.initrd = os.urandom(70001)
        self.cmdline = 'console=ttyS0 quiet'
        self.paths = {
            'firmware': write(directory + '/cvmboot.rom', rom(self.firmware)),
            'rootvisor': write(directory + '/rootvisor.elf', elf(self.segments)),
            'guardian': write(directory + '/guardian.bin', self.guardian),
            'kernel': write(directory + '/vmlinuz', self.kernel),
            'initrd': write(directory + '/initrd.img', self.initrd),
        }

    def components(self):
        padded = self.firmware + bytes(-len(self.firmware) % 4096)
        list = [(1, len(padded), chunked(padded)), (2, len(self.kernel), chunked(masked(self.kernel)))]
        if self.initrd:
            list.append((3, len(self.initrd), chunked(self.initrd)))
        if self.cmdline:
            list.append((4, len(self.cmdline), chunked(self.cmdline.encode())))
        return list

    def report(self, nonce, platform=0, components=None, registers=bytes(4 * 48)):
        c = self.components() if components is None else components
        r = struct.pack('<IIIIIIIIQQQQ', 0x31525643, 1, 1176, 0, 0x000100, 1, 2, 3, platform, 10**12, 2000000, 9)
        r += sha384(b''.join(self.segments)) + sha384(self.guardian) + bytes(range(16))
        r += launch_digest(c) + registers + struct.pack('<II', len(c), 1)
        for kind, size, digest in c:
            r += struct.pack('<IIQ', kind, 0, size) + digest
        r += bytes(64 * (8 - len(c)))
        r += self.kex.point + bytes(7) + nonce + struct.pack('<II', 0, 0)
        r += hashlib.sha256(self.quoter.point).digest()
        assert len(r) == 1112
        return r + self.quoter.sign(r)

    def evidence(self, nonce, key=None, **kw):
        return json.dumps({'profile': 'tag:cvmd.org,2026:evidence#1', 'report': b64(self.report(nonce, **kw)),
                           'report_key': (key or self.quoter).jwk()}).encode()


class Test(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.tmp = tempfile.TemporaryDirectory()
        cls.dir = cls.tmp.name
        cls.host = Host(cls.dir)
        cls.nonce = os.urandom(64)
        cls.good = write(cls.dir + '/evidence.json', cls.host.evidence(cls.nonce))

    @classmethod
    def tearDownClass(cls):
        cls.tmp.cleanup()

    def run_cli(self, *args):
        return subprocess.run([CLI, *args], capture_output=True, text=True)

    def files(self, **change):
        p = dict(self.host.paths, cmdline=self.host.cmdline)
        p.update(change)
        return [x for k, v in p.items() if v is not None for x in ('--' + k, v)]

    def verify(self, *args, report=None, nonce=None, files=None):
        return self.run_cli('verify', '--report', report or self.good, '--nonce', (nonce or self.nonce).hex(),
                            *(self.files() if files is None else files), *args)

    def test_digest(self):
        r = self.run_cli('digest', *self.files())
        self.assertEqual(r.returncode, 0, r.stderr)
        lines = dict(line.rsplit(None, 1) for line in r.stdout.splitlines())
        self.assertEqual(lines['launch measurement'], launch_digest(self.host.components()).hex())
        self.assertEqual(lines['RootVisor'], sha384(b''.join(self.host.segments)).hex())
        self.assertEqual(lines['Guardian'], sha384(self.host.guardian).hex())

    def test_digest_json_and_explain(self):
        j = json.loads(self.run_cli('digest', *self.files(), '--json').stdout)
        self.assertEqual([(c['kind'], c['size'], c['digest']) for c in j['launch'][0]['components']],
                         [(NAMES[k], n, d.hex()) for k, n, d in self.host.components()])
        self.assertEqual(j['guardian'], [{'digest': sha384(self.host.guardian).hex(), 'min_svn': 2}])
        text = self.run_cli('digest', *self.files(), '--explain').stdout
        for k, n, d in self.host.components():
            self.assertIn(d.hex(), text)
            self.assertIn(str(n), text)

    def test_digest_names_vcpus(self):
        one = self.run_cli('digest', '--json', *self.files()).stdout
        self.assertEqual(self.run_cli('digest', '--json', *self.files(), '--vcpus', '1').stdout, one)
        j = json.loads(self.run_cli('digest', '--json', *self.files(), '--vcpus', '2').stdout)
        vcpus = (5, 2, sha384(struct.pack('<I', 2)))
        self.assertEqual(j['launch'][0]['digest'], launch_digest([*self.host.components(), vcpus]).hex())
        self.assertEqual(j['launch'][0]['components'][-1], {'kind': 'vcpus', 'size': 2, 'digest': vcpus[2].hex()})
        self.assertIn('from    --vcpus', self.run_cli('digest', '--explain', *self.files(), '--vcpus', '2').stdout)
        r = self.verify('--json', files=[*self.files(), '--vcpus', '2'])
        self.assertEqual(json.loads(r.stdout)['code'], 'launch.vcpus')
        for bad in ('0', '17', '-1', 'two', '99999999999'):
            self.assertIn('a protected VM has 1 to 16', self.run_cli('digest', *self.files(), '--vcpus', bad).stderr)

    def test_digest_without_optional_parts(self):
        r = self.run_cli('digest', '--json', *self.files(initrd=None, cmdline=None))
        j = json.loads(r.stdout)
        self.assertEqual(j['launch'][0]['digest'], launch_digest(self.host.components()[:2]).hex())
        same = self.run_cli('digest', '--json', *self.files(initrd=None, cmdline=''))
        self.assertEqual(r.stdout, same.stdout)

    def test_digest_errors(self):
        for args, word in [(self.files(kernel=self.host.paths['initrd']), 'no bzImage'),
                           (self.files(firmware=self.host.paths['initrd']), 'firmware ROM'),
                           (self.files(rootvisor=self.host.paths['initrd']), 'no ELF'),
                           (self.files(guardian=self.host.paths['kernel']), 'no Guardian'),
                           (self.files(initrd=self.dir + '/absent'), 'absent'),
                           (['--initrd', self.host.paths['initrd']], 'kernel'),
                           (['--kernel', self.host.paths['kernel'], '--images', self.dir + '/absent'], 'absent')]:
            r = self.run_cli('digest', *args)
            self.assertEqual(r.returncode, 1, args)
            self.assertIn(word, r.stderr)
            self.assertEqual(r.stdout, '')
        self.assertEqual(self.run_cli('digest').returncode, 2)
        self.assertEqual(self.run_cli('digest', '--bogus').returncode, 2)

    def test_verify_warns_without_anchor(self):
        r = self.verify()
        self.assertEqual(r.returncode, 3, r.stdout + r.stderr)
        self.assertIn('verdict: warning', r.stdout)
        self.assertIn('platform anchor missing: nothing proves that the report key belongs to a genuine RootVisor', r.stdout)
        self.assertNotIn('✗', r.stdout)
        self.assertNotIn('affirming', r.stdout)

    def test_verify_with_reference_file(self):
        ref = self.dir + '/reference.json'
        self.assertEqual(self.run_cli('digest', *self.files(), '--output', ref).returncode, 0)
        r = self.verify(files=['--reference', ref])
        self.assertEqual(r.returncode, 3, r.stdout + r.stderr)
        r = self.verify(files=['--images', self.dir, '--kernel', self.host.paths['kernel'], '--initrd',
                               self.host.paths['initrd'], '--cmdline', self.host.cmdline])
        self.assertEqual(r.returncode, 3, r.stdout + r.stderr)

    def test_firmware_from_reference(self):
        """Who publishes the images gives their values; the tenant adds its own kernel, initrd, command line."""
        ref, p = self.dir + '/images.json', self.host.paths
        images = ['--firmware', p['firmware'], '--rootvisor', p['rootvisor'], '--guardian', p['guardian']]
        own = ['--kernel', p['kernel'], '--initrd', p['initrd'], '--cmdline', self.host.cmdline]
        self.assertEqual(self.run_cli('digest', *images, '-o', ref).returncode, 0)
        self.assertEqual(self.verify(files=['--reference', ref]).returncode, 6)
        self.assertEqual(self.verify(files=['--reference', ref, *own]).returncode, 3)
        self.assertEqual(json.loads(self.verify('--json', files=['--reference', ref, *own[:-1], 'x']).stdout)['code'], 'launch.cmdline')
        j = json.loads(read(ref))
        self.assertEqual(j['launch'], [])
        del j['firmware']
        r = self.verify(files=['--reference', write(self.dir + '/no-firmware.json', json.dumps(j).encode()), *own])
        self.assertEqual(r.returncode, 1)
        self.assertIn('firmware', r.stderr)
        # Two accepted firmwares: both count, neither mixes.
        other = write(self.dir + '/other.rom', rom(b'other firmware' * 300))
        self.assertEqual(self.run_cli('digest', '--firmware', other, '-o', self.dir + '/other.json').returncode, 0)
        self.assertEqual(self.verify(files=['--reference', self.dir + '/other.json', '--reference', ref, *own]).returncode, 3)
        j['firmware'] = []
        write(self.dir + '/no-firmware.json', json.dumps(j).encode())
        r = self.verify('--json', files=['--reference', self.dir + '/other.json', '--reference', self.dir + '/no-firmware.json', *own])
        self.assertEqual(json.loads(r.stdout)['code'], 'launch.firmware')

    def test_one_byte_of_each_input(self):
        """The story's step: one byte of one input differs, and the verdict names that input."""
        for name, code in [('kernel', 'launch.kernel'), ('initrd', 'launch.initrd'), ('firmware', 'launch.firmware'),
                           ('rootvisor', 'rootvisor.digest'), ('guardian', 'guardian.digest')]:
            data = bytearray(read(self.host.paths[name]))
            data[{'firmware': 0x100 + 4000, 'rootvisor': 64 + 112 + 5}.get(name, 15000 if name != 'guardian' else 100)] ^= 1
            path = write(self.dir + '/changed', bytes(data))
            r = self.verify('--json', files=self.files(**{name: path}))
            self.assertEqual(r.returncode, 5, (name, r.stdout, r.stderr))
            j = json.loads(r.stdout)
            self.assertEqual((j['verdict'], j['reason'], j['code']), ('contraindicated', 'policy_violation', code))
            failed = [c['check'] for c in j['checks'] if c['state'] == 'failed']
            self.assertEqual(len(failed), 1 if name in ('rootvisor', 'guardian') else 2, failed)
        j = json.loads(self.verify('--json', files=self.files(cmdline='console=ttyS0 quiet ')).stdout)
        self.assertEqual(j['code'], 'launch.cmdline')

    def test_loader_written_fields_do_not_count(self):
        k = bytearray(self.host.kernel)
        for at, n in MASK:
            for i in range(n):
                k[at + i] ^= 0xfe
        r = self.verify(files=self.files(kernel=write(self.dir + '/patched', bytes(k))))
        self.assertEqual(r.returncode, 3, r.stdout)

    def test_every_field_flipped(self):
        """One bit in each field of a report, signature not renewed: always broken evidence."""
        wire = self.host.report(self.nonce)
        for at in list(range(0, 64, 4)) + [64, 112, 160, 176, 224, 272, 320, 368, 416, 420, 424, 428, 432, 440, 488,
                                           700, 935, 936, 1000, 1001, 1008, 1071, 1072, 1076, 1080, 1111, 1112, 1144, 1175]:
            bad = bytearray(wire)
            bad[at] ^= 1
            evidence = json.dumps({'profile': 'tag:cvmd.org,2026:evidence#1', 'report': b64(bytes(bad)),
                                   'report_key': self.host.quoter.jwk()}).encode()
            r = self.verify(report=write(self.dir + '/flipped', evidence))
            self.assertEqual(r.returncode, 4, (at, r.stdout, r.stderr))

    def test_cut_evidence(self):
        wire = self.host.report(self.nonce)
        seen = set()
        for n in [0, 1, 4, 8, 63, 64, 200, 424, 1007, 1008, 1111, 1112, 1175]:
            r = self.verify('--key', self.host.quoter.public, report=write(self.dir + '/cut', wire[:n]))
            self.assertEqual(r.returncode, 4, (n, r.stdout))
            seen.add(r.stdout.splitlines()[1])
        self.assertEqual(len(seen), 13)
        good = read(self.good)
        for n in [1, 10, 100, len(good) - 1]:
            self.assertEqual(self.verify(report=write(self.dir + '/cut', good[:n])).returncode, 4)

    def test_hostile_text(self):
        """What evidence says is quoted without steering the terminal or faking the tree."""
        profile = '\x1b[2J\x9b1A\u202e\u2713 affirming\n\r'
        evidence = json.dumps({'profile': profile, 'report': ''}).encode()
        r = self.verify(report=write(self.dir + '/hostile', evidence))
        self.assertEqual(r.returncode, 4)
        for bad in ('\x1b', '\x9b', '\u202e', '\u2713 affirming', '\r'):
            self.assertNotIn(bad, r.stdout)
        self.assertEqual(json.loads(self.verify('--json', report=self.dir + '/hostile').stdout)['code'], 'evidence.unsupported')
        r = self.run_cli('digest', '--rootvisor', self.dir + '/\x1b[2J')
        self.assertNotIn('\x1b', r.stderr)

    def test_giant_evidence(self):
        r = self.verify('--json', report=write(self.dir + '/giant', b'{' + b' ' * (3 << 20) + b'}'))
        self.assertEqual((r.returncode, json.loads(r.stdout)['code']), (4, 'evidence.malformed'))

    def test_nonce(self):
        r = self.verify('--json', nonce=os.urandom(64))
        self.assertEqual(r.returncode, 4)
        self.assertEqual(json.loads(r.stdout)['code'], 'nonce.mismatch')
        for data in (self.nonce, self.nonce.hex().encode() + b'\n'):
            path = write(self.dir + '/nonce', data)
            r = self.run_cli('verify', '--report', self.good, '--nonce', path, *self.files())
            self.assertEqual(r.returncode, 3, r.stderr)
        for bad in ('00' * 64, 'ab', self.nonce.hex()[:-1], self.good):
            r = self.run_cli('verify', '--report', self.good, '--nonce', bad, *self.files())
            self.assertEqual(r.returncode, 1, bad)
        self.assertEqual(self.run_cli('verify', '--report', self.good, *self.files()).returncode, 2)

    def test_pinned_key(self):
        raw = write(self.dir + '/quoter.point', self.host.quoter.point)
        jwk = write(self.dir + '/quoter.jwk', json.dumps(self.host.quoter.jwk()).encode())
        for key in (self.host.quoter.public, raw, jwk):
            r = self.verify('--key', key)
            self.assertEqual(r.returncode, 3, r.stdout + r.stderr)
            self.assertIn('the pinned key', r.stdout)
        other = Key(self.dir, 'other')
        self.assertEqual(json.loads(self.verify('--json', '--key', other.public).stdout)['code'], 'key.mismatch')
        for bad in (self.host.paths['initrd'], Key(self.dir, 'p384', 'P-384').public, self.dir + '/absent'):
            r = self.verify('--key', bad)
            self.assertEqual((r.returncode, r.stdout), (1, ''), bad)

    def test_foreign_quoter(self):
        """A host that signs lies with a key of its own: nothing breaks, but nothing is affirmed either."""
        other = Key(self.dir, 'liar')
        mine, self.host.quoter = self.host.quoter, other
        evidence = write(self.dir + '/liar.json', self.host.evidence(self.nonce, platform=6))
        self.host.quoter = mine
        self.assertEqual(self.verify(report=evidence).returncode, 3)
        self.assertEqual(self.verify('--key', mine.public, report=evidence).returncode, 4)

    def test_key_swapped(self):
        other = Key(self.dir, 'swap')
        evidence = write(self.dir + '/swap.json', self.host.evidence(self.nonce, key=other))
        self.assertEqual(json.loads(self.verify('--json', report=evidence).stdout)['code'], 'key.mismatch')

    def test_inconsistent_list(self):
        c = self.host.components()
        wire = bytearray(self.host.report(self.nonce, components=c[:3]))
        wire[176:224] = launch_digest(c)
        wire = bytes(wire[:1112]) + self.host.quoter.sign(bytes(wire[:1112]))
        r = self.verify('--json', '--key', self.host.quoter.public, report=write(self.dir + '/bare', wire))
        self.assertEqual((r.returncode, json.loads(r.stdout)['code']), (4, 'launch.inconsistent'))

    def test_missing_policy(self):
        r = self.verify('--json', files=[])
        self.assertEqual(r.returncode, 6)
        self.assertEqual(json.loads(r.stdout)['reason'], 'policy_missing')
        empty = write(self.dir + '/empty.json', b'{"profile":"tag:cvmd.org,2026:reference-values#1"}')
        self.assertEqual(self.verify(files=['--reference', empty]).returncode, 6)

    def test_bad_reference(self):
        for data in (b'', b'[]', b'{}', b'{"profile":"x"}', b'{' * 100, os.urandom(100)):
            r = self.verify(files=['--reference', write(self.dir + '/bad.json', data)])
            self.assertEqual((r.returncode, r.stdout), (1, ''), data)

    def test_usage(self):
        for args in (['verify'], ['verify', '--report', self.good], ['verify', '--bogus'],
                     ['verify', '--report', self.good, '--nonce', '00', 'extra'],
                     ['verify', '--report', self.good, '--nonce', '00', '--ear', 'x']):
            r = self.run_cli(*args)
            self.assertEqual((r.returncode, r.stdout), (2, ''), args)
        self.assertEqual(self.run_cli('verify', '--help').returncode, 0)

    def test_ear(self):
        signer, path = Key(self.dir, 'verifier'), self.dir + '/result.jwt'
        for files, status, code in ((self.files(), 'warning', 3), (self.files(cmdline='x'), 'contraindicated', 5)):
            r = self.verify('--ear', path, '--signing-key', signer.private, files=files)
            self.assertEqual(r.returncode, code, r.stdout + r.stderr)
            header, claims, sig = read(path).decode().split('.')
            self.assertTrue(signer.verifies(self.dir, (header + '.' + claims).encode(), unb64(sig)))
            self.assertFalse(signer.verifies(self.dir, (header + '.' + claims + 'A').encode(), unb64(sig)))
            self.assertEqual(json.loads(unb64(header))['alg'], 'ES256')
            c = json.loads(unb64(claims))
            self.assertEqual(c['eat_profile'], 'tag:ietf.org,2026:rats/ear#04')
            self.assertEqual(c['submods']['cvmd']['ear_status'], status)
            self.assertEqual(unb64(c['submods']['cvmd']['eat_nonce']), self.nonce)
            self.assertEqual(unb64(c['ear_raw_evidence']), read(self.good))
            self.assertEqual(c['submods']['cvmd']['ear_attester_claims']['cvm_launch_digest'],
                             launch_digest(self.host.components()).hex())
        signer = Key(self.dir, 'verifier384', 'P-384')
        self.assertEqual(self.verify('--ear', path, '--signing-key', signer.private).returncode, 3)
        header, claims, sig = read(path).decode().split('.')
        self.assertEqual((json.loads(unb64(header))['alg'], len(unb64(sig))), ('ES384', 96))
        self.assertTrue(signer.verifies(self.dir, (header + '.' + claims).encode(), unb64(sig), '-sha384'))
        for bad in (signer.public, self.dir + '/absent', Key(self.dir, 'big', 'P-521').private):
            r = self.verify('--ear', path, '--signing-key', bad)
            self.assertEqual((r.returncode, r.stdout), (1, ''), bad)


if __name__ == '__main__':
    unittest.main(argv=[sys.argv[0]])
