# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=sh
# Host script of the mini host with several CPUs (tests/lab/mini --cpus 2 --guest-kernel .../moved-guest.bin): a guest under QEMU, whose
# vCPUs are moved from CPU to CPU while another CPU reads its memory; protected with two vCPUs, then ordinary, the control.
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
# The guest tells how far it is; all waiting ends when it or QEMU does.
ended() { grep -q "^DONE" "/tmp/machine/$1.said" 2>/dev/null || ! kill -0 "$(machine_pid "$1")" 2>/dev/null; }

moved() { # moved NAME KIND VCPUS: reads and moves until the guest is done
    name=$1
    export MACHINE_OPTIONS="-smp $3 -debugcon file:/tmp/machine/$name.said"
    machine_start "$name" "$2" 64 || finish 1 "$name: QEMU does not start"
    until said "$name" | grep -q '^  running' || ended "$name"; do sleep 1; done
    at=$(said "$name" | sed -n 's/.*pages at \([0-9a-f]*\).*/\1/p')
    machine_hmp "$name" info cpus > "$attack_tmp/cpus"
    threads=$(sed -n 's/.*thread_id=\([0-9]*\).*/\1/p' "$attack_tmp/cpus")
    moves=0 reads=0 plain=0 turn=0
    until ended "$name"; do
        turn=$((turn + 1)) n=0
        for thread in $threads; do # all ways in which two can lie on two
            n=$((n + 1))
            taskset -p "$(printf %x $((1 << turn / n % cpus)))" "$thread" > /dev/null 2>&1 && moves=$((moves + 1))
        done
        # The pages are the first vCPU's; the reader is never where that one is.
        taskset "$(printf %x $((1 << (turn + 1) % cpus)))" hostwrite "$(machine_pid "$name")" save \
            $((0x$at + 4096 * (reads % 16))) /tmp/page || break
        reads=$((reads + 1))
        grep -q 'moved from CPU t' /tmp/page && plain=$((plain + 1))
    done
    told="$reads reads, $plain with the secret, $moves moves; $(said "$name" | grep -E '^TEST|pages at|test-moved' | tr '\n' ' ')"
    kill "$(machine_pid "$name")"
    said "$name" | grep -q "^TEST moved-guest SUCCESS" && said "$name" | grep -q " $3 vCPUs" && right=true || right=false
}

[ "$cpus" -gt 1 ] || finish 1 "the host has $cpus CPU"
moved protected protected 2
finding smp.moved 'a protected guest with two vCPUs, each moved from CPU to CPU, computes what it should' $right "$told"
[ $reads -gt 0 ] && [ $moves -gt 0 ] && [ $plain = 0 ] && verdict=true || verdict=false
finding smp.read 'another CPU reads its memory meanwhile: ciphertext' $verdict "$told"
MACHINE_FIRMWARE=/guest/cvmboot-unprotected.rom
moved ordinary protected 1
finding smp.control-moved 'the same guest, not protected' $right "$told"
[ $plain -gt 0 ] && verdict=true || verdict=false
finding smp.control-read 'the same read of an ordinary guest shows the secret' $verdict "$told"
cat $ATTACK_TOLD
echo "LAB {\"told\":$(sort -u $ATTACK_TOLD | wc -l)}"
finish $attack_failed 'several CPUs'
