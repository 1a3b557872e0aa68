#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# integrity.sh NAME OTHER: host root writes into RAM of the protected guest NAME, which must stop when it
# touches the page; OTHER, an ordinary guest, is the control and must not notice. NAME does not survive.
. "$(dirname "$0")/lib.sh"
name=$1 other=$2

marked_page() { machine_ask "$1" where | sed -n 's/^GUEST: where ok \(0x[0-9a-f]*\).*/\1/p'; }

# The control: the same write is there for the ordinary guest to see, silently.
guest_mark "$other" || { finding integrity.control 'the ordinary guest marks its memory' false "$(cat "$attack_tmp/out")"; attack_end; }
page=$(marked_page "$other")
hostwrite "$(machine_pid "$other")" flip "$page" > "$attack_tmp/write"
answer=$(machine_ask "$other" check)
case $answer in *FAIL*) verdict=true ;; *) verdict=false ;; esac
finding integrity.control 'a host write reaches an ordinary guest unnoticed by anybody but the guest' "$verdict" "$(cat "$attack_tmp/write"); $answer"
hostwrite "$(machine_pid "$other")" flip "$page" > "$attack_tmp/write"
guest_intact integrity.control.undone 'undone, the ordinary guest is intact again' "$other"

# The attack.
guest_mark "$name" || { finding integrity.marker 'the protected guest marks its memory' false "$(cat "$attack_tmp/out")"; attack_end; }
page=$(marked_page "$name")
events_mark
hostwrite "$(machine_pid "$name")" flip "$page" > "$attack_tmp/write"
status=$?
[ -n "$page" ] && [ $status = 0 ] && verdict=true || verdict=false
finding integrity.write "host root writes into a private page of $name" "$verdict" "page $page; $(cat "$attack_tmp/write")"
answer=$(ASK_SECONDS=${STOP_SECONDS:-30} machine_ask "$name" check 2>&1)
status=$?
[ $status = 2 ] && verdict=true || verdict=false
finding integrity.silent 'the guest never consumes the changed page' "$verdict" "$answer"
# Type 3: a VM was stopped; reason 1: integrity.
events=$(events_since | grep '"type":3,"reason":1,')
[ -n "$events" ] && verdict=true || verdict=false
finding integrity.event 'RootVisor stopped the VM with an integrity event' "$verdict" "${events:-no such event: $(events_since)}"
if command -v cvmctl > "$attack_tmp/cvmctl"; then
    n=0
    until cvmctl audit > "$attack_tmp/audit" 2>&1 && grep -qi integrity "$attack_tmp/audit"; do
        n=$((n + 1))
        [ $n -gt 15 ] && break
        sleep 1
    done
    grep -qi integrity "$attack_tmp/audit" && verdict=true || verdict=false
    finding integrity.audit 'cvmctl audit tells it' "$verdict" "$(grep -i integrity "$attack_tmp/audit" | tail -n 2 || tail -n 4 "$attack_tmp/audit")"
fi
guest_intact integrity.other 'the other guest did not notice' "$other"
attack_end
