#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# injection.sh NAME OTHER: the host injects an NMI (promise P4). The ordinary guest OTHER takes it and says so;
# the protected guest NAME never sees it and runs on.
. "$(dirname "$0")/lib.sh"
name=$1 other=$2
for guest in "$other" "$name"; do
    guest_mark "$guest" || { finding injection.marker "$guest marks its memory" false "$(cat "$attack_tmp/out")"; attack_end; }
done

mark=$(machine_mark "$other")
machine_hmp "$other" nmi > "$attack_tmp/monitor"
guest_intact injection.control.check 'the ordinary guest runs on' "$other"
tail -c "+$((mark + 1))" "$(machine_log "$other")" | tr -d '\r' | grep -a NMI > "$attack_tmp/out"
[ -s "$attack_tmp/out" ] && verdict=true || verdict=false
finding injection.control 'an NMI of the host reaches an ordinary guest' "$verdict" "$(head -n 1 "$attack_tmp/out")"

mark=$(machine_mark "$name")
events_mark
machine_hmp "$name" nmi > "$attack_tmp/monitor"
guest_intact injection.check 'the protected guest runs on' "$name"
tail -c "+$((mark + 1))" "$(machine_log "$name")" | tr -d '\r' | grep -a NMI > "$attack_tmp/out"
events=$(events_since | grep '"type":5,"reason":4,')
[ ! -s "$attack_tmp/out" ] && [ -n "$events" ] && verdict=true || verdict=false
finding injection.refused 'RootVisor refuses it and records that' "$verdict" "$events $(cat "$attack_tmp/out")"
attack_end
