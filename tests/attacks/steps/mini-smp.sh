# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=sh
# Host script of the mini host with several CPUs (tests/lab/mini --cpus N --guest-kernel .../moved-guest.bin): three guests under QEMU at once, whose
# vCPUs are moved from CPU to CPU while another CPU reads their memory: two protected ones, with as many vCPUs as the host has CPUs and with two, and an
# ordinary one, the control.
echo 3 > /proc/sys/kernel/printk
export ATTACK_TOLD=/tmp/told
: > $ATTACK_TOLD
export ATTACK_BACKEND=mini PATH="$PATH:/lab/steps"
mkdir -p /dev/pts
mount -t devpts devpts /dev/pts
# shellcheck disable=SC2034 # lib.sh uses it
attack_dir=/lab/steps
. /lab/steps/lib.sh

cpus=$(nproc)
said() { cat "/tmp/machine/$1.said" 2>/dev/null; }
# A guest tells how far it is; all waiting ends when it or QEMU does.
ended() { grep -q "^DONE" "/tmp/machine/$1.said" 2>/dev/null || ! kill -0 "$(machine_pid "$1")" 2>/dev/null; }

start() { # start NAME VCPUS NUMBER: the number is in all its words
    export MACHINE_OPTIONS="-smp $2 -debugcon file:/tmp/machine/$1.said" MACHINE_APPEND="vm=$3"
    machine_start "$1" protected 64 || finish 1 "$1: QEMU does not start"
    until said "$1" | grep -q '^  running' || ended "$1"; do sleep 1; done
    echo "smp: $1 runs"
    machine_hmp "$1" info cpus > "$attack_tmp/cpus"
    eval "threads_$1='$(sed -n 's/.*thread_id=\([0-9]*\).*/\1/p' "$attack_tmp/cpus")'"
    eval "at_$1=0x$(said "$1" | sed -n 's/.*pages at \([0-9a-f]*\).*/\1/p') moves_$1=0 reads_$1=0 plain_$1=0"
}

turn() { # turn NAME NUMBER TURN: moves its vCPUs, reads one page
    eval "threads=\$threads_$1 at=\$at_$1 moves=\$moves_$1 reads=\$reads_$1 plain=\$plain_$1"
    n=0
    for thread in $threads; do # all ways in which two can lie on two
        n=$((n + 1))
        taskset -p "$(printf %x $((1 << ($3 / n + $2) % cpus)))" "$thread" > /dev/null 2>&1 && moves=$((moves + 1))
    done
    # The pages are the first vCPU's; the reader is never where that one is.
    if taskset "$(printf %x $((1 << ($3 + $2 + 1) % cpus)))" hostwrite "$(machine_pid "$1")" save $((at + 4096 * ($3 % 16))) /tmp/page; then
        reads=$((reads + 1))
        grep -q 'moved from CPU t' /tmp/page && plain=$((plain + 1))
    fi
    eval "moves_$1=$moves reads_$1=$reads plain_$1=$plain"
}

verdicts() { # verdicts NAME VCPUS MOVED-ID READ-ID true|false WHAT: is the secret to be seen
    eval "moves=\$moves_$1 reads=\$reads_$1 plain=\$plain_$1"
    told="$reads reads, $plain with the secret, $moves moves on $cpus CPUs; $(said "$1" | grep -E '^TEST|pages at|rounds|test-moved' | tr '\n' ' ')"
    said "$1" | grep -q "^TEST moved-guest SUCCESS" && said "$1" | grep -q " $2 vCPUs" && [ "$moves" -gt 0 ] && verdict=true || verdict=false
    finding "$3" "$6 with $2 vCPUs, each moved from CPU to CPU, computes what it should" $verdict "$told"
    [ "$plain" -gt 0 ] && seen=true || seen=false
    [ "$reads" -gt 0 ] && [ $seen = "$5" ] && verdict=true || verdict=false
    [ "$5" = true ] && title='shows the secret' || title='ciphertext'
    finding "$4" "another CPU reads its memory meanwhile: $title" $verdict "$told"
}

[ "$cpus" -gt 1 ] || finish 1 "the host has $cpus CPU"
start first "$cpus" 0
start second 2 1
MACHINE_FIRMWARE=/guest/cvmboot-unprotected.rom
start control 1 2
turns=0
while [ $turns -lt 20 ]; do
    turns=$((turns + 1)) number=0
    for name in first second control; do
        turn $name $number $turns
        number=$((number + 1))
    done
    echo "smp: turn $turns"
done
for name in first second control; do
    tries=0
    until ended $name || [ $tries = 60 ]; do # one byte ends it; QEMU looks once a second whether somebody holds the other end
        tries=$((tries + 1))
        { echo; sleep 3; } > "$(machine_pty $name)"
    done
done
verdicts first "$cpus" smp.moved-first smp.read-first false 'a protected guest'
verdicts second 2 smp.moved-second smp.read-second false 'another protected guest beside it'
verdicts control 1 smp.moved-control smp.read-control true 'a guest that is not protected'
for name in first second control; do
    kill "$(machine_pid $name)"
done
cat $ATTACK_TOLD
echo "LAB {\"told\":$(sort -u $ATTACK_TOLD | wc -l)}"
finish $attack_failed 'several CPUs'
