#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A tenant, hosts, and TPMs that are real ones in all but the chip (swtpm).

    test-tpm.py CVMCTL TPM-HOST

Enrolment by credential activation against certificates of a local CA; quotes of PCRs that a played Quoter extended;
verdicts. What a host sends is checked with tpm2-tools and openssl too, which share no code with libcvmattest.
"""
import hashlib, importlib.util, json, os, shutil, struct, sys, tempfile, unittest

HERE = os.path.dirname(os.path.abspath(__file__))
CVMCTL, TPM_HOST = sys.argv[1:3]
os.environ['ATTEST_CLI'] = CVMCTL
sys.path.insert(0, HERE)
from tpms import Maker, Tpm, run
spec = importlib.util.spec_from_file_location('outside', os.path.join(HERE, '../../unit/test-attest-cli.py'))
outside = importlib.util.module_from_spec(spec)
spec.loader.exec_module(outside)
Key, Host, write, read, b64, unb64 = (getattr(outside, n) for n in ('Key', 'Host', 'write', 'read', 'b64', 'unb64'))

TOOLS = ('swtpm', 'swtpm_setup', 'swtpm_localca', 'tpm2_pcrextend', 'tpm2_checkquote', 'tpm2_eventlog', 'openssl')
F_VT_D, F_TPM = 2, 4
PCRS = (*range(10), 12, 13, 14)


class Test(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.tmp = tempfile.TemporaryDirectory(prefix='cvmd-tpm-')
        cls.dir = cls.tmp.name
        cls.maker = Maker(cls.dir + '/maker')
        cls.tpm = Tpm(cls.maker, cls.dir + '/host1')
        cls.other = Tpm(cls.maker, cls.dir + '/host2')
        os.mkdir(cls.dir + '/vm')
        cls.host = Host(cls.dir + '/vm')
        cls.tpm.boot(cls.host)
        cls.tenant = Key(cls.dir, 'tenant')
        cls.count = 0
        cls.enrolment = cls.enrol(cls.tpm)
        cls.log = write(cls.dir + '/log', cls.tpm.log)
        cls.policy = cls.make_policy('policy.json', '--event-log', cls.log)

    @classmethod
    def tearDownClass(cls):
        cls.tpm.stop()
        cls.other.stop()
        cls.tmp.cleanup()

    @classmethod
    def path(cls, name):
        cls.count += 1
        return f'{cls.dir}/{cls.count}-{name}'

    @classmethod
    def endorsement(cls, tpm):
        return run(TPM_HOST, 'endorsement', tpm.tcti).stdout

    @classmethod
    def make_credential(cls, endorsement, roots=None, intermediates=None, check=True):
        session, challenge = cls.path('session'), cls.path('challenge')
        r = run(CVMCTL, 'enrol', 'make-credential', 'host1', '--endorsement', write(cls.path('endorsement'), endorsement),
                '--ek-roots', roots or cls.maker.root, *(['--ek-intermediates', intermediates or cls.maker.issuer]),
                '--session', session, '-o', challenge, check=check)
        return r, session, challenge

    @classmethod
    def activate(cls, tpm, challenge, check=True):
        return run(TPM_HOST, 'activate', tpm.tcti, input=challenge, check=check)

    @classmethod
    def finish(cls, session, response, check=True):
        out = cls.path('enrolment')
        r = run(CVMCTL, 'enrol', 'finish', '--session', session, '--response', write(cls.path('response'), response),
                '--signing-key', cls.tenant.private, '-o', out, check=check)
        return r, out

    @classmethod
    def enrol(cls, tpm):
        _, session, challenge = cls.make_credential(cls.endorsement(tpm))
        return cls.finish(session, cls.activate(tpm, read(challenge)).stdout)[1]

    @classmethod
    def make_policy(cls, name, *args):
        path = cls.path(name)
        p = cls.host.paths
        run(CVMCTL, 'policy', 'init', '--id', 'test', '--kernel', p['kernel'], '--initrd', p['initrd'], '--cmdline',
            cls.host.cmdline, '--firmware', p['firmware'], '--rootvisor', p['rootvisor'], '--guardian', p['guardian'],
            '--require', 'anchor', *args, '-o', path)
        return path

    def evidence(self, nonce, tpm=None, quote_nonce=None, log=None, platform=F_VT_D | F_TPM, host=None):
        host = host or self.host
        report = write(self.path('report'), host.report(nonce, platform=platform))
        point = write(self.path('point'), host.quoter.point)
        tpm = tpm or self.tpm
        out = run(TPM_HOST, 'evidence', tpm.tcti, (quote_nonce or nonce).hex(), write(self.path('log'), log or tpm.log),
                  report, point).stdout
        return json.loads(out)

    def verify(self, evidence, nonce, *args, policy=None, enrolment=None):
        r = run(CVMCTL, '--json', 'verify', '--report', write(self.path('evidence'), json.dumps(evidence).encode()), '--nonce',
                nonce.hex(), '--policy', policy or self.policy,
                *(['--enrolment', enrolment or self.enrolment, '--enrolment-key', self.tenant.public]
                  if enrolment is not False else []), *args, check=False)
        self.assertTrue(r.stdout, r.stderr)
        v = json.loads(r.stdout)
        self.assertEqual(v['exit_status'], r.returncode)
        return r.returncode, v['code'], v

    def test_affirming(self):
        nonce = os.urandom(64)
        evidence = self.evidence(nonce)
        status, code, v = self.verify(evidence, nonce)
        self.assertEqual((status, code), (0, None), json.dumps(v, indent=1))
        self.assertEqual(v['verdict'], 'affirming')
        ak = next(c for c in v['checks'] if c['check'] == 'attestation key')
        self.assertIn('EMULATED', ak['detail'])
        r = run(CVMCTL, 'verify', '--report', write(self.path('e'), json.dumps(evidence).encode()), '--nonce', nonce.hex(), '--policy',
                self.policy, '--enrolment', self.enrolment, '--enrolment-key', self.tenant.public, '--explain')
        self.assertIn('├─ ✓ platform anchor', r.stdout.decode())
        self.assertIn("   ├─ ✓ TPM quote".strip(), r.stdout.decode())
        self.assertNotIn('✗', r.stdout.decode())

    def test_host_without_vt_d(self):
        nonce = os.urandom(64)
        evidence = self.evidence(nonce, platform=F_TPM)
        self.assertEqual(self.verify(evidence, nonce)[:2], (3, 'platform.no-dma-protection'))
        accept = self.make_policy('accept.json', '--event-log', self.log, '--accept', 'no-dma')
        status, _, v = self.verify(evidence, nonce, policy=accept)
        self.assertEqual(status, 0)
        self.assertNotIn('runtime-opaque', v['trustworthiness_vector'])

    def test_same_key_at_each_start(self):
        before = json.loads(self.endorsement(self.other))['ak_public']
        self.other.start()
        self.assertEqual(json.loads(self.endorsement(self.other))['ak_public'], before)
        self.assertNotEqual(json.loads(self.endorsement(self.tpm))['ak_public'], before)

    def test_enrolment_is_needed(self):
        nonce = os.urandom(64)
        evidence = self.evidence(nonce)
        self.assertEqual(self.verify(evidence, nonce, enrolment=False)[:2], (6, 'ak.no-enrolment'))
        other = self.enrol(self.other)
        self.assertEqual(self.verify(evidence, nonce, enrolment=other)[:2], (5, 'ak.not-enrolled'))
        # Both are known: the right one counts.
        self.assertEqual(self.verify(evidence, nonce, '--enrolment', other)[:2], (0, None))

    def test_quote_of_another_host(self):
        """Another host's TPM, made to hold the very same values."""
        nonce = os.urandom(64)
        self.other.boot(self.host)
        evidence = self.evidence(nonce, tpm=self.other)
        self.assertEqual(self.verify(evidence, nonce)[:2], (5, 'ak.not-enrolled'))
        evidence['platform']['ak_public'] = self.evidence(nonce)['platform']['ak_public']
        self.assertEqual(self.verify(evidence, nonce)[:2], (4, 'quote.signature'))

    def test_quote_of_another_session(self):
        nonce = os.urandom(64)
        self.assertEqual(self.verify(self.evidence(nonce, quote_nonce=os.urandom(64)), nonce)[:2], (4, 'quote.nonce'))
        good = self.evidence(nonce)
        self.assertEqual(self.verify(good, os.urandom(64))[1], 'quote.nonce')

    def test_quote_of_another_boot(self):
        os.makedirs(self.dir + '/again', exist_ok=True)
        again = Host(self.dir + '/again')  # another key, other images
        for name in ('segments', 'guardian', 'firmware', 'kernel', 'initrd', 'cmdline'):
            setattr(again, name, getattr(self.host, name))
        nonce = os.urandom(64)
        self.assertEqual(self.verify(self.evidence(nonce, host=again), nonce)[:2], (4, 'measured.key'))

    def test_plain_linux_played_rootvisor(self):
        """PCRs 12 and 13 can be extended by anybody: the loader's say who did."""
        self.other.boot(self.host, loader=b'plain Linux')
        nonce = os.urandom(64)
        evidence = self.evidence(nonce, tpm=self.other)
        record = self.enrol(self.other)
        status, code, v = self.verify(evidence, nonce, enrolment=record)
        self.assertEqual((status, code), (5, 'boot.pcrs'))
        finding = next(c for c in v['checks'] if c.get('code') == 'boot.pcrs' and 'expected' in c)
        self.assertTrue(finding['expected'].startswith('PCR 4 = '), finding)
        self.assertNotEqual(finding['expected'], finding['seen'])

    def test_downgrade(self):
        """An older RootVisor of the same digest cannot be told as newer, whatever the report says."""
        self.other.boot(self.host, rootvisor_svn=0)
        record = self.enrol(self.other)
        nonce = os.urandom(64)
        policy = self.make_policy('older.json', '--event-log', write(self.path('log'), self.other.log))
        self.assertEqual(self.verify(self.evidence(nonce, tpm=self.other), nonce, enrolment=record, policy=policy)[:2],
                         (4, 'measured.version'))

    def test_flips_and_cuts(self):
        """One bit of each part, at a hundred places; each part cut."""
        nonce = os.urandom(64)
        good = self.evidence(nonce)
        parts = [('platform', 'quote'), ('platform', 'signature'), ('platform', 'ak_public'), (None, 'report')]
        for where, name in parts:
            raw = bytearray(unb64((good[where] if where else good)[name]))
            for at in range(0, len(raw), max(1, len(raw) // 25)):
                bad = json.loads(json.dumps(good))
                raw[at] ^= 1 << at % 8
                (bad[where] if where else bad)[name] = b64(raw)
                status = self.verify(bad, nonce)[0]
                self.assertIn(status, (4, 5), f'{name} byte {at}')
                raw[at] ^= 1 << at % 8
            for cut in (1, 7, len(raw) // 2, len(raw) - 1):
                bad = json.loads(json.dumps(good))
                (bad[where] if where else bad)[name] = b64(raw[:cut])
                self.assertEqual(self.verify(bad, nonce)[0], 4, f'{name} cut to {cut}')
        self.assertEqual(self.verify(good, nonce)[0], 0)

    def test_giant_and_nested_json(self):
        nonce = os.urandom(64)
        good = self.evidence(nonce)
        for text in ('{"platform":' * 5000 + '1' + '}' * 5000, '[' * 100000, '{"a":"' + 'x' * 2000000 + '"}',
                     json.dumps(dict(good, platform=[1])), json.dumps(dict(good, platform={'type': 'tpm1'})),
                     json.dumps(dict(good, platform=dict(good['platform'], event_log='A' * 900000)))):
            path = write(self.path('evil'), text.encode())
            r = run(CVMCTL, 'verify', '--report', path, '--nonce', nonce.hex(), '--policy', self.policy, check=False)
            self.assertEqual(r.returncode, 4, text[:50])

    # --- enrolment ---

    def test_challenge_of_another_tpm(self):
        _, session, challenge = self.make_credential(self.endorsement(self.other))
        r = self.activate(self.tpm, read(challenge), check=False)
        self.assertEqual(r.returncode, 1)
        self.assertIn(b'does not open the challenge', r.stderr)

    def test_flipped_challenge(self):
        """The TPM opens it as it was made, and in no other way."""
        _, session, challenge = self.make_credential(self.endorsement(self.tpm))
        r = run(TPM_HOST, 'activate-flipped', self.tpm.tcti, input=read(challenge))
        c = json.loads(read(challenge))
        flips = len(unb64(c['credential_blob'])) + len(range(0, len(unb64(c['encrypted_secret'])), 8))
        # Behind what ESAPI says of each refusal.
        self.assertEqual(r.stderr.decode().splitlines()[-1], f'{flips} flips refused')
        self.assertEqual(self.finish(session, r.stdout)[0].returncode, 0)

    def test_foreign_ak_in_endorsement(self):
        """EK of one TPM, AK of another, or a software key: no TPM opens it."""
        mine, theirs = json.loads(self.endorsement(self.tpm)), json.loads(self.endorsement(self.other))
        mixed = dict(mine, ak_public=theirs['ak_public'])
        _, session, challenge = self.make_credential(json.dumps(mixed).encode())
        for tpm in (self.tpm, self.other):
            self.assertEqual(self.activate(tpm, read(challenge), check=False).returncode, 1)
        # A key that is no attestation key is refused at once: not restricted.
        ak = bytearray(unb64(mine['ak_public']))
        attributes = struct.unpack('>I', ak[4:8])[0] & ~(1 << 16)
        ak[4:8] = struct.pack('>I', attributes)
        r, _, _ = self.make_credential(json.dumps(dict(mine, ak_public=b64(ak))).encode(), check=False)
        self.assertEqual(r.returncode, 1)
        self.assertIn(b'not restricted', r.stderr)

    def test_forged_ek_chain(self):
        mine = json.loads(self.endorsement(self.tpm))
        # A maker of one's own.
        fake = Maker(self.path('fake'))
        forged = Tpm(fake, self.path('forged'))
        theirs = self.endorsement(forged)
        forged.stop()
        r, _, _ = self.make_credential(theirs, check=False)
        self.assertEqual(r.returncode, 1)
        self.assertIn(b'endorsement certificate is not good', r.stderr)
        # Its certificates among the intermediates do not help: they are not trusted by themselves.
        both = write(self.path('both.pem'), read(fake.root) + read(fake.issuer))
        self.assertEqual(self.make_credential(theirs, intermediates=both, check=False)[0].returncode, 1)
        # A certificate of a genuine TPM for another key.
        r, _, _ = self.make_credential(json.dumps(dict(json.loads(theirs), ek_certificate=mine['ek_certificate'])).encode(), check=False)
        self.assertEqual(r.returncode, 1)
        self.assertIn(b'of another key', r.stderr)
        # The issuing CA's own certificate in place of a TPM's; flipped and cut ones.
        der = run('openssl', 'x509', '-in', self.maker.issuer, '-outform', 'DER').stdout
        cert = unb64(mine['ek_certificate'])
        flipped = bytearray(cert)
        flipped[-5] ^= 1
        for bad in (der, bytes(flipped), cert[:-1], cert + b'\0', b'\x30\x82\xff\xff'):
            self.assertEqual(self.make_credential(json.dumps(dict(mine, ek_certificate=b64(bad))).encode(), check=False)[0].returncode, 1)

    def ek_certificate(self, days, eku='2.23.133.8.1', digest='-sha256'):
        """A certificate of the genuine EK by a maker whom the tenant trusts, with faults as asked for."""
        d = self.path('ca')
        os.mkdir(d)
        ek = json.loads(self.endorsement(self.tpm))
        public = write(d + '/ek.pem', run('openssl', 'x509', '-inform', 'DER', '-noout', '-pubkey', input=unb64(ek['ek_certificate'])).stdout)
        run('openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', d + '/ca.key', '-out', d + '/ca.pem', '-subj', '/CN=CA',
            '-days', '3650', '-addext', 'basicConstraints=critical,CA:TRUE', '-addext', 'keyUsage=critical,keyCertSign,cRLSign')
        run('openssl', 'req', '-new', '-key', self.tenant.private, '-subj', '/CN=x', '-out', d + '/x.csr')
        ext = write(d + '/ext', f'basicConstraints=critical,CA:FALSE\nextendedKeyUsage={eku}\nkeyUsage=critical,keyEncipherment\n'.encode())
        run('openssl', 'x509', '-req', '-in', d + '/x.csr', '-CA', d + '/ca.pem', '-CAkey', d + '/ca.key', '-set_serial', '7', '-days', str(days),
            '-force_pubkey', public, digest, '-extfile', ext, '-out', d + '/ek-cert.pem')
        der = run('openssl', 'x509', '-in', d + '/ek-cert.pem', '-outform', 'DER').stdout
        return json.dumps(dict(ek, ek_certificate=b64(der))).encode(), d

    def test_ek_certificate_rules(self):
        good, d = self.ek_certificate(10)
        self.make_credential(good, roots=d + '/ca.pem')  # the control
        for days, eku, digest, words in ((-1, '2.23.133.8.1', '-sha256', b'expired'), (10, 'serverAuth', '-sha256', b'other purposes'),
                                         (10, '2.23.133.8.1', '-sha1', b'too weak')):
            bad, d = self.ek_certificate(days, eku, digest)
            r, _, _ = self.make_credential(bad, roots=d + '/ca.pem', check=False)
            self.assertEqual(r.returncode, 1, words)
            self.assertIn(words, r.stderr)
        # Revoked by its maker.
        good, d = self.ek_certificate(10)
        write(d + '/index.txt', b'')
        write(d + '/crlnumber', b'01\n')
        conf = write(d + '/ca.conf', f'[ca]\ndefault_ca=d\n[d]\ndatabase={d}/index.txt\ncrlnumber={d}/crlnumber\ndefault_md=sha256\n'.encode())
        ca = ['openssl', 'ca', '-config', conf, '-keyfile', d + '/ca.key', '-cert', d + '/ca.pem', '-crldays', '5']
        run(*ca, '-gencrl', '-out', d + '/empty.crl')
        self.make_credential(good, roots=write(d + '/with.pem', read(d + '/ca.pem') + read(d + '/empty.crl')))
        run(*ca, '-revoke', d + '/ek-cert.pem')
        run(*ca, '-gencrl', '-out', d + '/full.crl')
        r, _, _ = self.make_credential(good, roots=write(d + '/with.pem', read(d + '/ca.pem') + read(d + '/full.crl')), check=False)
        self.assertEqual(r.returncode, 1)
        self.assertIn(b'revoked', r.stderr)

    def test_ecc_endorsement_key(self):
        """MakeCredential to a P-256 key: the TPM's own implementation opens it."""
        d = self.path('ecc')
        os.mkdir(d)
        self.addCleanup(self.tpm.tool, 'tpm2_flushcontext', '-t')
        self.tpm.tool('tpm2_createek', '-G', 'ecc', '-c', d + '/ek.ctx', '-u', d + '/ek.pub')
        self.tpm.tool('tpm2_flushcontext', '-t')  # there is no resource manager
        self.tpm.tool('tpm2_createak', '-C', d + '/ek.ctx', '-c', d + '/ak.ctx', '-G', 'ecc', '-g', 'sha256', '-s', 'ecdsa', '-u',
                      d + '/ak.pub', '-n', d + '/ak.name')
        self.tpm.tool('tpm2_flushcontext', '-t')
        ek, ak = read(d + '/ek.pub')[2:], read(d + '/ak.pub')[2:]
        self.tpm.tool('tpm2_readpublic', '-c', d + '/ek.ctx', '-f', 'pem', '-o', d + '/ek.pem')
        self.tpm.tool('tpm2_flushcontext', '-t')
        run('openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', d + '/ca.key', '-out', d + '/ca.pem', '-subj', '/CN=CA',
            '-addext', 'basicConstraints=critical,CA:TRUE', '-addext', 'keyUsage=critical,keyCertSign')
        run('openssl', 'req', '-new', '-key', self.tenant.private, '-subj', '/CN=x', '-out', d + '/x.csr')
        run('openssl', 'x509', '-req', '-in', d + '/x.csr', '-CA', d + '/ca.pem', '-CAkey', d + '/ca.key', '-set_serial', '7', '-days', '5',
            '-force_pubkey', d + '/ek.pem', '-outform', 'DER', '-out', d + '/cert.der', '-extfile',
            write(d + '/ext', b'extendedKeyUsage=2.23.133.8.1\n'))
        endorsement = json.dumps({'profile': 'tag:cvmd.org,2026:endorsement#1', 'ek_certificate': b64(read(d + '/cert.der')),
                                  'ek_public': b64(ek), 'ak_public': b64(ak)}).encode()
        _, session, challenge = self.make_credential(endorsement, roots=d + '/ca.pem')
        c = json.loads(read(challenge))
        blob, secret = unb64(c['credential_blob']), unb64(c['encrypted_secret'])
        # The file format of tpm2-tools: magic, version, TPM2B_ID_OBJECT, TPM2B_ENCRYPTED_SECRET.
        write(d + '/cred', struct.pack('>IIH', 0xbadcc0de, 1, len(blob)) + blob + struct.pack('>H', len(secret)) + secret)
        self.tpm.tool('tpm2_startauthsession', '--policy-session', '-S', d + '/session')
        self.tpm.tool('tpm2_policysecret', '-S', d + '/session', '-c', 'e')
        self.tpm.tool('tpm2_activatecredential', '-c', d + '/ak.ctx', '-C', d + '/ek.ctx', '-i', d + '/cred', '-o', d + '/out', '-P',
                      'session:' + d + '/session')
        self.tpm.tool('tpm2_flushcontext', d + '/session')
        response = json.dumps({'profile': 'tag:cvmd.org,2026:enrolment-response#1', 'secret': b64(read(d + '/out'))}).encode()
        self.finish(session, response)

    def test_session_and_response(self):
        _, session, challenge = self.make_credential(self.endorsement(self.tpm))
        self.assertEqual(os.stat(session).st_mode & 0o777, 0o600)
        response = json.loads(self.activate(self.tpm, read(challenge)).stdout)
        wrong = bytearray(unb64(response['secret']))
        wrong[3] ^= 4
        for bad in (json.dumps(dict(response, secret=b64(wrong))), json.dumps(dict(response, secret='')), '{}', '',
                    json.dumps(dict(response, profile='x'))):
            r, out = self.finish(session, bad.encode(), check=False)
            self.assertEqual((r.returncode, os.path.exists(out)), (1, False), bad)
        # A response after a day, and one from the future.
        s = json.loads(read(session))
        for shift in (-90000, 1000):
            r, _ = self.finish(write(self.path('old'), json.dumps(dict(s, iat=s['iat'] + shift)).encode()), json.dumps(response).encode(), check=False)
            self.assertEqual(r.returncode, 1)
            self.assertIn(b'older than', r.stderr)
        # Each bit of the challenge counts.
        c = json.loads(read(challenge))
        for name in ('credential_blob', 'encrypted_secret'):
            raw = bytearray(unb64(c[name]))
            for at in range(0, len(raw), len(raw) // 8):
                raw[at] ^= 1
                self.assertEqual(self.activate(self.tpm, json.dumps(dict(c, **{name: b64(raw)})).encode(), check=False).returncode, 1, (name, at))
                raw[at] ^= 1
        self.finish(session, json.dumps(response).encode())

    def test_record(self):
        jws = read(self.enrolment).decode()
        header, payload, sig = jws.split('.')
        self.assertEqual(json.loads(unb64(header))['alg'], 'ES256')
        self.assertTrue(self.tenant.verifies(self.dir, f'{header}.{payload}'.encode(), unb64(sig)))
        claims = json.loads(unb64(payload))
        self.assertEqual(claims['host'], 'host1')
        self.assertTrue(claims['tpm_emulated'])
        r = run(CVMCTL, '--json', 'enrol', 'show', self.enrolment, '--enrolment-key', self.tenant.public)
        self.assertEqual(json.loads(r.stdout)['ak_name'], claims['ak_name'])
        nonce = os.urandom(64)
        evidence = write(self.path('e'), json.dumps(self.evidence(nonce)).encode())
        stranger = Key(self.dir, 'stranger')
        def forge(head, signer=stranger, body=payload):
            text = b64(json.dumps(head).encode()) + '.' + body
            return text + '.' + b64(signer.sign(text.encode()))
        head = json.loads(unb64(header))
        mac = b64(__import__('hmac').new(read(self.tenant.public), f'{b64(json.dumps(dict(head, alg="HS256")).encode())}.{payload}'.encode(), 'sha256').digest())
        later = b64(json.dumps(dict(claims, exp=claims['exp'] + 1)).encode())
        for forged in (forge(head), forge(dict(head, alg='none')), b64(json.dumps(dict(head, alg='none')).encode()) + f'.{payload}.',
                       f'{b64(json.dumps(dict(head, alg="HS256")).encode())}.{payload}.{mac}', f'{header}.{later}.{sig}', forge(dict(head, typ='JWT'), self.tenant),
                       forge(dict(head, jwk=stranger.jwk())), jws[:-4], 'a.b.c', '', payload):
            r = run(CVMCTL, 'verify', '--report', evidence, '--nonce', nonce.hex(), '--policy', self.policy, '--enrolment',
                    write(self.path('forged'), forged.encode()), '--enrolment-key', self.tenant.public, check=False)
            self.assertEqual((r.returncode, r.stdout), (1, b''), forged[:60])
        # A record whose time is over, truly signed.
        over = forge(head, self.tenant, b64(json.dumps(dict(claims, iat=1000, exp=2000)).encode()))
        self.assertEqual(self.verify(json.loads(read(evidence)), nonce, enrolment=write(self.path('over'), over.encode()))[:2], (6, 'ak.expired'))
        future = forge(head, self.tenant, b64(json.dumps(dict(claims, iat=claims['iat'] + 10**6)).encode()))
        self.assertEqual(self.verify(json.loads(read(evidence)), nonce, enrolment=write(self.path('future'), future.encode()))[:2], (6, 'ak.not-yet-valid'))

    # --- tools that were not written here ---

    def test_checkquote_accepts(self):
        nonce = os.urandom(64)
        p = self.evidence(nonce)['platform']
        d = self.path('quote')
        os.mkdir(d)
        ak = unb64(p['ak_public'])
        point = b'\x04' + ak[-66:-34] + ak[-32:]
        write(d + '/ak.der', bytes.fromhex('3059301306072a8648ce3d020106082a8648ce3d030107034200') + point)
        run('openssl', 'pkey', '-pubin', '-inform', 'DER', '-in', d + '/ak.der', '-out', d + '/ak.pem')
        write(d + '/quote', unb64(p['quote']))
        write(d + '/sig', unb64(p['signature']))
        def serialized(values):
            # The file of tpm2_quote --pcr: TPML_PCR_SELECTION, a count, TPML_DIGESTs of eight, as C structures.
            mask = sum(1 << i for i in PCRS)
            out = struct.pack('<I', 1) + struct.pack('<HBBBBB', 0x0b, 3, mask & 255, mask >> 8 & 255, 0, 0) + b'\0'
            out = out.ljust(4 + 16 * 8, b'\0') + struct.pack('<I', (len(values) + 7) // 8)
            for i in range(0, len(values), 8):
                eight = values[i:i + 8]
                out += (struct.pack('<I', len(eight)) + b''.join(struct.pack('<H64s', 32, v) for v in eight)).ljust(4 + 8 * 66, b'\0')
            return out
        write(d + '/pcrs', serialized([bytes.fromhex(p['pcrs'][str(i)]) for i in PCRS]))
        qualify = hashlib.sha256(b'CVMD-QUOTE-V1\0\0\0' + nonce).hexdigest()
        def check(qualification=qualify, pcrs='/pcrs', quote='/quote'):
            return run('tpm2_checkquote', '-u', d + '/ak.pem', '-m', d + quote, '-s', d + '/sig', '-g', 'sha256', '-q', qualification, '-f', d + pcrs, check=False)
        r = check()
        self.assertEqual(r.returncode, 0, r.stderr)
        # Controls: it looks at nonce, PCR values and signature.
        self.assertNotEqual(check(qualification='00' * 32).returncode, 0)
        write(d + '/other', serialized([bytes(32) for i in PCRS]))
        self.assertNotEqual(check(pcrs='/other').returncode, 0)
        raw = bytearray(unb64(p['quote']))
        raw[-1] ^= 1
        write(d + '/flipped', bytes(raw))
        self.assertNotEqual(check(quote='/flipped').returncode, 0)

    def test_eventlog_agrees(self):
        """tpm2_eventlog parses the log, and replays it to the PCRs that the TPM quoted."""
        p = self.evidence(os.urandom(64))['platform']
        r = run('tpm2_eventlog', write(self.path('binary'), unb64(p['event_log'])))
        import yaml
        out = yaml.safe_load(r.stdout)
        for bank in ('sha256', 'sha384'):
            seen = {int(k): v for k, v in out['pcrs'][bank].items()}
            self.assertEqual(set(seen), set(range(10)) | {12, 13})
            if bank == p['bank']:
                for i in seen:
                    self.assertEqual(f'{seen[i]:064x}' if isinstance(seen[i], int) else seen[i].removeprefix('0x'), p['pcrs'][str(i)], i)
        r = run(CVMCTL, 'digest', '--event-log', self.log, '--json')
        for alternative in json.loads(r.stdout)['boot']:
            seen = {int(k): v for k, v in out['pcrs'][alternative['bank']].items()}
            for i in (0, 4, 8, 9):
                self.assertEqual(int(alternative['pcrs'][str(i)], 16), seen[i] if isinstance(seen[i], int) else int(seen[i], 16))

    def test_evidence_schema(self):
        import jsonschema
        schema = json.loads(read(os.path.join(HERE, '../../../docs/schema/evidence.schema.json')))
        jsonschema.validate(self.evidence(os.urandom(64)), schema)


if __name__ == '__main__':
    missing = [t for t in TOOLS if not shutil.which(t)]
    if missing:
        print(f'not installed: {", ".join(missing)}', file=sys.stderr)
        sys.exit(77)
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
