#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# integrity.sh NAME OTHER [KIND]: host root changes RAM of the protected guest NAME, which must stop when it
# touches the page; OTHER, an ordinary guest, is the control and must not notice. NAME does not survive.
# KIND: write (default) changes bytes, replay puts an older ciphertext of the page back, swap lays another
# page's ciphertext over it.
. "$(dirname "$0")/lib.sh"
name=$1 other=$2 kind=${3:-write}
id=integrity
[ "$kind" = write ] || id=$kind

# The same for both guests: PID PAGE.
change() {
    case $kind in
        write) hostwrite "$1" flip "$2" ;;
        replay) hostwrite "$1" restore "$2" "$attack_tmp/page" ;;
        swap) hostwrite "$1" copy $(($2 + 4096)) "$2" ;;
    esac
}

guest_mark "$other" || { finding $id.control 'the ordinary guest marks its memory' false "$(cat "$attack_tmp/out")"; attack_end; }
if [ "$kind" = write ]; then
    # The control: the same write is there for the ordinary guest to see, silently.
    page=$(marked_page "$other")
    change "$(machine_pid "$other")" "$page" > "$attack_tmp/write"
    answer=$(machine_ask "$other" check)
    case $answer in *FAIL*) verdict=true ;; *) verdict=false ;; esac
    finding $id.control 'a host write reaches an ordinary guest unnoticed by anybody but the guest' "$verdict" "$(cat "$attack_tmp/write"); $answer"
    change "$(machine_pid "$other")" "$page" > "$attack_tmp/write"
    guest_intact $id.control.undone 'undone, the ordinary guest is intact again' "$other"
fi

guest_mark "$name" || { finding $id.marker 'the protected guest marks its memory' false "$(cat "$attack_tmp/out")"; attack_end; }
page=$(marked_page "$name")
if [ "$kind" = replay ]; then
    # The guest touches the page in between: what was saved is of an older version, with the same content.
    hostwrite "$(machine_pid "$name")" save "$page" "$attack_tmp/page" > "$attack_tmp/write"
    guest_intact $id.before 'the guest goes on after the host read the page' "$name"
fi
events_mark
change "$(machine_pid "$name")" "$page" > "$attack_tmp/write"
status=$?
[ -n "$page" ] && [ $status = 0 ] && verdict=true || verdict=false
finding $id.write "host root changes a private page of the guest: $kind" "$verdict" "page $page; $(cat "$attack_tmp/write")"
answer=$(ASK_SECONDS=${STOP_SECONDS:-30} machine_ask "$name" check 2>&1)
status=$?
[ $status = 2 ] && verdict=true || verdict=false
finding $id.silent 'the guest never consumes the changed page' "$verdict" "$answer"
# Type 3: a VM was stopped; reason 1: integrity.
events=$(events_since | grep '"type":3,"reason":1,')
[ -n "$events" ] && verdict=true || verdict=false
finding $id.event 'RootVisor stopped the VM with an integrity event' "$verdict" "${events:-no such event: $(events_since)}"
if command -v cvmctl > "$attack_tmp/cvmctl"; then
    n=0
    until cvmctl audit > "$attack_tmp/audit" 2>&1 && grep -qi integrity "$attack_tmp/audit"; do
        n=$((n + 1))
        [ $n -gt 15 ] && break
        sleep 1
    done
    grep -i integrity "$attack_tmp/audit" > "$attack_tmp/out" && verdict=true || verdict=false
    finding $id.audit 'cvmctl audit tells it' "$verdict" "$(tail -n 2 "$attack_tmp/out")"
fi
guest_intact $id.other 'the other guest did not notice' "$other"
attack_end
