#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""EAR and EAT against their drafts. The rules are the CDDL of draft-ietf-rats-ear-04, draft-ietf-rats-ar4si and RFC 9711, in
both forms, JSON and CBOR; they are tried on the examples that the EAR draft gives (facts, typed anew), which must pass, and on
changed ones, which must not; then on what cvmctl writes. CBOR and COSE are taken apart by test-attest-cbor.py's decoder, signatures checked by openssl."""
import base64, copy, importlib.util, os, re, subprocess, sys, tempfile, unittest, json

HERE = os.path.dirname(os.path.abspath(__file__))
spec = importlib.util.spec_from_file_location('cbor', os.path.join(HERE, 'test-attest-cbor.py'))
cbor = importlib.util.module_from_spec(spec)
spec.loader.exec_module(cbor)
outside, enc, dec, Tag, Key, Host, write, read = (getattr(cbor, n) for n in ('outside', 'enc', 'dec', 'Tag', 'Key', 'Host', 'write', 'read'))
CLI = outside.CLI

PROFILE = 'tag:ietf.org,2026:rats/ear#04'
TIERS = {'none': 0, 'affirming': 2, 'warning': 32, 'contraindicated': 96}
VECTOR = ['instance-identity', 'configuration', 'executables', 'file-system', 'hardware', 'runtime-opaque', 'storage-opaque', 'sourced-data']
EAR = {'eat_profile': 265, 'iat': 6, 'exp': 4, 'submods': 266, 'eat_nonce': 10, 'ear_status': 1000, 'ear_raw_evidence': 1002,
       'ear_verifier_id': 1004}
APPRAISAL = {'eat_profile': 265, 'eat_nonce': 10, 'ear_status': 1000, 'ear_trustworthiness_vector': 1001, 'ear_appraisal_policy_ids': 1003,
             'ear_attester_claims': 1005, 'ear_verifier_claims': 1006}
# Appendix A of the draft: the appraisal of a PSA device in JSON and in CBOR, and of a CCA platform with its realm.
PSA = {'eat_profile': PROFILE, 'iat': 1666529184, 'ear_verifier_id': {'developer': 'https://veraison-project.org', 'build': 'vts 0.0.1'},
       'ear_raw_evidence': 'NzQ3MjY5NzM2NTYzNzQK',
       'submods': {'PSA': {'ear_status': 'contraindicated',
                           'ear_trustworthiness_vector': {'instance-identity': 2, 'executables': 96, 'hardware': 2},
                           'ear_appraisal_policy_ids': ['https://veraison.example/policy/1/60a0068d']}}}
PSA_CBOR = {265: PROFILE, 6: 1666529184, 1004: {0: 'https://veraison-project.org', 1: 'vts 0.0.1'}, 1002: b'lifeboatman',
            266: {'PSA': {1000: 96, 1001: {0: 2, 2: 96, 4: 2}, 1003: ['https://veraison.example/policy/1/60a0068d']}}}
POLICIES = ['https://veraison.example/policy/1/60a0068d']
CCA = {'eat_profile': PROFILE, 'iat': 1666529300, 'ear_verifier_id': {'developer': 'https://veraison-project.org', 'build': 'vts 0.0.1'},
       'ear_raw_evidence': 'NzQ3MjY5NzM2NTYzNzQKNzQ3MjY5NzM2NTYzNzQK',
       'submods': {'CCA Platform': {'ear_status': 'affirming', 'ear_appraisal_policy_ids': POLICIES,
                                    'ear_trustworthiness_vector': {'instance-identity': 2, 'executables': 2, 'hardware': 2}},
                   'CCA Realm': {'ear_status': 'affirming', 'ear_trustworthiness_vector': {'instance-identity': 2},
                                 'ear_appraisal_policy_ids': POLICIES}}}


class Wrong(Exception):
    pass


def need(good, what):
    if not good:
        raise Wrong(what)


