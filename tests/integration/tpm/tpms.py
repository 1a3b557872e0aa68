# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makers of TPMs, and TPMs (swtpm), for tests."""
import hashlib, os, shutil, struct, subprocess, time


def write(path, data):
    with open(path, 'wb') as f:
        f.write(data)
    return path


def run(*args, check=True, **kw):
    r = subprocess.run(args, capture_output=True, **kw)
    if check and r.returncode:
        raise AssertionError(f'{args}: {r.returncode}\n{r.stdout.decode(errors="replace")}{r.stderr.decode(errors="replace")}')
    return r


class Maker:
    """A maker of TPMs: swtpm_localca with a root CA and an issuing CA of its own."""

    def __init__(self, directory):
        self.dir = directory
        os.makedirs(directory)
        write(directory + '/localca.conf', ''.join(f'{k} = {directory}/{v}\n' for k, v in (
            ('statedir', ''), ('signingkey', 'signkey.pem'), ('issuercert', 'issuercert.pem'),
            ('certserial', 'certserial'))).encode())
        write(directory + '/localca.options', b'--platform-manufacturer Test\n--platform-version 1\n--platform-model Test\n')
        write(directory + '/setup.conf', (f'create_certs_tool = {shutil.which("swtpm_localca")}\n'
              f'create_certs_tool_config = {directory}/localca.conf\n'
              f'create_certs_tool_options = {directory}/localca.options\n').encode())
        self.root, self.issuer = directory + '/swtpm-localca-rootca-cert.pem', directory + '/issuercert.pem'

    def setup(self, state):
        os.makedirs(state)
        run('swtpm_setup', '--tpm2', '--tpm-state', state, '--create-ek-cert', '--config', self.dir + '/setup.conf',
            '--pcr-banks', 'sha256,sha384', '--overwrite')


class Tpm:
    """A host's TPM, and the firmware that keeps its log."""

    def __init__(self, maker, directory):
        self.state = directory
        maker.setup(directory)
        self.tcti = f'swtpm:path={directory}/sock'
        self.process = None
        self.start()

    def start(self):
        self.stop()
        self.process = subprocess.Popen(
            ['swtpm', 'socket', '--tpm2', '--tpmstate', f'dir={self.state}', '--server',
             f'type=unixio,path={self.state}/sock', '--ctrl', f'type=unixio,path={self.state}/sock.ctrl', '--flags',
             'startup-clear'], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 120
        while self.tool('tpm2_getcap', 'pcrs', check=False).returncode:
            if time.monotonic() > end:
                raise AssertionError('swtpm does not answer')
            time.sleep(0.05)
        spec_id = b'Spec ID Event03\0' + struct.pack('<IBBBBIHHHHB', 0, 0, 2, 105, 2, 2, 0x0b, 32, 0x0c, 48, 0)
        self.log = struct.pack('<II20xI', 0, 3, len(spec_id)) + spec_id

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait()
            for name in ('/sock', '/sock.ctrl'):
                if os.path.exists(self.state + name):
                    os.unlink(self.state + name)
        self.process = None

    def tool(self, *args, check=True):
        return run(*args, check=check, env=dict(os.environ, TPM2TOOLS_TCTI=self.tcti))

    def extend(self, pcr, kind, data):
        digests = hashlib.sha256(data).digest(), hashlib.sha384(data).digest()
        self.tool('tpm2_pcrextend', f'{pcr}:sha256={digests[0].hex()},sha384={digests[1].hex()}')
        self.log += struct.pack('<III', pcr, kind, 2) + b'\x0b\0' + digests[0] + b'\x0c\0' + digests[1]
        self.log += struct.pack('<I', len(data)) + data

    def boot(self, host, rootvisor_svn=1, loader=b'GRUB'):
        """Firmware, loader, RootVisor and Quoter: what cvm/tpm.h says."""
        self.start()
        self.extend(0, 1, b'firmware volume')
        for pcr in (0, 1, 2, 3, 4, 5, 6, 7):
            self.extend(pcr, 4, bytes(4))
        self.extend(4, 0xd, b'boot loader ' + loader + b'\0')
        self.extend(8, 0xd, b'grub_cmd: multiboot2 rootvisor\0')
        self.extend(9, 0xd, b'rootvisor\0')
        digest = lambda data: hashlib.sha384(data).digest()
        self.extend(13, 6, struct.pack('<IIII', 0x43564d01, 56, 0x000100, rootvisor_svn) + digest(b''.join(host.segments)))
        self.extend(13, 6, struct.pack('<II', 0x43564d02, 7) + b'verbose')
        self.extend(13, 6, struct.pack('<IIII', 0x43564d03, 56, 0, 2) + digest(host.guardian))
        self.extend(12, 6, struct.pack('<II', 0x43564d04, 32) + hashlib.sha256(host.quoter.point).digest())
        self.extend(12, 4, bytes(4))
        self.extend(13, 4, bytes(4))
