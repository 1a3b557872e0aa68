#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# pagelife.sh NAME OTHER: what Linux does to pageable guest RAM: swap, pressure, huge pages, migration, KSM, fork.
# The protected guest NAME finds its memory intact after each; the ordinary guest OTHER shows that the host
# really did it. Last, a page is thrown away: OTHER reads zeros and nobody notices, NAME is stopped. NAME does
# not survive. Both must have been started with memory that is not locked.
. "$(dirname "$0")/lib.sh"
name=$1 other=$2
zram() {
    [ -e /sys/block/zram0 ] && return 0
    for module in zsmalloc lzo-rle zram; do insmod "/lab/$module.ko" || return 1; done
    echo 400M > /sys/block/zram0/disksize && mkswap /dev/zram0 && swapon /dev/zram0
}
vm_of() { rvcall vms | sed -n 's/.*"vm":\([0-9]*\),"state":2,.*/\1/p' | tail -n 1; }
counter() { rvcall stats "$vm" | sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p"; }
pid=$(machine_pid "$name") other_pid=$(machine_pid "$other")

attack_out zram
[ $? = 0 ] && verdict=true || verdict=false
finding pagelife.zram 'the host has swap in compressed memory' "$verdict" "$(cat "$attack_tmp/out")"
for guest in "$other" "$name"; do
    guest_mark "$guest" || { finding pagelife.marker "$guest marks its memory" false "$(cat "$attack_tmp/out")"; attack_end; }
done
vm=$(vm_of)

# --- swap ---
expect_found pagelife.swap.control 'the ordinary guest is swapped out' pagelife "$other_pid" pageout
guest_intact pagelife.swap.control.check 'and finds its memory intact' "$other"
sealed=$(counter sealed) unsealed=$(counter unsealed)
expect_found pagelife.swap 'the protected guest is swapped out' pagelife "$pid" pageout
out=$(field swapped_kib)
[ $(($(counter sealed) - sealed)) -ge $((${out:-999999999} / 8)) ] && verdict=true || verdict=false
finding pagelife.swap.sealed 'what went out had been sealed' "$verdict" "$out KiB out, $(($(counter sealed) - sealed)) pages sealed"
guest_intact pagelife.swap.check 'the protected guest finds its memory intact' "$name"
[ $(($(counter unsealed) - unsealed)) -ge "$MARKER_PAGES" ] && verdict=true || verdict=false
finding pagelife.swap.unsealed 'what came back was verified' "$verdict" "$(($(counter unsealed) - unsealed)) pages unsealed"

# --- a computation under pressure ---
mark=$(machine_mark "$name")
( for i in 1 2 3 4 5 6; do pagelife "$pid" pageout; sleep 0.2; done ) > "$attack_tmp/pressure" 2>&1 &
pressure=$!
answer=$(machine_ask "$name" 'sum 4096')
case $answer in *' ok '*) verdict=true ;; *) verdict=false ;; esac
wait $pressure
out=$(grep -c '"did":"pageout"' "$attack_tmp/pressure")
[ "$out" = 6 ] || verdict=false
finding pagelife.pressure 'swapped out again and again, the guest computes the right result' "$verdict" "$out times; $answer"

# --- a memory cgroup: half of what the guest has may stay ---
cgroup=/sys/fs/cgroup/paged
mark=$(machine_mark "$name") unsealed=$(counter unsealed)
have=$(cat $cgroup/memory.current) most=$(($(cat $cgroup/memory.current) / 2))
echo $most > $cgroup/memory.max
held=$(cat $cgroup/memory.current) swapped=$(cat $cgroup/memory.swap.current)
answer=$(machine_ask "$name" 'sum 4096')
case $answer in *' ok '*) verdict=true ;; *) verdict=false ;; esac
[ "$held" -le $most ] && [ "$swapped" -gt 1048576 ] && [ "$(counter unsealed)" -gt "$unsealed" ] || verdict=false
finding pagelife.cgroup 'its cgroup allows half of its memory: swapped, the guest computes the right result' "$verdict" \
    "had $have, then $held in memory, $swapped in swap, $(($(counter unsealed) - unsealed)) pages unsealed; $answer"
guest_intact pagelife.cgroup.check 'and finds its memory intact' "$name"
echo max > $cgroup/memory.max

# --- huge pages ---
expect_found pagelife.collapse.control 'pages of the ordinary guest collapse into huge ones' pagelife "$other_pid" collapse
guest_intact pagelife.collapse.control.check 'and it finds its memory intact' "$other"
expect_found pagelife.collapse 'so do those of the protected guest' pagelife "$pid" collapse
guest_intact pagelife.collapse.check 'and it finds its memory intact' "$name"
expect_found pagelife.split 'its huge pages are split' pagelife "$pid" split
guest_intact pagelife.split.check 'the protected guest finds its memory intact' "$name"

