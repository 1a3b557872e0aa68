#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rollback counters in NV memory of a TPM that is a real one in all but the chip (swtpm), carried by a hostile host.

    test-counter.py COUNTER-HOST COUNT-HOST

The Quoter's own sources (counter-host) on one side, swtpm on the other; this program is the host between them, with a hash tree of its
own, written from hypervisor/include/cvm/counter.h. Count-host is cvmd's own part instead, to be killed. What the TPM holds is read with tpm2-tools where the attributes let anybody read.
"""
import errno, hashlib, os, shutil, signal, socket, struct, subprocess, sys, tempfile, unittest

HERE = os.path.dirname(os.path.abspath(__file__))
HOST, COUNT = sys.argv.pop(1), sys.argv.pop(1)
sys.path.insert(0, HERE)
from tpms import Maker, Tpm

TOOLS = ('swtpm', 'swtpm_setup', 'swtpm_localca', 'tpm2_pcrextend', 'tpm2_nvreadpublic', 'tpm2_nvundefine', 'tpm2_nvdefine', 'tpm2_nvwrite', 'tpm2_clear',
         'tpm2_changeauth', 'tpm2_startauthsession', 'tpm2_policypcr')
BEGIN, STARTED, WRITTEN = 1, 2, 3
VAULT, ROOT = '0x180c4d0', '0x180c4d1'
ZERO = bytes(32)
A, B = hashlib.sha384(b'A').digest(), hashlib.sha384(b'B').digest()
sha256 = lambda data: hashlib.sha256(data).digest()


class Leaves(dict):
    """identity: count. The tree as cvm/counter.h has it."""

    @staticmethod
    def position(identity):
        return int.from_bytes(sha256(b'CVMD-COUNTER-V1\0' + identity)[:8], 'big')

    def subtree(self, level, prefix):
        """The hash over the leaves whose position begins so; level 0 is a leaf."""
        inside = [i for i, n in self.items() if n and self.position(i) >> level == prefix]
        if not inside:
            return ZERO
        if level == 0:
            return sha256(b'\0' + inside[0] + struct.pack('<I', self[inside[0]]))
        return sha256(b'\1' + self.subtree(level - 1, prefix << 1) + self.subtree(level - 1, prefix << 1 | 1))

    def path(self, identity):
        at = self.position(identity)
        siblings = [self.subtree(level, at >> level ^ 1) for level in range(64)]
        return sum(1 << n for n, s in enumerate(siblings) if s != ZERO), [s for s in siblings if s != ZERO]


def call(step, count=0, tpm=b'', bits=0, siblings=()):
    return (bytes(52) + struct.pack('<IIIQQ', step, count, len(tpm), bits, 0) + tpm.ljust(176, b'\0') +
            b''.join(siblings).ljust(2048, b'\0'))


class Answer:
    def __init__(self, line):
        code, out = line.split()
        self.errno, out = int(code, 16), bytes.fromhex(out)
        size, _, rollback = struct.unpack('<IQQ', out[60:80])
        self.count, self.epoch, self.tpm = rollback & 0xffffffff, rollback >> 32, out[80:80 + size]


class Test(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.tmp = tempfile.TemporaryDirectory(prefix='cvmd-counter-')
        cls.maker = Maker(cls.tmp.name + '/maker')
        cls.count = 0

    @classmethod
    def tearDownClass(cls):
        cls.tmp.cleanup()

    def setUp(self):
        Test.count += 1
        self.tpm = Tpm(self.maker, f'{self.tmp.name}/{Test.count}')
        self.host = subprocess.Popen([HOST], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.leaves, self.session = Leaves(), b''

    def tearDown(self):
        self.host.stdin.close()
        self.host.wait()
        self.host.stdout.close()
        self.tpm.stop()

    def ask(self, *words):
        self.host.stdin.write(' '.join(words) + '\n')
        self.host.stdin.flush()
        return self.host.stdout.readline()

    def start_tpm(self, loader=b'GRUB', kernel=b'vmlinuz'):
        """Reset, then what firmware and loader measure."""
        self.tpm.start()
        for pcr, what in ((0, b'firmware'), (2, b'option ROM'), (4, loader), (8, b'multiboot2 rootvisor'), (9, kernel)):
            self.tpm.extend(pcr, 0xd, what)

    def boot(self, cmdline='', **kw):
        """TPM error, counters' error, their TPM code, epoch, new."""
        self.start_tpm(**kw)
        return [int(x, 16) for x in self.ask('boot', self.tpm.state + '/sock', cmdline).split()]

    def carry(self, command):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(self.tpm.state + '/sock')
            s.sendall(command)
            answer = b''
            while len(answer) < 10 or len(answer) < int.from_bytes(answer[2:6], 'big'):
                got = s.recv(4096)
                self.assertTrue(got)
                answer += got
            return answer

    def step(self, vm, identity, *args, **kw):
        return Answer(self.ask('counter', str(vm), identity.hex(), call(*args, **kw).hex()))

    def begin(self, vm, identity, leaves=None):
        if self.session:        # of a write that never came to its end: the TPM holds few
            self.carry(struct.pack('>HII', 0x8001, 14, 0x165) + self.session)
            self.session = b''
        leaves = self.leaves if leaves is None else leaves
        bits, siblings = leaves.path(identity)
        return self.step(vm, identity, BEGIN, leaves.get(identity, 0), b'', bits, siblings)

    def to_write(self, vm, identity):
        """Up to the command that writes; the leaf counts one more."""
        a = self.begin(vm, identity)
        self.assertEqual(a.errno, 0)
        answer = self.carry(a.tpm)
        self.session = answer[10:14]
        a = self.step(vm, identity, STARTED, tpm=answer)
        self.assertEqual(a.errno, 0)
        self.leaves[identity] = self.leaves.get(identity, 0) + 1
        return a.tpm

    def advance(self, vm, identity):
        a = self.step(vm, identity, WRITTEN, tpm=self.carry(self.to_write(vm, identity)))
        self.assertEqual((a.errno, a.count), (0, self.leaves[identity]))
        return a

    def test_counts(self):
        error, counter_error, _, epoch, new = self.boot()
        self.assertEqual((error, counter_error, new), (0, 0, 1))
        self.assertNotEqual(epoch, 0)
        self.assertEqual([self.advance(0, A).count for _ in range(3)], [1, 2, 3])
        self.assertEqual([self.advance(1, B).count for _ in range(2)], [1, 2])
        self.assertEqual(self.advance(0, A).epoch, epoch)
        for _ in range(2):      # the same chain of boot, the same counters
            self.assertEqual(self.boot(), [0, 0, 0, epoch, 0])
            n = self.leaves[A] + 1
            self.assertEqual(self.advance(0, A).count, n)


    # --- cvmd, killed ---

    def cvmd(self, identity, kill_at=0):
        """One count by cvmd's own sources: points and count, or None if it was killed."""
        to, back = self.host.stdin.fileno(), self.host.stdout.fileno()
        r = subprocess.run([COUNT, 'swtpm:path=' + self.tpm.state + '/sock', self.tpm.state, '1', identity.hex(), str(kill_at), str(to), str(back)],
                           pass_fds=(to, back), stdin=subprocess.DEVNULL, capture_output=True, text=True)
        # The kernel's resource manager does this when who opened it goes.
        self.tool('tpm2_flushcontext', '--loaded-session', check=False)
        if r.returncode == -signal.SIGKILL:
            return None
        self.assertEqual(r.returncode, 0, r.stderr)
        error, points, count = map(int, r.stdout.split())
        self.assertEqual(error, 0, r.stderr)
        return points, count

    def test_kill_of_cvmd(self):
        """kill -9 of cvmd at each point of a count, and of the host with it: the next count goes on, no number comes twice"""
        self.boot()
        self.assertEqual(self.cvmd(B)[1], 1)
        points, last = self.cvmd(A)
        self.assertEqual(last, 1)
        self.assertGreater(points, 15)
        for at in range(1, points + 1):
            self.assertIsNone(self.cvmd(A, at), f'point {at}')
            if at % 3 == 0:     # the host starts anew
                self.assertEqual(self.boot()[4], 0)
            _, count = self.cvmd(A)
            self.assertIn(count, (last + 1, last + 2), f'point {at}')
            last = count
        self.assertEqual(self.cvmd(B)[1], 2)

    # --- a host that carries, and lies ---

    def refused(self, answer, *codes):
        self.assertIn(answer.errno, codes)

    def test_dropped_answer(self):
        """No confirmation, no count; and what was lost is not given to another."""
        self.boot()
        self.advance(0, A)
        self.carry(self.to_write(1, A))                    # the TPM counts; the host says nothing
        self.refused(self.step(1, A, WRITTEN, tpm=b''), errno.EPROTO)
        self.assertEqual(self.advance(2, A).count, 3)       # 2 is nobody's
        self.assertEqual(self.boot()[4], 0)
        self.assertEqual(self.advance(0, A).count, 4)

    def test_command_not_carried(self):
        """The Quoter goes on from what it asked for; the TPM, after a start, from what it has."""
        self.boot()
        self.advance(0, A)
        held = self.to_write(1, A)
        self.assertEqual(self.boot()[4], 0)
        self.refused(self.begin(0, A), errno.ESTALE)        # the leaf of a count that never was
        self.leaves[A] -= 1
        self.assertEqual(self.advance(0, A).count, 2)
        # The one held back belongs to a session that ended with the reset.
        self.assertNotEqual(self.carry(held)[6:10], bytes(4))
        self.assertEqual(self.advance(1, A).count, 3)

    def test_replayed_command(self):
        self.boot()
        command = self.to_write(0, A)
        self.assertEqual(self.step(0, A, WRITTEN, tpm=self.carry(command)).errno, 0)
        self.assertNotEqual(self.carry(command)[6:10], bytes(4))    # control: it was good, once
        self.advance(0, A)
        self.assertNotEqual(self.carry(command)[6:10], bytes(4))
        self.assertEqual(self.boot()[4], 0)
        self.assertEqual(self.advance(0, A).count, 3)

    def test_changed_command(self):
        """Any bit of it: the TPM does not write, or the Quoter does not believe."""
        self.boot()
        self.advance(0, A)
        for at in (10, 17, 22, 30, 60, 61, 66, 90, 98, 104, 120, 130):
            command = bytearray(self.to_write(1, A))
            command[at] ^= 1
            answer = self.carry(bytes(command))
            self.refused(self.step(1, A, WRITTEN, tpm=answer[:176]), errno.EIO, errno.EBADMSG, errno.EPROTO)
        self.assertEqual(self.advance(1, A).count, self.leaves[A])    # control: unchanged it is taken

    def test_forged_answer(self):
        self.boot()
        good = self.carry(self.to_write(0, A))
        self.assertEqual(self.step(0, A, WRITTEN, tpm=good).errno, 0)
        for forged in (good, good[:-32] + bytes(32), good[:14] + b'\0\0\0\0\0', b'', good[:10], bytes(176),
                       b'\x80\x01\0\0\0\x0a\0\0\0\0', b'\x80\x02\0\0\0\x0a\0\0\0\0'):
            self.to_write(1, A)
            self.refused(self.step(1, A, WRITTEN, tpm=forged), errno.EBADMSG, errno.EPROTO)
        for at in range(len(good)):
            command = self.to_write(1, A)
            answer = bytearray(self.carry(command))
            answer[at] ^= 0x10
            self.refused(self.step(1, A, WRITTEN, tpm=bytes(answer)), errno.EBADMSG, errno.EPROTO, errno.EIO)
        self.assertEqual(self.advance(1, A).count, self.leaves[A])

    def test_answer_of_another_session(self):
        """Two writes, both good: the answer of one confirms no other."""
        self.boot()
        first = self.carry(self.to_write(0, A))
        second = self.carry(self.to_write(0, A))
        self.refused(self.step(0, A, WRITTEN, tpm=first), errno.EBADMSG)
        self.to_write(0, A)
        self.refused(self.step(0, A, WRITTEN, tpm=second), errno.EBADMSG)

    def test_old_leaves(self):
        """A disk of the host put back to where it was."""
        self.boot()
        self.advance(0, A)
        old = Leaves(self.leaves)
        self.advance(0, A)
        self.advance(0, B)
        self.refused(self.begin(1, A, old), errno.ESTALE)
        self.refused(self.begin(1, A, Leaves()), errno.ESTALE)
        lie = Leaves(self.leaves)
        del lie[A]                                          # as if A had never been
        self.refused(self.begin(1, A, lie), errno.ESTALE)
        self.boot()
        self.refused(self.begin(1, A, old), errno.ESTALE)   # nor after a start
        self.assertEqual(self.advance(1, A).count, 3)       # control: the true ones

    def test_swapped_leaves(self):
        """Another VM's leaf, count and siblings for mine."""
        self.boot()
        self.advance(0, A)
        for _ in range(3):
            self.advance(0, B)
        bits, siblings = self.leaves.path(B)
        self.refused(self.step(1, A, BEGIN, 3, b'', bits, siblings), errno.ESTALE)
        bits, siblings = self.leaves.path(A)
        for count in (0, 2, 3, 0xffffffff):
            self.refused(self.step(1, A, BEGIN, count, b'', bits, siblings), errno.ESTALE)
        self.refused(self.step(1, A, BEGIN, 1, b'', bits, [b'y' * 32]), errno.ESTALE)
        self.refused(self.step(1, A, BEGIN, 1, b'', bits, siblings + [b'x' * 32]), errno.EINVAL)
        self.refused(self.step(1, A, BEGIN, 1, b'', bits | 1, siblings), errno.EINVAL, errno.ESTALE)
        self.assertEqual(self.advance(1, A).count, 2)

    def test_steps_out_of_order(self):
        """A count that is begun for one VM is not finished for another."""
        self.boot()
        self.refused(self.step(0, A, WRITTEN, tpm=b''), errno.EINVAL)
        self.refused(self.step(0, A, STARTED, tpm=b''), errno.EINVAL)
        answer = self.carry(self.to_write(0, A))
        self.refused(self.step(1, A, WRITTEN, tpm=answer), errno.EINVAL)
        self.refused(self.step(0, A, WRITTEN, tpm=answer), errno.EINVAL)    # it ended there
        answer = self.carry(self.to_write(0, A))
        self.assertEqual(self.step(0, A, WRITTEN, tpm=answer).count, 2)
        self.refused(self.step(0, A, WRITTEN, tpm=answer), errno.EINVAL)

    def tool(self, *args, check=True):
        return self.tpm.tool(*args, check=check)

    def test_indices_are_not_the_hosts(self):
        """The owner of the TPM reads neither, and cannot open the vault once Linux runs."""
        self.boot()
        self.advance(0, A)
        for index in (VAULT, ROOT):
            self.assertEqual(self.tool('tpm2_nvreadpublic', index).returncode, 0)
            for hierarchy in ('o', index):
                self.assertNotEqual(self.tool('tpm2_nvread', index, '-C', hierarchy, check=False).returncode, 0)
                self.assertNotEqual(self.tool('tpm2_nvwrite', index, '-C', hierarchy, '-i', '/dev/null', check=False).returncode, 0)
        d = self.tpm.state
        pcrs = 'sha256:0,2,4,8,9,12,13'

        def open_vault():
            self.tool('tpm2_startauthsession', '--policy-session', '-S', d + '/session')
            self.tool('tpm2_policypcr', '-S', d + '/session', '-l', pcrs)
            r = self.tool('tpm2_nvread', VAULT, '-C', VAULT, '-P', f'session:{d}/session', check=False)
            self.tool('tpm2_flushcontext', d + '/session')
            return r
        self.assertNotEqual(open_vault().returncode, 0)
        # Control: with PCRs as they were then, it opens. Whoever can start something else by this very loader has them.
        rootvisor = struct.pack('<IIII', 0x43564d01, 56, 1, 1) + hashlib.sha384(bytes(5000)).digest()
        config = struct.pack('<II', 0x43564d02, 8) + b'tpm=com2'
        guardian = struct.pack('<IIII', 0x43564d03, 56, 0, 1) + hashlib.sha384(bytes(6000)).digest()
        for kernel, good in ((b'another kernel', False), (b'vmlinuz', True)):
            self.start_tpm(kernel=kernel)
            for event in (rootvisor, config, guardian):
                self.tpm.extend(13, 6, event)
            self.assertEqual(open_vault().returncode == 0, good)

    def test_undefined_and_defined_anew(self):
        """The host as the TPM's owner takes the index away and makes its own in that place."""
        epoch = self.boot()[3]
        self.advance(0, A)
        self.tool('tpm2_nvundefine', ROOT, '-C', 'o')
        self.refused(self.step(1, A, WRITTEN, tpm=self.carry(self.to_write(1, A))), errno.EIO)
        self.tool('tpm2_nvdefine', ROOT, '-C', 'o', '-s', '32', '-a', 'authread|authwrite|no_da', '-p', 'host')
        self.refused(self.step(1, A, WRITTEN, tpm=self.carry(self.to_write(1, A))), errno.EIO)
        # The next start begins anew, and says so.
        error, counter_error, _, again, new = self.boot()
        self.assertEqual((error, counter_error, new), (0, 0, 1))
        self.assertNotEqual(again, epoch)
        self.leaves = Leaves()
        a = self.advance(0, A)
        self.assertEqual((a.count, a.epoch), (1, again))

    def test_vault_of_the_hosts_making(self):
        """An index with a secret that the host knows, in the vault's place: by its attributes it is not the Quoter's."""
        self.boot()
        d = self.tpm.state
        self.tool('tpm2_nvundefine', VAULT, '-C', 'o')
        for attributes in ('policyread|policywrite|ownerwrite|no_da', 'ownerread|ownerwrite|no_da', 'policyread|ownerwrite'):
            self.tool('tpm2_nvdefine', VAULT, '-C', 'o', '-s', '36', '-a', attributes)
            with open(d + '/known', 'wb') as f:
                f.write(b'k' * 32 + b'\1\0\0\0')
            self.tool('tpm2_nvwrite', VAULT, '-C', 'o', '-i', d + '/known')
            self.tool('tpm2_nvundefine', ROOT, '-C', 'o', check=False)
            self.tool('tpm2_nvdefine', ROOT, '-C', 'o', '-s', '32', '-a', 'authread|authwrite|no_da', '-p', 'k' * 32)
            error, counter_error, _, epoch, new = self.boot()
            self.assertEqual((error, counter_error, new), (0, 0, 1), attributes)
            self.assertNotEqual(epoch, 1)
            self.tool('tpm2_nvundefine', VAULT, '-C', 'o')

    def test_another_chain(self):
        """Loader, its files, RootVisor's command line: with another one the vault does not open."""
        epoch = self.boot()[3]
        seen = {epoch}
        for change in ({'loader': b'another'}, {'kernel': b'another'}, {'cmdline': 'verbose'}):
            again = self.boot(**change)
            self.assertEqual((again[0], again[1], again[4]), (0, 0, 1))
            self.assertNotIn(again[3], seen)
            seen.add(again[3])
        self.assertEqual(self.boot(cmdline='verbose')[3:], [again[3], 0])     # control

    def test_cleared_tpm(self):
        epoch = self.boot()[3]
        self.tool('tpm2_clear', '-c', 'p')
        again = self.boot()
        self.assertEqual((again[0], again[1], again[4]), (0, 0, 1))
        self.assertNotEqual(again[3], epoch)

    def test_owner_that_has_a_password(self):
        """Then the Quoter can open the vault that is there, and make none."""
        epoch = self.boot()[3]
        self.tool('tpm2_changeauth', '-c', 'owner', 'secret')
        self.assertEqual(self.boot()[3:], [epoch, 0])
        error, counter_error, code, again, _ = self.boot(kernel=b'another')
        self.assertEqual((error, counter_error, again), (0, errno.EIO, 0))
        self.assertTrue(code)
        self.refused(self.begin(0, A), errno.ENXIO)

    def test_nothing_measured(self):
        """A loader that measures nothing: anybody gets to such PCRs. The anchor is there, counters are not."""
        self.tpm.start()
        out = [int(x, 16) for x in self.ask('boot', self.tpm.state + '/sock').split()]
        self.assertEqual((out[0], out[1], out[3]), (0, errno.ENODATA, 0))
        self.refused(self.begin(0, A), errno.ENXIO)
        self.assertEqual(self.boot()[:2], [0, 0])           # control


if __name__ == '__main__':
    missing = [t for t in TOOLS if not shutil.which(t)]
    if missing:
        print(f'not installed: {", ".join(missing)}', file=sys.stderr)
        sys.exit(77)
    unittest.main()
