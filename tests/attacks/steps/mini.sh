# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=sh
# The host script of the mini host (tests/lab/mini --host-script): all steps, on two QEMUs.
# Words of the kernel command line attack.steps=A,B choose among them.
echo 3 > /proc/sys/kernel/printk # what is no error of the kernel would cut findings on the serial line
export ATTACK_TOLD=/tmp/told
: > $ATTACK_TOLD
export ATTACK_BACKEND=mini PATH="$PATH:/lab/steps"
mkdir -p /dev/pts
mount -t devpts devpts /dev/pts
. /lab/steps/backend-mini.sh
steps=control,control-registers,protected-memory,protected-registers,rootvisor,injection,integrity,replay,swap
for word in $(cat /proc/cmdline); do
    case $word in attack.steps=*) steps=${word#attack.steps=} ;; esac
done

start() { # start NAME KIND [MIB]
    machine_start "$1" "$2" "$3" || finish 1 "$1: QEMU does not start"
    ASK_SECONDS=900 guestask --from 0 "$(machine_pty "$1")" "$(machine_log "$1")" 900 - 'GUEST: up' || {
        cat "$(machine_log "$1")" "/tmp/machine/$1.out"
        finish 1 "$1: no user space"
    }
    echo "LAB {\"stage\":\"$1\",\"tsc\":$(labctl tsc)}"
}

# The next guest lies in 2 MiB pages.
huge_pages() {
    mkdir -p /dev/hugepages
    mountpoint -q /dev/hugepages || mount -t hugetlbfs none /dev/hugepages
    echo 66 > /proc/sys/vm/nr_hugepages
    export MACHINE_OPTIONS='-mem-path /dev/hugepages -mem-prealloc'
}

failed=0
case ,$steps, in *,control,*|*,control-registers,*|*,injection,*|*,port,*|*,integrity,*|*,replay,*|*,swap,*|*,kills,*) start ordinary ordinary ;; esac
case ,$steps, in *,vcpus,*) export MACHINE_OPTIONS='-smp 2' ;; esac
case ,$steps, in *,protected-memory,*|*,protected-registers,*|*,injection,*|*,port,*|*,integrity,*|*,vcpus,*|*,kills,*) start protected protected ;; esac
unset MACHINE_OPTIONS
for step in $(echo "$steps" | tr , ' '); do
    case $step in
        control) /lab/steps/control.sh ordinary || failed=1 ;;
        protected-memory) /lab/steps/protected-memory.sh protected || failed=1 ;;
        control-registers) /lab/steps/control-registers.sh ordinary || failed=1 ;;
        protected-registers) /lab/steps/protected-registers.sh protected || failed=1 ;;
        injection) /lab/steps/injection.sh protected ordinary || failed=1 ;;
        vcpus) /lab/steps/vcpus.sh protected || failed=1 ;;
        port) /lab/steps/port.sh protected ordinary || failed=1 ;;
        kills) /lab/steps/kills.sh protected ordinary || failed=1 ;;
        rootvisor) /lab/steps/rootvisor.sh || failed=1 ;;
        integrity) /lab/steps/integrity.sh protected ordinary || failed=1 ;;
        keys) /lab/steps/keys.sh || failed=1 ;;
        # Each costs a guest of its own.
        replay | swap)
            huge_pages
            start "$step" protected
            unset MACHINE_OPTIONS
            /lab/steps/integrity.sh "$step" ordinary "$step" || failed=1 ;;
        # Memory that the host may page, and half of it above 4 GiB.
        pagelife)
            export MACHINE_LOCK=off
            start pageable ordinary
            mount -t cgroup2 none /sys/fs/cgroup && echo +memory > /sys/fs/cgroup/cgroup.subtree_control && mkdir /sys/fs/cgroup/paged
            export MACHINE_OPTIONS='-M max-ram-below-4g=112M' MACHINE_CGROUP=/sys/fs/cgroup/paged
            start paged protected 192
            unset MACHINE_OPTIONS MACHINE_LOCK MACHINE_CGROUP
            /lab/steps/pagelife.sh paged pageable || failed=1 ;;
    esac
    echo "LAB {\"stage\":\"$step\",\"tsc\":$(labctl tsc)}"
done
# All once more, and how many there are: what a message of the kernel cut is whole now, or it is known that it is missing.
cat $ATTACK_TOLD
echo "LAB {\"told\":$(sort -u $ATTACK_TOLD | wc -l)}"
finish $failed "attack steps $steps"