# --- migration ---
expect_found pagelife.migrate.control 'the kernel moves pages of the ordinary guest to other frames' pagelife "$other_pid" migrate
expect_found pagelife.migrate 'and those of the protected guest' pagelife "$pid" migrate
guest_intact pagelife.migrate.check 'and it finds its memory intact' "$name"

# --- compaction: the kernel itself moves what it likes, of both guests ---
vmstat() { sed -n "s/^$1 //p" /proc/vmstat; }
scanned=$(vmstat compact_migrate_scanned) moved=$(vmstat pgmigrate_success) sealed=$(counter sealed)
echo 1 > /proc/sys/vm/compact_memory
scanned=$(($(vmstat compact_migrate_scanned) - scanned)) moved=$(($(vmstat pgmigrate_success) - moved))
[ $scanned -gt 0 ] && verdict=true || verdict=false
finding pagelife.compact 'the host compacts its memory' "$verdict" \
    "$scanned pages scanned, $moved moved, $(($(counter sealed) - sealed)) of them sealed"
guest_intact pagelife.compact.check 'the protected guest finds its memory intact' "$name"
guest_intact pagelife.compact.other 'so does the ordinary one' "$other"

# --- KSM ---
sealed=$(counter sealed)
echo 100000 > /sys/kernel/mm/ksm/pages_to_scan
echo 0 > /sys/kernel/mm/ksm/sleep_millisecs
echo 1 > /sys/kernel/mm/ksm/run
n=0
until [ "$(cat /sys/kernel/mm/ksm/full_scans)" -ge 3 ] || [ $n -gt 120 ]; do n=$((n + 1)); sleep 1; done
merged=$(cat "/proc/$other_pid/ksm_merging_pages")
[ "${merged:-0}" -gt 0 ] && verdict=true || verdict=false
finding pagelife.ksm.control 'KSM merges pages of the ordinary guest' "$verdict" "$merged pages"
merged=$(cat "/proc/$pid/ksm_merging_pages")
[ "$(counter sealed)" -gt "$sealed" ] && verdict=true || verdict=false
finding pagelife.ksm 'KSM goes over the protected guest: what it read had been sealed' "$verdict" \
    "$(($(counter sealed) - sealed)) pages sealed, $merged merged"
guest_intact pagelife.ksm.check 'the protected guest finds its memory intact' "$name"
guest_intact pagelife.ksm.other 'so does the ordinary one' "$other"
echo 2 > /sys/kernel/mm/ksm/run

# --- fork ---
pagelife "$pid" fork 4 > "$attack_tmp/fork" 2>&1 &
forked=$!
sleep 1
attack_out machine_ask "$name" check
status=$?
wait $forked && [ $status = 0 ] && verdict=true || verdict=false
finding pagelife.fork 'QEMU forks with the guest in it: the guest runs on with its own memory' "$verdict" \
    "$(cat "$attack_tmp/fork" "$attack_tmp/out")"
guest_intact pagelife.fork.check 'and after the child is gone' "$name"

# --- a page thrown away ---
page=$(marked_page "$other")
expect_found pagelife.discard.control.act 'QEMU throws a page of the ordinary guest away' pagelife "$other_pid" dontneed "$page"
answer=$(machine_ask "$other" check)
case $answer in *FAIL*) verdict=true ;; *) verdict=false ;; esac
finding pagelife.discard.control 'the ordinary guest reads something else, and only its own check sees it' "$verdict" "$answer"
page=$(marked_page "$name")
# Behind the hole: how much of its RAM lies below is in backend and step (max-ram-below-4g).
[ $((page)) -ge $((4 << 30)) ] && page=$((page - (4 << 30) + (${RAM_BELOW:-112} << 20)))
events_mark
expect_found pagelife.discard.act 'QEMU throws a page of the protected guest away' pagelife "$pid" dontneed "$page"
answer=$(ASK_SECONDS=${STOP_SECONDS:-30} machine_ask "$name" check 2>&1)
status=$?
[ $status = 2 ] && verdict=true || verdict=false
finding pagelife.discard 'the protected guest never reads the wrong page' "$verdict" "$answer"
events=$(events_since | grep '"type":3,"reason":1,')
[ -n "$events" ] && verdict=true || verdict=false
finding pagelife.discard.event 'RootVisor stopped the VM with an integrity event' "$verdict" "${events:-no such event: $(events_since)}"

# --- the end ---
frames=$(rvcall frames)
kill -9 "$pid"
attack_out rvcall destroy "$vm"
[ $? = 0 ] && [ "$(rvcall frames)" -lt "$frames" ] && ! rvcall vms | grep -q "\"vm\":$vm," && verdict=true || verdict=false
finding pagelife.end 'when the VM is destroyed its frames go back' "$verdict" "before: $frames, after: $(rvcall frames); $(cat "$attack_tmp/out")"
attack_end
