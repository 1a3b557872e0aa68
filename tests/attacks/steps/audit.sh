#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# audit.sh: host root tampers with the audit log that cvmd keeps; who has public keys and an export must
# find it, and find nothing before. The log does not survive it.
. "$(dirname "$0")/lib.sh"
id=audit
db=/var/lib/cvmd/audit.db

# An export now, judged: status in $status, answer in out. verify WORD...: more options of audit verify.
verify() {
    cvmctl audit export "$attack_tmp/log" > "$attack_tmp/out" 2>&1 || {
        status=99
        journalctl -u cvmd -n 20 --no-pager -o short-monotonic >> "$attack_tmp/out"
        return
    }
    cvmctl audit verify --key "$attack_tmp/key" --report-key "$attack_tmp/report-key" "$@" "$attack_tmp/log" > "$attack_tmp/out" 2>&1
    status=$?
}
# judged ID TITLE STATUS PATTERN
judged() {
    [ "$status" = "$3" ] && grep -q "$4" "$attack_tmp/out" && verdict=true || verdict=false
    finding "$1" "$2" $verdict "status $status: $(cut -c1-200 "$attack_tmp/out" | head -n 5)"
}
# While cvmd is down, all that it wrote is in the database's own file.
edit() { # edit SED-SCRIPT, of the same length
    systemctl stop cvmd.service && sed -i "$1" $db && systemctl start cvmd.service
}

cvmctl audit key -o "$attack_tmp/key"
# RootVisor's key as a verifier has it from evidence: the uncompressed point.
/usr/bin/printf "$(cvmctl host --json | jq -r .report_key | sed 's/../\\x&/g')" > "$attack_tmp/report-key"
systemctl stop cvmd.service && cp $db "$attack_tmp/old.db" && systemctl start cvmd.service
verify
judged $id.control 'the untouched log verifies, with the key of this RootVisor and signed heads' 0 'intact'
heads=$(sed -n 's/.* \([0-9]*\) signed heads, \([0-9]*\) records.*/\1 \2/p' "$attack_tmp/out")
case $heads in '' | '0 '* | *' 0') verdict=false ;; *) verdict=true ;; esac
finding $id.control.heads 'RootVisor signed its events, and recorded the log' $verdict "heads and records: $heads"
cvmctl audit checkpoint -o "$attack_tmp/checkpoint"

edit 's/RootVisor started the host/RootVisor STARTED the host/'
verify
judged $id.edit 'an entry edited in the database is found, and named' 6 'entry [0-9]* was edited'
edit 's/RootVisor STARTED the host/RootVisor started the host/'
verify --checkpoint "$attack_tmp/checkpoint"
judged $id.undone 'undone, all of it verifies again, also against the checkpoint kept before' 0 'intact'

head -c -2000 "$attack_tmp/log" > "$attack_tmp/cut"
cvmctl audit verify --key "$attack_tmp/key" "$attack_tmp/cut" > "$attack_tmp/out" 2>&1
status=$?
judged $id.cut 'an export without its end is found' 6 'truncated'

# An older state of the database: every hash and signature in it is genuine.
systemctl stop cvmd.service && cp "$attack_tmp/old.db" $db && rm -f $db-wal $db-shm && systemctl start cvmd.service
verify
judged $id.rollback "an older database put back is found: RootVisor's own chain remembers" 6 'anchor'
verify --checkpoint "$attack_tmp/checkpoint"
judged $id.rollback.checkpoint 'and so does who kept a checkpoint' 6 'truncated\|fork'
attack_end
