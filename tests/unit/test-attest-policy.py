#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Policies from the outside: made, checked, signed, compared; what each demand does to a verdict; schemas."""
import hashlib, importlib.util, json, os, subprocess, sys, tempfile, unittest

HERE = os.path.dirname(os.path.abspath(__file__))
spec = importlib.util.spec_from_file_location('outside', os.path.join(HERE, 'test-attest-cli.py'))
outside = importlib.util.module_from_spec(spec)
spec.loader.exec_module(outside)
Key, Host, write, read, b64, unb64 = (getattr(outside, n) for n in ('Key', 'Host', 'write', 'read', 'b64', 'unb64'))
CLI = outside.CLI
SCHEMAS = os.path.join(HERE, '../../docs/schema')


class Test(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.tmp = tempfile.TemporaryDirectory()
        cls.dir = cls.tmp.name
        cls.host = Host(cls.dir)
        cls.nonce = os.urandom(64)
        cls.evidence = write(cls.dir + '/evidence.json', cls.host.evidence(cls.nonce))
        cls.files = [x for k, v in dict(cls.host.paths, cmdline=cls.host.cmdline).items() for x in ('--' + k, v)]
        cls.signer = Key(cls.dir, 'tenant')

    @classmethod
    def tearDownClass(cls):
        cls.tmp.cleanup()

    def run_cli(self, *args):
        return subprocess.run([CLI, *args], capture_output=True, text=True)

    def init(self, *args, name='policy.json', files=None):
        path = os.path.join(self.dir, name)
        r = self.run_cli('policy', 'init', '--id', 'web-1', '-o', path, *(self.files if files is None else files), *args)
        self.assertEqual(r.returncode, 0, r.stderr)
        return path

    def verify(self, policy, *args, evidence=None):
        r = self.run_cli('--json', 'verify', '--report', evidence or self.evidence, '--nonce', self.nonce.hex(),
                         '--policy', policy, *args)
        return r.returncode, (json.loads(r.stdout)['code'] if r.stdout else r.stderr)

    def edited(self, **change):
        p = json.loads(read(self.init()))
        p.update(change)
        return write(self.dir + '/edited.json', json.dumps(p).encode())

    def test_plain_policy(self):
        self.assertEqual(self.verify(self.init()), (3, 'platform.no-anchor'))

    def test_demands(self):
        other = Key(self.dir, 'other')
        cases = [(['--require', 'anchor'], 5, 'platform.no-anchor'),
                 (['--require', 'dma'], 5, 'platform.no-dma-protection'),
                 (['--require', 'guest'], 5, 'vm.requester'),
                 (['--report-key', other.public], 5, 'key.not-accepted'),
                 (['--report-key', other.public, '--report-key', self.host.quoter.public], 3, 'platform.no-anchor'),
                 (['--vm-uuid', '00010203-0405-0607-0809-0a0b0c0d0e0f'], 3, 'platform.no-anchor'),
                 (['--vm-uuid', '00010203-0405-0607-0809-0a0b0c0d0e00'], 5, 'vm.uuid'),
                 (['--not-after', '2001-01-01T00:00:00Z'], 6, 'policy.expired'),
                 (['--not-before', '2999-01-01T00:00:00Z'], 6, 'policy.not-yet-valid'),
                 (['--not-before', '2001-01-01T00:00:00Z', '--not-after', '2999-01-01T00:00:00Z'], 3, 'platform.no-anchor')]
        for args, status, code in cases:
            self.assertEqual(self.verify(self.init(*args)), (status, code), args)

    def test_revoked(self):
        for name, digest in (('rootvisor', outside.sha384(b''.join(self.host.segments))), ('guardian', outside.sha384(self.host.guardian))):
            self.assertEqual(self.verify(self.edited(revoked=['00' * 48, digest.hex()])), (5, name + '.revoked'))

    def test_registers(self):
        self.assertEqual(self.verify(self.edited(runtime_registers=[None, '00' * 48])), (3, 'platform.no-anchor'))
        self.assertEqual(self.verify(self.edited(runtime_registers=[None, '00' * 48, '01' * 48])), (5, 'registers.value'))

    def test_register_log(self):
        """What the guest extended, replayed into the report's registers: nothing may be missing, added, changed or moved."""
        entries = [(1, outside.sha384(b'plugin'), 'plugin.so'), (0, outside.sha384(b'policy'), ''), (1, outside.sha384(b'other'), 'a text with blanks')]
        registers = [bytes(48)] * 4
        for i, digest, _ in entries:
            registers[i] = outside.sha384(registers[i] + digest)
        lines = [f'{i} {digest.hex()}{" " + text if text else ""}\n'.encode() for i, digest, text in entries]
        evidence = write(self.dir + '/extended.json', self.host.evidence(self.nonce, registers=b''.join(registers)))
        policy = self.edited(runtime_registers=[None, registers[1].hex()])

        def verify(log, evidence=evidence, policy=policy):
            return self.verify(policy, '--register-log', write(self.dir + '/registers.log', log), evidence=evidence)
        self.assertEqual(verify(b''.join(lines)), (3, 'platform.no-anchor'))
        self.assertEqual(verify(b''.join(lines), policy=self.edited(runtime_registers=[None, '00' * 48])), (5, 'registers.value'))
        self.assertEqual(verify(b'', evidence=self.evidence, policy=self.edited()), (3, 'platform.no-anchor'))
        changed = lines[0][:10] + (b'1' if lines[0][10:11] == b'0' else b'0') + lines[0][11:]
        for bad in (b'', b''.join(lines[1:]), b''.join(lines[:2]), b''.join(lines[::-1]), b''.join(lines + lines[-1:]), changed + b''.join(lines[1:]),
                    b'2' + b''.join(lines)[1:]):
            self.assertEqual(verify(bad), (4, 'registers.log'), bad)
        for bad in (b''.join(lines)[:-1], b'\n' + lines[0], b'4' + lines[0][1:], lines[1].upper()[:60] + b'\n', lines[1][:-1] + b'x\n', b'1  ' + lines[0][2:], b'\0',
                    lines[0].replace(b' ', b'\t', 1), b'A' * (2 << 20)):
            self.assertEqual(verify(bad), (4, 'registers.malformed'), bad[:80])
        self.assertEqual(self.verify(policy, '--register-log', self.dir + '/absent')[0], 1)

    def test_policy_without_values(self):
        bare = self.init(files=[], name='bare.json')
        self.assertEqual(self.verify(bare)[0], 6)
        self.assertEqual(self.verify(bare, *self.files), (3, 'platform.no-anchor'))

    def test_update_window(self):
        """Old and new kernels are accepted side by side, and no mixture of them."""
        new = bytes(outside.bzimage(seed=3))
        values = self.dir + '/new-values.json'
        files = dict(self.host.paths, kernel=write(self.dir + '/new-kernel', new), cmdline='quiet')
        r = self.run_cli('digest', '--output', values, *[x for k, v in files.items() for x in ('--' + k, v)])
        self.assertEqual(r.returncode, 0, r.stderr)
        policy = self.init('--reference', values)
        self.assertEqual(self.verify(policy), (3, 'platform.no-anchor'))
        old = self.host.kernel
        try:
            self.host.kernel = new
            mixed = write(self.dir + '/mixed.json', self.host.evidence(self.nonce))
            self.host.cmdline, cmdline = 'quiet', self.host.cmdline
            updated = write(self.dir + '/updated.json', self.host.evidence(self.nonce))
        finally:
            self.host.kernel, self.host.cmdline = old, cmdline
        self.assertEqual(self.verify(policy, evidence=updated), (3, 'platform.no-anchor'))
        self.assertEqual(self.verify(policy, evidence=mixed)[0], 5)

    def test_bad_policies(self):
        good = json.loads(read(self.init()))
        cases = [dict(profile='x'), dict(id=''), dict(id='a b'), dict(id='x' * 96), dict(id=None), dict(not_after='tomorrow'),
                 dict(not_after='2026-02-30T00:00:00Z'), dict(not_after='2026-01-01T00:00:00Z '), dict(not_after=5),
                 dict(not_before='2026-01-02T00:00:00Z', not_after='2026-01-01T00:00:00Z'), dict(require=[]),
                 dict(require={'platform_anchor': 'yes'}), dict(require={'platform_anker': True}), dict(requires={}),
                 dict(vm_uuid='00010203040506070809-0a0b0c0d0e0f'), dict(vm_uuid='0' * 36), dict(report_keys=['00']),
                 dict(report_keys=['00' * 32] * 33), dict(report_keys='00'), dict(revoked=['00' * 47]), dict(revoked=[None]),
                 dict(runtime_registers=['00' * 48] * 5), dict(runtime_registers=[0]), dict(reference_values=[]),
                 dict(reference_values={}), dict(reference_values={'profile': 'tag:cvmd.org,2026:reference-values#1', 'launch': [{}]})]
        for change in cases:
            path = write(self.dir + '/bad.json', json.dumps(dict(good, **change)).encode())
            r = self.run_cli('policy', 'check', path)
            self.assertEqual((r.returncode, r.stdout), (1, ''), change)
            r = self.run_cli('verify', '--report', self.evidence, '--nonce', self.nonce.hex(), '--policy', path)
            self.assertEqual((r.returncode, r.stdout), (1, ''), change)
        for data in (b'', b'[]', b'{', b'\xff', b'a.b', b'a.b.c', read(self.init())[:-20]):
            self.assertEqual(self.run_cli('policy', 'check', write(self.dir + '/bad.json', data)).returncode, 1)

    def test_check_and_diff(self):
        open_policy = self.init(name='open.json')
        r = self.run_cli('policy', 'check', open_policy)
        self.assertEqual(r.returncode, 6)
        self.assertEqual(len(r.stdout.splitlines()), 3)
        anchorless = self.init('--require', 'anchor', '--require', 'dma', '--not-after', '2999-01-01T00:00:00Z')
        r = self.run_cli('policy', 'check', anchorless)
        self.assertEqual((r.returncode, len(r.stdout.splitlines())), (6, 1), r.stdout)
        self.assertIn('no firmware and loader is accepted', r.stdout)
        boot = write(self.dir + '/boot.json', json.dumps({
            'profile': 'tag:cvmd.org,2026:reference-values#1',
            'boot': [{'bank': 'sha256', 'pcrs': {str(i): '%064x' % i for i in (4, 8, 9)}}]}).encode())
        tight = self.init('--reference', boot, '--images', self.dir, '--require', 'anchor', '--require', 'dma', '--not-after', '2999-01-01T00:00:00Z', name='tight.json')
        r = self.run_cli('policy', 'check', tight)
        self.assertEqual((r.returncode, r.stdout), (0, ''))
        self.assertEqual(self.run_cli('policy', 'diff', tight, tight).returncode, 0)
        r = self.run_cli('policy', 'diff', open_policy, tight)
        self.assertEqual(r.returncode, 6)
        self.assertIn('~ require.platform_anchor false -> true', r.stdout)
        self.assertIn('+ not_after "2999-01-01T00:00:00Z"', r.stdout)
        other = self.init(name='other.json', files=self.files[:-1] + ['another'])
        r = self.run_cli('--json', 'policy', 'diff', open_policy, other)
        lines = json.loads(r.stdout)['differences']
        self.assertEqual([line[:2] for line in lines], ['- ', '+ '])
        self.assertIn(outside.launch_digest(self.host.components()).hex(), lines[0])

    def signed(self, key=None, name='policy.jws'):
        path = os.path.join(self.dir, name)
        r = self.run_cli('policy', 'sign', self.init(), '--signing-key', (key or self.signer).private, '-o', path)
        self.assertEqual(r.returncode, 0, r.stderr)
        return path

    def test_signed(self):
        path = self.signed()
        header, payload, sig = read(path).decode().split('.')
        self.assertEqual(unb64(payload), read(self.init()))
        self.assertTrue(self.signer.verifies(self.dir, (header + '.' + payload).encode(), unb64(sig)))
        self.assertEqual(self.verify(path, '--policy-key', self.signer.public), (3, 'platform.no-anchor'))
        self.assertEqual(self.verify(path)[0], 1)  # signed, but nobody says by whom
        self.assertEqual(self.verify(self.init(), '--policy-key', self.signer.public)[0], 1)  # not signed
        self.assertEqual(self.verify(path, '--policy-key', Key(self.dir, 'stranger').public)[0], 1)
        self.assertEqual(self.run_cli('policy', 'check', path, '--policy-key', self.signer.public).returncode, 6)
        self.assertEqual(self.run_cli('policy', 'sign', self.init(), '--signing-key', Key(self.dir, 'p384', 'P-384').private,
                                      '-o', self.dir + '/x').returncode, 1)
        self.assertEqual(self.run_cli('policy', 'sign', self.evidence, '--signing-key', self.signer.private, '-o',
                                      self.dir + '/x').returncode, 1)

    def test_forged_signatures(self):
        """Other algorithms, other types, changed parts: none is taken."""
        header, payload, sig = read(self.signed()).decode().split('.')
        good = json.loads(unb64(header))
        hmac = __import__('hmac')

        def with_header(h, sign):
            h64 = b64(json.dumps(h).encode())
            return h64 + '.' + payload + '.' + b64(sign((h64 + '.' + payload).encode()))
        secret = read(self.signer.public)
        forged = {
            'none': with_header({'alg': 'none', 'typ': good['typ']}, lambda d: b''),
            'none with bytes': with_header({'alg': 'none', 'typ': good['typ']}, lambda d: bytes(64)),
            'HS256 with the public key': with_header({'alg': 'HS256', 'typ': good['typ']},
                                                     lambda d: hmac.new(secret, d, 'sha256').digest()),
            'HS256, long': with_header({'alg': 'HS512', 'typ': good['typ']},
                                       lambda d: hmac.new(secret, d, 'sha512').digest()),
            'ES384 in name': with_header(dict(good, alg='ES384'), self.signer.sign),
            'an EAR': with_header(dict(good, typ='JWT'), self.signer.sign),
            'no type': with_header({'alg': 'ES256'}, self.signer.sign),
            'critical extension': with_header(dict(good, crit=['exp'], exp=1), self.signer.sign),
            'unencoded payload': with_header(dict(good, b64=False), self.signer.sign),
            'own key in the header': with_header(dict(good, jwk=Key(self.dir, 'own').jwk()), Key(self.dir, 'own2').sign),
            'zero signature': header + '.' + payload + '.' + b64(bytes(64)),
            'no signature': header + '.' + payload + '.',
            'DER signature': header + '.' + payload + '.' + b64(b'0' + bytes(70)),
            'changed payload': header + '.' + b64(unb64(payload).replace(b'web-1', b'web-2')) + '.' + sig,
            'four parts': header + '.' + payload + '.' + sig + '.' + sig,
            'two parts': header + '.' + payload,
            'padding': header + '=.' + payload + '.' + sig,
        }
        for what, text in forged.items():
            status, message = self.verify(write(self.dir + '/forged.jws', text.encode()), '--policy-key', self.signer.public)
            self.assertEqual(status, 1, what)
        control = with_header(good, self.signer.sign)
        self.assertEqual(self.verify(write(self.dir + '/control.jws', control.encode()), '--policy-key', self.signer.public)[0], 3)

    def test_ear_names_policy(self):
        ear = self.dir + '/ear.jwt'
        self.verify(self.init(), '--ear', ear, '--signing-key', self.signer.private)
        claims = json.loads(unb64(read(ear).decode().split('.')[1]))
        self.assertEqual(claims['submods']['cvmd']['ear_appraisal_policy_ids'], ['web-1'])

    def test_usage(self):
        for args in ([], ['bogus'], ['check'], ['diff', 'a'], ['init'], ['init', '--id', 'x'], ['sign', 'a'],
                     ['init', '--require', 'magic', '--id', 'x', '-o', 'y'], ['--bogus']):
            self.assertEqual(self.run_cli('policy', *args).returncode, 2, args)

    def test_schemas(self):
        """What the tools write is what the schemas say, and the schemas refuse what the tools refuse."""
        try:
            import jsonschema
        except ImportError:
            self.skipTest('python3-jsonschema is not installed')
        store = {}
        for name in ('policy', 'evidence', 'reference-values'):
            s = json.loads(read(os.path.join(SCHEMAS, name + '.schema.json')))
            jsonschema.Draft202012Validator.check_schema(s)
            store[name + '.schema.json'] = s

        def valid(name, value):
            s = store[name + '.schema.json']
            resolver = jsonschema.RefResolver(name + '.schema.json', s, store=store)
            return jsonschema.Draft202012Validator(s, resolver=resolver).is_valid(value)
        policy = json.loads(read(self.init('--require', 'dma', '--not-after', '2030-01-01T00:00:00Z', '--report-key',
                                           self.host.quoter.public, '--vm-uuid', '00010203-0405-0607-0809-0a0b0c0d0e0f')))
        self.assertTrue(valid('policy', policy))
        self.assertTrue(valid('policy', dict(policy, runtime_registers=[None, '00' * 48], revoked=['11' * 48])))
        for change in (dict(requires={}), dict(require={'x': True}), dict(id='a b'), dict(not_after='x'), dict(profile='y'),
                       dict(reference_values={}), dict(report_keys=['00'])):
            self.assertFalse(valid('policy', dict(policy, **change)), change)
        self.assertTrue(valid('reference-values', policy['reference_values']))
        evidence = json.loads(read(self.evidence))
        self.assertTrue(valid('evidence', evidence))
        self.assertFalse(valid('evidence', dict(evidence, report=evidence['report'][:-1])))


if __name__ == '__main__':
    unittest.main(argv=[sys.argv[0]])
