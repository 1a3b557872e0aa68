#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# protected-memory.sh NAME [--no-dump]: the attacks of control.sh on a protected guest.
. "$(dirname "$0")/lib.sh"
name=$1

# What was read must be ciphertext: of the pages that the guest used, none reads as data. (Pages of RAM
# that it never touched read as zeros; cvmboot's shared pages are few.)
ciphertext() { # ciphertext ID TITLE
    sampled=$(field sampled) low=$(field low) high=$(field high)
    [ "${high:-0}" -gt 0 ] && [ $((low * 100)) -le "$((sampled * 2))" ] && verdict=true || verdict=false
    finding "$1" "$2" "$verdict" "of $sampled pages read: $high with 7.9 bits a byte and more (mean $(field mean_high_bits)), $low with less, $(field zero) all zero"
}

pages_sealed() { # over all protected VMs: SEALED UNSEALED
    for vm in $(rvcall vms | sed 's/.*"vm":\([0-9]*\).*/\1/'); do
        rvcall stats "$vm"
    done | sed 's/.*"sealed":\([0-9]*\),"unsealed":\([0-9]*\).*/\1 \2/' | awk '{ s += $1; u += $2 } END { print s + 0, u + 0 }'
}

guest_mark "$name" || { finding protected.marker 'the guest marks its memory' false "$(cat "$attack_tmp/out")"; attack_end; }
finding protected.marker 'the guest marks its memory' true "$(cat "$attack_tmp/out")"
before=$(pages_sealed)
expect_nothing protected.memory 'the marker is not found through /proc/PID/mem' ramscan "$(machine_pid "$name")" "$MARKER"
ciphertext protected.memory.ciphertext 'what /proc/PID/mem shows is ciphertext'
after=$(pages_sealed)
[ "${after% *}" -gt "${before% *}" ] && verdict=true || verdict=false
finding protected.memory.sealed 'RootVisor sealed the pages that the host read' "$verdict" "pages sealed and unsealed: before $before, after $after"
expect_nothing protected.frame 'ring 0 does not find the marker in its frame' frame_scan "$name"
guest_intact protected.memory.check 'afterwards the guest runs and finds its memory intact' "$name"
if [ "$2" != --no-dump ]; then
    machine_dump "$name" "$dump_dir/attack.dump" > "$attack_tmp/monitor" 2>&1
    expect_nothing protected.dump 'the marker is not found in a memory dump' dumpscan "$dump_dir/attack.dump" "$MARKER"
    ciphertext protected.dump.ciphertext 'what the dump holds is ciphertext'
    rm -f "$dump_dir/attack.dump"
    guest_intact protected.dump.check 'afterwards the guest runs and finds its memory intact' "$name"
fi
attack_end
