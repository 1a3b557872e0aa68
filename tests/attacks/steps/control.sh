#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# control.sh NAME [--no-dump]: what host root finds in an ordinary guest. Every attack must succeed here,
# or its failure elsewhere says nothing.
. "$(dirname "$0")/lib.sh"
name=$1
guest_mark "$name" || { finding control.marker 'the guest marks its memory' false "$(cat "$attack_tmp/out")"; attack_end; }
finding control.marker 'the guest marks its memory' true "$(cat "$attack_tmp/out")"
expect_found control.memory 'the marker is found through /proc/PID/mem' ramscan "$(machine_pid "$name")" "$MARKER"
expect_found control.frame 'ring 0 finds the marker in its frame' frame_scan "$name"
if [ "$2" != --no-dump ]; then
    machine_dump "$name" "$dump_dir/attack.dump" > "$attack_tmp/monitor" 2>&1
    expect_found control.dump 'the marker is found in a memory dump' dumpscan "$dump_dir/attack.dump" "$MARKER"
    rm -f "$dump_dir/attack.dump"
fi
guest_intact control.check 'the guest still runs and finds its memory intact' "$name"
attack_end
