# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=sh
# Machines of the full host: libvirt domains that cvmd launched. Only reads what libvirt says of them.

machine_pid() {
    cat "/run/libvirt/qemu/$1.pid"
}
# A scenario that follows consoles itself says in $ATTACK_CONSOLES where: NAME.in takes input (a terminal
# or a FIFO), NAME.out grows. Otherwise: libvirt's terminal and log file of the domain.
machine_followed() { [ -n "$ATTACK_CONSOLES" ] && [ -e "$ATTACK_CONSOLES/$1.in" ] && echo --followed; }
machine_pty() {
    if [ -n "$(machine_followed "$1")" ]; then
        echo "$ATTACK_CONSOLES/$1.in"
    else
        virsh ttyconsole "$1" | head -n 1
    fi
}
machine_log() {
    if [ -n "$(machine_followed "$1")" ]; then
        echo "$ATTACK_CONSOLES/$1.out"
    else
        virsh dumpxml "$1" | sed -n "s/.*<log file='\([^']*\)'.*/\1/p" | head -n 1
    fi
}

machine_hmp() { # machine_hmp NAME COMMAND...: a command of QEMU's human monitor
    machine=$1
    shift
    virsh qemu-monitor-command --hmp "$machine" "$*"
}
machine_pause() { virsh suspend "$1" > "$attack_tmp/virsh"; }
machine_resume() { virsh resume "$1" > "$attack_tmp/virsh"; }
machine_dump() { virsh dump --memory-only "$1" "$2" > "$attack_tmp/virsh"; }
