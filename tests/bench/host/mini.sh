# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=sh
# The host script of the mini host (tests/lab/mini --host-script): the smallest KVM guest, an ordinary guest
# in QEMU and, on RootVisor, the same guest protected. Every fact is one line LAB {"bench":NAME,...}, said
# at the end, when no VM starts or stops any more: RootVisor writes to the same serial line.
# Words of the kernel command line: bench.exits=N, bench.pages=N (of the marker), bench.seal=yes, bench.only=load (in guests).
exits=500 pages=512 seal=yes only=
for word in $(cat /proc/cmdline); do
    case $word in
        bench.exits=*) exits=${word#*=} ;;
        bench.pages=*) pages=${word#*=} ;;
        bench.seal=*) seal=${word#*=} ;;
        bench.only=*) only=${word#*=} ;;
    esac
done
mkdir -p /dev/pts /tmp/bench
mount -t devpts devpts /dev/pts
facts=/tmp/bench/facts

mark() { before=$(benchctl now) || finish 1 "benchctl: $before"; }
note() { # note NAME [MORE-JSON]: what passed since mark
    after=$(benchctl now) || finish 1 "benchctl: $after"
    echo "LAB {\"bench\":\"$1\",\"before\":$before,\"after\":$after${2:+,$2}}" >> $facts
    echo "bench: $1"
}

# start NAME [QEMU-OPTION...]: memory is locked, as that of a protected guest has to be.
start() {
    name=$1
    shift
    mark
    qemu-system-x86_64 -name "$name" -nodefaults -no-user-config -display none -no-reboot \
        -M pc-i440fx-7.2,accel=kvm,vmport=off,smm=off -cpu host,-vmx,pmu=off -m 128 -no-hpet \
        -overcommit mem-lock=on -global apic-common.vapic=off -rtc base=utc \
        -chardev pty,id=console,logfile="/tmp/bench/$name.log",logappend=off -serial chardev:console \
        "$@" -kernel /guest/vmlinuz -initrd /guest/initrd.img -append "$(cat /guest/cmdline)" \
        > "/tmp/bench/$name.out" 2>&1 &
    qemu=$!
    n=0
    until grep -qs /dev/pts "/tmp/bench/$name.out"; do
        n=$((n + 1))
        [ $n -gt 100 ] && finish 1 "$name: QEMU does not start: $(tail -n 1 "/tmp/bench/$name.out")"
        sleep 0.1
    done
    pty=$(grep -o '/dev/pts/[0-9]*' "/tmp/bench/$name.out")
    answer=$(guestask --from 0 "$pty" "/tmp/bench/$name.log" 900 - 'GUEST: up') ||
        finish 1 "$name: no user space: $(tail -n 1 "/tmp/bench/$name.log" | tr -d '\r"')"
    note "$name.boot" "\"ticks\":${answer##* }"
}

ask() { # ask COMMAND: leaves the guest's answer in $answer
    answer=$(guestask "$pty" "/tmp/bench/$name.log" 900 "$1") || finish 1 "$name: $1: $answer"
}

stop() {
    kill "$qemu"
    wait "$qemu"
    sleep 1
}

exits_of() { # exits_of KIND [N]
    times=${2:-$exits}
    ask "exits $1 $((times / 10))"
    mark
    ask "exits $1 $times"
    note "$name.exits.$1" "\"n\":$times,\"ticks\":${answer##* }"
}

# The guest reads its marked pages; the host reads a little of every page; the guest reads them again.
seal_of() {
    ask "marker 37290d336c6b0f1d63 $pages"
    ask check
    mark
    ask check
    note "$name.check.warm" "\"n\":$pages,\"ticks\":${answer##* }"
    mark
    read_pages=$(benchctl pages "$qemu") || finish 1 "$name: $read_pages"
    note "$name.host-reads" "\"read\":$read_pages"
    # Brings back the pages of the console's way, so that what follows is of the marker alone.
    ask tsc
    mark
    ask check
    note "$name.check.sealed" "\"n\":$pages,\"ticks\":${answer##* }"
    ask 'sum 1024'
}

load_of() { # load_of KIND ROUNDS
    ask "load $1 1"
    mark
    ask "load $1 $2"
    note "$name.load.$1" "\"n\":$2,\"ticks\":${answer##* }"
}

workload() {
    # What one question costs by itself: to be taken off the counts of what follows.
    ask tsc
    mark
    ask tsc
    note "$name.question"
    # Where a tick of the host and one of the guest meet, one exit serves both, and without more they meet at each or at none,
    # as the guest happened to start. So the host's clock goes 0.2 % fast: each two seconds, which these loads take two and
    # three times, its ticks pass the guest's once.
    benchctl tick 10020 > /dev/null || finish 1 'benchctl: tick'
    load_of cpu $((exits * 23 / 100))
    load_of memory $((exits * 22 / 100))
    benchctl tick 10000 > /dev/null || finish 1 'benchctl: tick'
    [ "$only" = load ] && return
    load_of process $((exits / 5))
    for kind in pio cpuid mmio; do
        exits_of $kind
    done
    for kind in ins outs; do
        exits_of $kind $((exits / 10))
    done
    [ $seal = yes ] && seal_of
}

host_itself() {
    mark
    kvmtest "$exits" > /tmp/bench/kvmtest || finish 1 "kvmtest: $(tail -n 1 /tmp/bench/kvmtest)"
    note kvmtest "\"lines\":\"$(grep exits /tmp/bench/kvmtest | tr '\n' ';')\""
    # What a build does.
    load process 10 > /tmp/bench/load || finish 1 'load: it fails'
    mark
    ticks=$(load process $((exits / 2))) || finish 1 'load: it fails'
    note host.load "\"n\":$((exits / 2)),\"ticks\":$ticks"
}

[ "$only" = load ] || host_itself
start ordinary
workload
stop
if [ -e /sys/firmware/acpi/tables/CVMD ]; then
    start protected -bios /guest/cvmboot.rom
    workload
    stop
fi
sleep 2
while read -r line; do
    labctl say "$line" || finish 1 "a fact could not be said: $(echo "$line" | cut -c1-60)"
done < $facts
finish 0 'measured'
