#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# kills.sh NAME OTHER: QEMU is killed at moments of a launch, then under the running protected guest NAME while it computes. RootVisor
# gives every frame back to the host when it is told, and no other VM notices: neither NAME nor the ordinary guest OTHER. For the
# mini host: nobody but this script tells RootVisor. NAME does not survive.
. "$(dirname "$0")/lib.sh"
name=$1 other=$2
ids() { rvcall vms | sed -n 's/.*"vm":\([0-9]*\),.*/\1/p'; }
alive() { grep -q '^State:.[RSDT]' "/proc/$1/status" 2> /dev/null; } # and no zombie
gone() { # gone PID: killed, and over
    kill -9 "$1"
    while alive "$1"; do sleep 0.1; done
}
# reaches NAME TEXT: its console says so, or it has ended
reaches() {
    until grep -q "$2" "$(machine_log "$1")"; do
        alive "$(machine_pid "$1")" || return 1
        sleep 0.05
    done
}
for guest in "$name" "$other"; do
    guest_mark "$guest" || { finding kills.marker "$guest marks its memory" false "$(cat "$attack_tmp/out")"; attack_end; }
done

# --- at moments of a launch ---
guest_intact kills.before 'before: the protected guest finds its memory intact' "$name"
before=$(rvcall frames) there=$(ids) held= good=true
for moment in '' 'cvmboot: stage 1' ': PROTECT' 'cvmboot: stage 2' 'starting the kernel'; do
    machine_start killed protected 96 || good=false
    reaches killed "$moment" || good=false
    gone "$(machine_pid killed)"
    most=$(rvcall frames)
    for id in $(ids); do
        echo "$there" | grep -qx "$id" || rvcall destroy "$id" > "$attack_tmp/out" || good=false
    done
    held="$held $most-$(rvcall frames)"
    [ "$(rvcall frames)" = "$before" ] && [ "$(ids)" = "$there" ] || good=false
done
# At least the last one had taken frames.
[ "$most" -gt "$before" ] || good=false
finding kills.launch 'QEMU killed at five moments of a launch: every frame goes back' $good "before $before; each $held"
guest_intact kills.launch.check 'the protected guest that ran on finds its memory intact' "$name"

# --- while it runs ---
mark=$(machine_mark "$name")
machine_ask "$name" 'sum 16384' > "$attack_tmp/sum" 2>&1 &
asked=$!
pid=$(machine_pid "$name")
# It has the question: the echo of the console comes first.
until tail -c +"$((mark + 1))" "$(machine_log "$name")" | grep -q sum; do sleep 0.05; done
gone "$pid"
kill $asked 2> /dev/null
wait $asked
most=$(rvcall frames) good=true
for id in $(ids); do rvcall destroy "$id" > "$attack_tmp/out" || good=false; done
[ "$most" -gt 0 ] && [ "$(rvcall frames)" = 0 ] && [ -z "$(ids)" ] || good=false
finding kills.running 'QEMU killed under a running guest: every frame goes back' $good "$most frames before, $(rvcall frames) after"
guest_intact kills.other 'the ordinary guest finds its memory intact' "$other"
attack_end
