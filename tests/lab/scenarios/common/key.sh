# SPDX-License-Identifier: LGPL-2.1-or-later
# Sourced by scenarios whose host has a TPM and whose tenant is at the other end of `labctl ask`: part 9, a disk key.
# shellcheck shell=sh
tenants_disk=/lab/guest/disk.img

tenant() { # tenant VERB [IN]: the answer comes to $tmp/answer
    labctl ask "$1" "${2:-/dev/null}" "$tmp/answer" || { cat "$tmp/answer"; return 1; }
}
anchored() { cvmctl host --json > "$tmp/host" && jq -e '.features | index("tpm")' "$tmp/host"; }
told() { cvmctl audit --json > "$tmp/audit" 2>&1 && grep -o 'the TPM was extended before the host started' "$tmp/audit"; }
log_there() { [ "$(stat -c %a:%u /sys/firmware/acpi/tables/CVML)" = 400:0 ] && eventlog && wc -c < /run/lab-eventlog; }
enrol() {
    cvmctl host endorsement -o "$tmp/endorsement" && tenant enrol "$tmp/endorsement" && mv "$tmp/answer" "$tmp/challenge" &&
        cvmctl host activate "$tmp/challenge" -o "$tmp/response" && tenant enrolled "$tmp/response" && cat "$tmp/answer"
}
# ordered NAME INITRD DISK: launched, and waiting in cvmboot
ordered() {
    cvmctl launch "$1" --kernel /lab/guest/vmlinuz --initrd "$2" --cmdline "$(cat guest/cmdline-disk)" --memory 128M --disk "$3" &&
        cvmctl console "$1" --follow-until 'waiting up to' --timeout 900
}
evidence_for() { # evidence_for NAME: a nonce of the tenant's, evidence that answers it
    tenant challenge && cvmctl report "$1" --nonce "$(cat "$tmp/answer")" --output "$tmp/evidence.$1"
}
release() { evidence_for "$1" && tenant release "$tmp/evidence.$1" && cp "$tmp/answer" "$tmp/sealed" && wc -c < "$tmp/sealed"; }
# The bus is watched meanwhile: the monitor writes each message at once, its own arrival shows that it is there.
put() {
    busctl --system capture > "$tmp/bus" 2> "$tmp/bus.err" &
    watcher=$!
    until [ "$(wc -c < "$tmp/bus")" -gt 1000 ]; do
        kill -0 $watcher || { cat "$tmp/bus.err"; return 1; }
        cvmctl host > "$tmp/host"
    done
    cvmctl key put "$1" "$tmp/sealed" && cvmctl host > "$tmp/host"
    status=$?
    kill $watcher
    wait $watcher
    wc -c < "$tmp/bus"
    return $status
}
refuse() {
    size=$(wc -c < guest/initrd-disk.img)
    cp guest/initrd-disk.img "$tmp/initrd" && printf '\125' | dd of="$tmp/initrd" bs=1 seek=$((size / 2)) conv=notrunc
    cmp -s guest/initrd-disk.img "$tmp/initrd" && printf '\252' | dd of="$tmp/initrd" bs=1 seek=$((size / 2)) conv=notrunc
    # A copy: QEMU locks the disk of the guest that runs.
    cp "$tenants_disk" /lab/guest/copy.img && ordered changed "$tmp/initrd" /lab/guest/copy.img && evidence_for changed && tenant refuse "$tmp/evidence.changed" && cat "$tmp/answer"
}
old_key() {
    cvmctl key put changed "$tmp/sealed" > "$tmp/put" 2>&1
    status=$?
    cat "$tmp/put"
    [ $status = 5 ] && grep 'refused the key: it answers no report' "$tmp/put"
}
waits_still() { # its kernel has not begun
    cvmctl console changed --log > "$tmp/console" && tail -n 1 "$tmp/console" | grep 'waiting up to' &&
        ! grep -e 'disk key is there' -e GUEST "$tmp/console"
}

host_enrolled() {
    step 9.1 'the TPM was extended before the host started: RootVisor says so, the audit log says so' eval 'anchored && told' &&
        step 9.2 'the log of it is there, for root alone' log_there &&
        step 9.3 'a tenant enrols the host: EK certificate, credential activation' enrol
}
key_released() { # key_released NAME
    step 9.4 'a protected guest with an encrypted disk waits for its key' ordered "$1" /lab/guest/initrd-disk.img "$tenants_disk" &&
        step 9.6 'the sealed key comes back to the host' release "$1" &&
        step 9.7 'cvmctl hands it to the Guardian' put "$1"
}
disk_opened() { # disk_opened NAME
    step 9.8 'stock cryptsetup in the guest opens the disk, IDE by port I/O' ask "$1" "disk $(cat guest/disk.sha256)"
}
key_searched() { # key_searched NAME
    attack 9 steps/disk-key.sh "$1" "$(cat guest/disk.disguised)" --carried "$tmp/bus" "$tmp/sealed" "$tenants_disk"
}
key_refused() {
    step 9.10 'the initrd changed by one byte: the key does not come' refuse
    step 9.11 'the key that was sealed for the other guest is refused' old_key
    step 9.12 'that guest waits, its kernel does not start' waits_still
    step 9.13 'and is ended' cvmctl kill changed
}
