# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=sh
# Machines of the full host: libvirt domains that cvmd launched. Only reads what libvirt says of them.

machine_pid() {
    for file in /run/libvirt/qemu/"$1".pid /run/libvirt/qemu/*"$1".pid; do
        [ -r "$file" ] && { cat "$file"; return 0; }
    done
    echo "no QEMU process of $1" >&2
    return 1
}
machine_pty() { virsh ttyconsole "$1" | head -n 1; }
machine_log() { virsh dumpxml "$1" | sed -n "s/.*<log file='\([^']*\)'.*/\1/p" | head -n 1; }

machine_hmp() { # machine_hmp NAME COMMAND...: a command of QEMU's human monitor
    name=$1
    shift
    virsh qemu-monitor-command --hmp "$name" "$*"
}
machine_pause() { virsh suspend "$1" > "$attack_tmp/virsh"; }
machine_resume() { virsh resume "$1" > "$attack_tmp/virsh"; }
machine_dump() { virsh dump --memory-only "$1" "$2" > "$attack_tmp/virsh"; }

# What RootVisor recorded since the mark that events_mark left.
events_mark() { rvcall events | wc -l > "$attack_tmp/events"; }
events_since() { rvcall events | tail -n "+$(($(cat "$attack_tmp/events") + 1))"; }
