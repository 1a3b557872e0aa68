# SPDX-License-Identifier: LGPL-2.1-or-later
# Sourced by scenarios: the limits of a machine as the kernel has them, in the control group of its QEMU.
# shellcheck shell=sh

# group NAME: the machine's control group; QEMU's threads are in groups of libvirt's own below it.
group() {
    sed -n 's/^0:://p' "/proc/$(machine_pid "$1")/cgroup" | sed 's,/libvirt/.*,,; s,^,/sys/fs/cgroup,'
}
# limit NAME FILE LINE: it stands in that file of the group, so, or of the group that libvirt makes for all threads of the machine
limit() {
    cat "$(group "$1")/$2" "$(group "$1")/libvirt/$2" > "$tmp/limit" 2>&1
    echo "$2: $(tr '\n' ' ' < "$tmp/limit")"
    grep -qx "$3" "$tmp/limit"
}
limits_are() { # limits_are NAME WEIGHT QUOTA
    limit "$1" cpu.weight "$2" && limit "$1" cpu.max "$3 100000"
}
limits() { # limits PREFIX FIRST: five steps, and the machine "weighed" runs
    step "$1.$2" 'a machine with limits starts' cvmctl launch weighed --unprotected --kernel guest/vmlinuz --initrd guest/initrd.img \
        --cmdline "$(cat guest/cmdline)" --memory 64M --cpu-shares 10000 --cpu-quota 50 --io-weight 300
    step "$1.$(($2 + 1))" 'the kernel has its share of the CPUs and its quota' limits_are weighed 10000 50000
    step "$1.$(($2 + 2))" 'and its share of the disks' limit weighed io.weight 'default 300'
    cvmctl set weighed --cpu-shares 2 --cpu-quota 200 > "$tmp/set" 2>&1
    step "$1.$(($2 + 3))" 'another share and quota count at once' limits_are weighed 2 200000
    cvmctl set weighed --cpu-shares 0 > "$tmp/set" 2>&1
    step "$1.$(($2 + 4))" 'no share of its own is what any machine has' limit weighed cpu.weight 100
}
# tells NAME TEXT: the audit log has it that another program changed the machine so, now or within some rounds of OutsideLookSec=
tells() {
    n=0
    until cvmctl audit "$1" --json | jq -e --arg text "$2" '.[] | select(.event == "changed-outside" and (.message | contains($text)))'; do
        n=$((n + 1))
        [ $n -lt 120 ] || return 1
        sleep 1
    done
}
another() { # another COMMAND NAME OPTION...: what somebody else asks libvirt for
    command=$1 name=$2
    shift 2
    virsh -q -c qemu:///system "$command" "$name" --live "$@"
}
changed_outside() { # changed_outside PREFIX FIRST: five steps, of the machine "weighed"
    mkdir -p /etc/cvmd/cvmd.conf.d
    printf '[cvmd]\nOutsideLookSec=5\n' > /etc/cvmd/cvmd.conf.d/60-look.conf
    cvmctl config reload > "$tmp/reload" 2>&1
    step "$1.$2" 'another program gives it another share' another schedinfo weighed --set cpu_shares=77
    step "$1.$(($2 + 1))" 'which the kernel has' limit weighed cpu.weight 77
    step "$1.$(($2 + 2))" 'and cvmd tells of' tells weighed 'CPU shares are 77'
    step "$1.$(($2 + 3))" 'a memory limit, of which libvirt sends no event' another memtune weighed --soft-limit 1048576
    step "$1.$(($2 + 4))" 'cvmd finds by itself' tells weighed 'memory limit soft_limit was set'
}
