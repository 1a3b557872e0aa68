# SPDX-License-Identifier: LGPL-2.1-or-later
# Sourced by the tenant's programs (`tenant`, `outside`), on the machine that runs the lab: nothing but files, cvmctl, and what
# the host sent. $BUILD build directory, $WORK the run's directory. Firmware and loader are expected as they were measured on a
# good machine (the lab's own log of it).
# shellcheck shell=bash
cvmctl=$BUILD/cvmctl/cvmctl images=$BUILD/hypervisor guest=$WORK/scenario/guest out=$WORK/out
tenant=$WORK/tenant     # what the tenant keeps
enrolled=(--enrolment "$tenant/enrolment" --enrolment-key "$WORK/tpm/tenant.pem")
failed=0

step() { # step ID TITLE COMMAND...
    local id=$1 title=$2 said ok=true
    shift 2
    said=$("$@" 2>&1) || { ok=false failed=1; }
    jq -cn --arg s "$id" --arg t "$title" --argjson o $ok --arg d "$(tail -n 6 <<< "$said" | tr '\n' ';' | cut -c1-900)" \
        '{step:$s, title:$t, ok:$o, detail:$d}' | sed 's/^/LAB /'
    [ $ok = true ]
}
# policy NAME EVENT_LOG INITRD OPTION...: what is expected of the guest that opens the disk
policy() {
    local file=$1 log=$2 initrd=$3
    shift 3
    "$cvmctl" policy init --id lab --event-log "$log" --rootvisor "$images/rootvisor/rootvisor" --guardian "$images/guardian/guardian.bin" \
        --firmware "$images/cvmboot/cvmboot.rom" --kernel "$guest/vmlinuz" --initrd "$initrd" \
        --cmdline "$(cat "$guest/cmdline-disk")" "$@" -o "$tenant/$file"
}
# verify STATUS CODE POLICY EVIDENCE NONCE OPTION...: the exit status and the code that must come ("null" for affirming)
verify() {
    local want=$1 code=$2 judged status seen
    judged=(--report "$4" --nonce "$5" --policy "$tenant/$3" "${@:6}")
    "$cvmctl" verify "${judged[@]}" --explain > "$tenant/verdict"
    "$cvmctl" verify "${judged[@]}" --json > "$tenant/verdict.json"
    status=$?
    seen=$(jq -r .code "$tenant/verdict.json")
    jq -r '"\(.verdict), \(.code): \(.detail)"' "$tenant/verdict.json"
    [ $status -eq "$want" ] && [ "$seen" = "$code" ] || { echo "status $status, code $seen instead of $want, $code"; return 1; }
}
# refused STATUS CODE POLICY EVIDENCE NONCE OPTION...: and nowhere is it called affirming
refused() { verify "$@" && ! grep -i affirming "$tenant/verdict"; }
affirming() { # affirming EVIDENCE NONCE
    verify 0 null accepting "$1" "$2" "${enrolled[@]}" && [ "$(jq -r .verdict "$tenant/verdict.json")" = affirming ] &&
        ! grep '✗' "$tenant/verdict" && grep 'platform anchor' "$tenant/verdict" && grep 'TPM quote' "$tenant/verdict" && grep 'EMULATED' "$tenant/verdict"
}
