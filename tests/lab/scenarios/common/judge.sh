# SPDX-License-Identifier: LGPL-2.1-or-later
# Sourced by `outside`: the tenant's verdict on the guest with the encrypted disk after the host has ended, and what must not be
# affirming.
# shellcheck shell=bash
. "$TOP/tests/lab/scenarios/common/appraise.sh"

policies() {
    local log=$WORK/tpm/firmware.log initrd=$guest/initrd-disk.img
    policy strict "$log" "$initrd" --require anchor && policy easy "$log" "$initrd" --accept no-dma &&
        policy loader "$tenant/other.log" "$initrd" --require anchor --accept no-dma &&
        policy changed "$log" "$tenant/initrd.changed" --require anchor --accept no-dma
}
changed_initrd() { # one bit
    python3 - "$guest/initrd-disk.img" "$tenant/initrd.changed" <<'PY'
import sys
data = bytearray(open(sys.argv[1], "rb").read())
data[len(data) // 2] ^= 1
open(sys.argv[2], "wb").write(data)
PY
}
other_loader() { # one byte of each digest of the loader: PCR 4 is another
    python3 - "$WORK/tpm/firmware.log" "$tenant/other.log" <<'PY'
import sys
log = bytearray(open(sys.argv[1], "rb").read())
log[log.index(b"grub\0") - 60] ^= 1     # in the SHA-384 digest
log[log.index(b"grub\0") - 4 - 48 - 2 - 10] ^= 1     # in the SHA-256 digest
open(sys.argv[2], "wb").write(log)
PY
}
# flipped MEMBER: the evidence with the lowest bit of the middle byte of a part of its platform evidence flipped
flipped() {
    python3 - "$out/evidence.json" "$tenant/flipped.$1" "$1" <<'PY'
import base64, json, sys
evidence = json.load(open(sys.argv[1]))
text = evidence["platform"][sys.argv[3]]
raw = bytearray(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
raw[len(raw) // 2] ^= 1
evidence["platform"][sys.argv[3]] = base64.urlsafe_b64encode(raw).decode().rstrip("=")
json.dump(evidence, open(sys.argv[2], "w"))
PY
}
broken() { # broken CODE MEMBER
    flipped "$2" && refused 4 "$1" accepting "$tenant/flipped.$2" "$WORK/nonce" "${enrolled[@]}"
}
# A second TPM with an attestation key of its own, enrolled by the same tenant in the same way.
other_host() {
    python3 - "$tenant" "$cvmctl" "$BUILD/tests/integration/tpm-host" "$WORK/tpm/tenant.key" <<'PY'
import os, pathlib, subprocess, sys
sys.path.insert(0, os.environ["TOP"] + "/tests/lab")
from cvmlab import tpm
work, cvmctl, host, key = pathlib.Path(sys.argv[1]), *sys.argv[2:]
def run(*argv, **kw):
    return subprocess.run([str(a) for a in argv], check=True, stdout=subprocess.PIPE, **kw).stdout
with tpm.Tpm(work / "other-tpm") as other:
    other.play_firmware("", {})
    other.disconnect()
    (work / "other-roots.pem").write_bytes(b"".join(path.read_bytes() for path in other.roots))
    (work / "other-endorsement").write_bytes(run(host, "endorsement", other.tcti))
    run(cvmctl, "enrol", "make-credential", "host2", "--endorsement", work / "other-endorsement", "--ek-roots", work / "other-roots.pem",
        "--session", work / "other-session", "-o", work / "other-challenge")
    (work / "other-response").write_bytes(run(host, "activate", other.tcti, input=(work / "other-challenge").read_bytes()))
    run(cvmctl, "enrol", "finish", "--session", work / "other-session", "--response", work / "other-response", "--signing-key", key,
        "-o", work / "other-enrolment")
PY
}
other_nonce() {
    head -c 64 /dev/urandom | od -An -v -tx1 | tr -d ' \n' > "$tenant/nonce"
    refused 4 quote.nonce accepting "$out/evidence.json" "$tenant/nonce" "${enrolled[@]}"
}

judged() {
    local evidence=$out/evidence.json nonce=$WORK/nonce
    other_loader
    changed_initrd
    step 6.10 'the tenant makes policies: with the risk of no VT-d taken, without, with no demand, for another boot loader, another initrd' policies
    step 6.11 'the whole chain is affirming, its TPM is named as emulated' affirming "$evidence" "$nonce"
    step 6.12 'a policy that takes no such risk: a warning' refused 3 platform.no-dma-protection strict "$evidence" "$nonce" "${enrolled[@]}"
    step 6.13 'one bit of the initrd changed: refused' refused 5 launch.initrd changed "$evidence" "$nonce" "${enrolled[@]}"
    step 6.14 'another nonce: refused' other_nonce
    step 6.15 'a byte of the quote flipped: refused' broken quote.signature quote
    step 6.16 'a byte of its signature flipped: refused' broken quote.signature signature
    step 6.17 'a second TPM is enrolled' other_host
    step 6.18 'only that record at hand: refused, this host is not enrolled' \
        refused 5 ak.not-enrolled accepting "$evidence" "$nonce" --enrolment "$tenant/other-enrolment" --enrolment-key "$WORK/tpm/tenant.pem"
    step 6.19 'no record at hand: refused by a policy that demands an anchor' refused 6 ak.no-enrolment accepting "$evidence" "$nonce"
    step 6.20 'the same by one that does not: a warning' refused 3 ak.no-enrolment easy "$evidence" "$nonce"
    step 6.21 'another boot loader expected: refused' refused 5 boot.pcrs loader "$evidence" "$nonce" "${enrolled[@]}"
    step 6.22 'the unchanged evidence is affirming after all this' affirming "$evidence" "$nonce"
    return $failed
}