class Rules:
    """One form of the CDDL: names and types of JSON, or labels and types of CBOR."""

    def __init__(self, in_cbor):
        self.cbor = in_cbor

    def named(self, o, names, required):
        need(isinstance(o, dict), 'no map')
        back = {label if self.cbor else name: name for name, label in names.items()}
        for k in o:
            need(k in back, f'{k!r} is not in the CDDL here')
        got = {back[k]: v for k, v in o.items()}
        for k in required:
            need(k in got, f'{k} is missing')
        return got

    def integer(self, v, low, high):
        need(isinstance(v, int) and not isinstance(v, bool) and low <= v <= high, f'{v!r} is no integer {low}..{high}')

    def binary(self, v, low=0, high=1 << 30):
        if self.cbor:
            need(isinstance(v, bytes) and low <= len(v) <= high, 'no byte string of that size')
        else:
            need(isinstance(v, str) and re.fullmatch('[A-Za-z0-9_-]+', v) and low <= len(v) * 3 // 4 <= high, 'no base64url')

    def text(self, v):
        need(isinstance(v, str), f'{v!r} is no text')

    def status(self, v):
        need(v in (TIERS.values() if self.cbor else TIERS) and not isinstance(v, bool), f'{v!r} is no tier')

    def vector(self, o):
        got = self.named(o, {n: i for i, n in enumerate(VECTOR)}, [])
        need(got, 'an empty vector')
        for v in got.values():
            self.integer(v, -128, 127)

    def claims(self, o):
        """RFC 9711's own claims have the types it gives them; others are free."""
        need(isinstance(o, dict) and o, 'no claims')
        names = {'eat_nonce': 10, 'uptime': 261, 'eat_profile': 265, 'swname': 270, 'swversion': 271, 'iat': 6}
        for name, label in names.items():
            if (label if self.cbor else name) not in o:
                need(not self.cbor or name not in o, f'{name} by its JSON name')
                continue
            v = o[label if self.cbor else name]
            if name == 'eat_nonce':
                self.binary(v, 8, 64)
            elif name in ('uptime', 'iat'):
                self.integer(v, 0, 1 << 64)
            elif name == 'swversion':
                need(isinstance(v, list) and 1 <= len(v) <= 2, 'swversion is an array of a version and perhaps its scheme')
                self.text(v[0])
            else:
                self.text(v)

    def appraisal(self, o):
        got = self.named(o, APPRAISAL, ['ear_status'])
        self.status(got['ear_status'])
        if 'ear_trustworthiness_vector' in got:
            self.vector(got['ear_trustworthiness_vector'])
            # The tier is the worst of the vector's: AR4SI, 2.3.2.
            worst = max((0 if -2 < v < 2 else 2 if -33 < v < 32 else 32 if -97 < v < 96 else 96
                         for v in got['ear_trustworthiness_vector'].values()))
            status = got['ear_status'] if self.cbor else TIERS[got['ear_status']]
            need(status >= worst, 'a status better than the vector')
        if 'ear_appraisal_policy_ids' in got:
            need(isinstance(got['ear_appraisal_policy_ids'], list) and got['ear_appraisal_policy_ids'], 'no policy ids')
            for v in got['ear_appraisal_policy_ids']:
                self.text(v)
        if 'eat_nonce' in got:
            self.binary(got['eat_nonce'], 8, 64)
        for name in ('ear_attester_claims', 'ear_verifier_claims'):
            if name in got:
                self.claims(got[name])

    def ear(self, o):
        got = self.named(o, EAR, ['eat_profile', 'iat', 'ear_verifier_id', 'submods'])
        need(got['eat_profile'] == PROFILE, 'another profile')
        for name in ('iat', 'exp'):
            if name in got:
                self.integer(got[name], -(1 << 63), 1 << 63)
        for v in self.named(got['ear_verifier_id'], {'developer': 0, 'build': 1}, ['developer', 'build']).values():
            self.text(v)
        if 'ear_status' in got:
            self.status(got['ear_status'])
        if 'ear_raw_evidence' in got:
            self.binary(got['ear_raw_evidence'])
        if 'eat_nonce' in got:
            self.binary(got['eat_nonce'], 8, 64)
        need(isinstance(got['submods'], dict) and got['submods'], 'no submodule')
        for name, v in got['submods'].items():
            self.text(name)
            self.appraisal(v)


JSON, CBOR = Rules(False), Rules(True)


class Test(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.tmp = tempfile.TemporaryDirectory()
        cls.dir = cls.tmp.name
        cls.host, cls.nonce, cls.verifier = Host(cls.dir), os.urandom(64), Key(cls.dir, 'verifier')

    @classmethod
    def tearDownClass(cls):
        cls.tmp.cleanup()

    def verify(self, *more, cmdline=None, evidence=None):
        p = self.host.paths
        return subprocess.run([CLI, 'verify', '--report', write(self.dir + '/e', evidence or self.host.evidence(self.nonce)), '--nonce', self.nonce.hex(),
                               '--firmware', p['firmware'], '--rootvisor', p['rootvisor'], '--guardian', p['guardian'], '--kernel', p['kernel'],
                               '--initrd', p['initrd'], '--cmdline', cmdline or self.host.cmdline, '--signing-key', self.verifier.private, *more],
                              capture_output=True, text=True)

    def test_examples_pass(self):
        JSON.ear(PSA)
        JSON.ear(CCA)
        CBOR.ear(PSA_CBOR)
        CBOR.ear(dec(enc(PSA_CBOR))[0])
        JSON.claims({'eat_nonce': 'MIDBNH28iioisjPy', 'ueid': 'xoXC8AGPJxM', 'oemid': 76543, 'swname': 'Acme IoT OS', 'swversion': ['3.1.4']})
        CBOR.claims({1: 'joe', 10: bytes.fromhex('948f8860d13a463e8e'), 256: bytes.fromhex('0198f50a4ff6c05861c8860d13a638ea'), 6: 1526542894})

    def test_changed_examples_do_not(self):
        def change(rules, base, path, value):
            o = copy.deepcopy(base)
            at = o
            for k in path[:-1]:
                at = at[k]
            if value is None:
                del at[path[-1]]
            else:
                at[path[-1]] = value
            with self.assertRaises(Wrong, msg=(path, value)):
                rules.ear(o)
        for path, value in ((['eat_profile'], 'tag:github.com,2023:veraison/ear'), (['eat_profile'], None), (['iat'], None), (['iat'], '1666529184'),
                            (['ear_verifier_id'], None), (['ear_verifier_id', 'build'], None), (['ear_verifier_id', 'x'], 'y'), (['submods'], {}),
                            (['submods', 'PSA', 'ear_status'], 'good'), (['submods', 'PSA', 'ear_status'], 96),
                            (['submods', 'PSA', 'ear_status'], 'affirming'), (['submods', 'PSA', 'ear_status'], None),
                            (['submods', 'PSA', 'ear_trustworthiness_vector'], {}), (['submods', 'PSA', 'ear_trustworthiness_vector', 'hardware'], 128),
                            (['submods', 'PSA', 'ear_trustworthiness_vector', 'Hardware'], 2), (['submods', 'PSA', 'ear_appraisal_policy_ids'], []),
                            (['submods', 'PSA', 'ear.status'], 'none'), (['ear_raw_evidence'], 'a+b/'), (['submods', 'PSA', 'eat_nonce'], 'AAAA')):
            change(JSON, PSA, path, value)
        for path, value in (([265], None), ([1002], 'text'), ([266, 'PSA', 1000], 'contraindicated'), ([266, 'PSA', 1001, 8], 2), ([1004, 2], 'x'),
                            ([266, 'PSA', 10], b'short')):
            change(CBOR, PSA_CBOR, path, value)

    def both(self, status, code, **kw):
        jwt, cwt = self.dir + '/r.jwt', self.dir + '/r.cwt'
        r = self.verify('--ear', jwt, '--ear-cwt', cwt, **kw)
        self.assertEqual(r.returncode, code, r.stdout + r.stderr)
        head, claims, sig = read(jwt).decode().split('.')
        self.assertTrue(self.verifier.verifies(self.dir, f'{head}.{claims}'.encode(), outside.unb64(sig)))
        claims = json.loads(outside.unb64(claims))
        JSON.ear(claims)
        message, end = dec(read(cwt))
        self.assertEqual((end, message.tag, message.value.tag), (len(read(cwt)), 61, 18))
        protected, _, payload, sig = message.value.value
        self.assertEqual(dec(protected)[0], {1: -7})
        self.assertTrue(self.verifier.verifies(self.dir, enc(['Signature1', protected, b'', payload]), sig))
        self.assertFalse(self.verifier.verifies(self.dir, enc(['Signature1', protected, b'x', payload]), sig))
        c, end = dec(payload)
        self.assertEqual(end, len(payload))
        CBOR.ear(c)
        sub, jsub = c[266]['cvmd'], claims['submods']['cvmd']
        self.assertEqual((c[6], c[4], c[1002], sub[10]), (claims['iat'], claims['exp'], read(self.dir + '/e'), self.nonce))
        self.assertEqual((c[1000], sub[1000], jsub['ear_status']), (TIERS[status], TIERS[status], status))
        self.assertEqual(sub[1001], {VECTOR.index(k): v for k, v in jsub['ear_trustworthiness_vector'].items()})
        self.assertEqual([f['code'] for f in sub[1006]['cvm_findings']], [f['code'] for f in jsub['ear_verifier_claims']['cvm_findings']])
        return sub

    def test_ours(self):
        sub = self.both('warning', 3)
        self.assertEqual(sub[1005]['cvm_launch_digest'], outside.launch_digest(self.host.components()))
        self.both('contraindicated', 5, cmdline='another')
        bad = bytearray(self.host.report(self.nonce))
        bad[100] ^= 1
        sub = self.both('contraindicated', 4, evidence=json.dumps(
            {'profile': 'tag:cvmd.org,2026:evidence#1', 'report': outside.b64(bytes(bad)), 'report_key': self.host.quoter.jwk()}).encode())
        self.assertNotIn(1005, sub)  # nobody's claims

    def test_eat_alone(self):
        out = self.dir + '/eat.cwt'
        self.assertEqual(self.verify('--eat', out).returncode, 3)
        cwt = dec(dec(read(out))[0].value.value[2])[0]
        CBOR.claims(cwt)
        # The same as a JWT.
        out = self.dir + '/eat.jwt'
        self.assertEqual(self.verify('--eat-jwt', out).returncode, 3)
        head, body, sig = read(out).decode().split('.')
        self.assertTrue(self.verifier.verifies(self.dir, f'{head}.{body}'.encode(), outside.unb64(sig)))
        self.assertEqual({k: v for k, v in json.loads(outside.unb64(head)).items() if k != 'kid'}, {'alg': 'ES256', 'typ': 'eat+jwt'})
        jwt = json.loads(outside.unb64(body))
        JSON.claims(jwt)
        self.assertEqual((outside.unb64(jwt['eat_nonce']), jwt['eat_profile'], jwt['swname'], jwt['uptime']), (cwt[10], cwt[265], cwt[270], cwt[261]))
        self.assertEqual({k for k in jwt if k.startswith('cvm_')}, {k for k in cwt if isinstance(k, str)})
        bad = bytearray(self.host.report(self.nonce))
        bad[100] ^= 1
        os.unlink(out)
        self.assertEqual(self.verify('--eat-jwt', out, evidence=json.dumps(
            {'profile': 'tag:cvmd.org,2026:evidence#1', 'report': outside.b64(bytes(bad)), 'report_key': self.host.quoter.jwk()}).encode()).returncode, 4)
        self.assertFalse(os.path.exists(out))  # nobody's claims

    def test_wrong_use(self):
        p = subprocess.run([CLI, 'verify', '--report', 'x', '--nonce', '00', '--ear-cwt', 'y'], capture_output=True)
        self.assertEqual(p.returncode, 2)


if __name__ == '__main__':
    unittest.main(argv=[sys.argv[0]])
