# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=sh
# Machines of the mini host: bare QEMU processes, named by files in /tmp/machine.

# $MACHINE_CGROUP: a memory cgroup for all that it ever takes. $MACHINE_LOCK: on (default) or off, for memory that the host may page; $MACHINE_OPTIONS: more options; $MACHINE_FIRMWARE: another cvmboot.
machine_start() { # machine_start NAME ordinary|protected [MIB]
    mkdir -p /tmp/machine
    : > "/tmp/machine/$1.out"
    firmware=
    [ "$2" = protected ] && firmware="-bios ${MACHINE_FIRMWARE:-/guest/cvmboot.rom}"
    # shellcheck disable=SC2086
    ${MACHINE_CGROUP:+sh -c 'echo $$ > "$0/cgroup.procs" && exec "$@"' "$MACHINE_CGROUP"} qemu-system-x86_64 -name "$1" -nodefaults -no-user-config -display none -no-reboot \
        -M pc-i440fx-7.2,accel=kvm,vmport=off,smm=off -cpu host,-vmx,pmu=off -m "${3:-128}" -no-hpet \
        -overcommit mem-lock="${MACHINE_LOCK:-on}" -global apic-common.vapic=off -rtc base=utc \
        -chardev pty,id=console,logfile="/tmp/machine/$1.log",logappend=off -serial chardev:console \
        -monitor unix:"/tmp/machine/$1.monitor",server=on,wait=off \
        $firmware $MACHINE_OPTIONS -kernel /guest/vmlinuz -initrd "${MACHINE_INITRD:-/guest/initrd.img}" \
        -append "$(cat /guest/cmdline)${MACHINE_APPEND:+ $MACHINE_APPEND}" \
        > "/tmp/machine/$1.out" 2>&1 &
    echo $! > "/tmp/machine/$1.pid"
    n=0
    until grep -q /dev/pts "/tmp/machine/$1.out"; do
        n=$((n + 1))
        [ $n -gt 60 ] && { cat "/tmp/machine/$1.out"; return 1; }
        sleep 1
    done
}

machine_pid() { cat "/tmp/machine/$1.pid"; }
machine_log() { echo "/tmp/machine/$1.log"; }
machine_followed() { :; }
machine_pty() { grep -o '/dev/pts/[0-9]*' "/tmp/machine/$1.out"; }

machine_hmp() { # machine_hmp NAME COMMAND...: a command of QEMU's human monitor
    machine=$1
    shift
    monitor "/tmp/machine/$machine.monitor" "$*"
}
machine_pause() { machine_hmp "$1" stop > "$attack_tmp/monitor"; }
machine_resume() { machine_hmp "$1" cont > "$attack_tmp/monitor"; }
machine_dump() { machine_hmp "$1" "dump-guest-memory $2"; }
