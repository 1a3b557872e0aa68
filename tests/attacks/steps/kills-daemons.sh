#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# kills-daemons.sh NAME OTHER: cvmd and libvirtd are killed on the whole host, while nothing happens and in the middle of a launch, and
# the QEMU of a protected machine. The protected guest NAME and the ordinary guest OTHER run on, RootVisor keeps NAME's frames, and
# cvmd finds everything again; it gives back the frames of the machine whose QEMU was killed.
. "$(dirname "$0")/lib.sh"
name=$1 other=$2 seconds=${KILLS_SECONDS:-900}
# What RootVisor holds for VMs that run: how many, and their frames.
running_vms() { rvcall vms | grep -c '"state":2,'; }
running_frames() { rvcall vms | sed -n 's/.*"state":2,.*"frames":\([0-9]*\)}.*/\1/p' | { n=0; while read -r one; do n=$((n + one)); done; echo $n; }; }
vm_ids() { rvcall vms | sed -n 's/.*"vm":\([0-9]*\),.*/\1/p'; }
state_of() { cvmctl show "$1" --json 2> "$attack_tmp/state" | jq -r .state; }
main_pid() { systemctl show -P MainPID "$1"; }
# Who asks often keeps the host's one CPU from what it waits for.
eventually() { # eventually PAUSE COMMAND...: it succeeds sooner or later; asked each PAUSE seconds
    left=$seconds pause=$1
    shift
    until "$@"; do
        left=$((left - pause))
        [ $left -gt 0 ] || return 1
        sleep "$pause"
    done
}
shows() { [ "$(state_of "$1")" = "$2" ]; }
# killed UNIT: kill -9 of its main process; was_UNIT names it.
killed() {
    was=$(main_pid "$1")
    [ "$was" -gt 0 ] && kill -9 "$was" && eval "was_$1=$was"
}
back() { # back UNIT: it runs again, as another process
    eval "was=\$was_$1"
    now=$(main_pid "$1")
    [ "$now" -gt 0 ] && [ "$now" != "$was" ] && systemctl -q is-active "$1"
}
both_run() { shows "$name" running && shows "$other" running; }

guest_intact kills.before 'before: the protected guest finds its memory intact' "$name"
for unit in cvmd libvirtd; do
    frames=$(running_frames) vms=$(running_vms) good=true
    killed $unit && eventually 4 back $unit && eventually 4 both_run || good=false
    # What the host touches meanwhile is sealed and goes back: the number may fall.
    [ "$(running_vms)" = "$vms" ] && [ "$frames" -gt 0 ] && [ "$(running_frames)" -gt 0 ] || good=false
    finding "kills.$unit" "$unit killed: it comes back, cvmd finds its machines, RootVisor keeps theirs" $good \
        "was $was, is $(main_pid $unit); $frames frames, then $(running_frames); $name $(state_of "$name"), $other $(state_of "$other")"
    guest_intact "kills.$unit.check" 'the protected guest finds its memory intact' "$name"
done

# Both at once, as soon as RootVisor has taken frames for a machine that is being launched. The launch goes on or is undone.
took() { # a VM that was not there has frames
    vm=$(rvcall vms | sed -n 's/.*"vm":\([0-9]*\),.*"frames":[1-9][0-9]*}.*/\1/p' | grep -vxF "$there" | head -n 1)
    [ -n "$vm" ]
}
settled() { # cvmctl tells its state, or that there is none, and it is none that passes
    cvmctl list --json > "$attack_tmp/list" 2>&1 || return 1
    state=$(jq -r 'if type == "array" then . else .machines end | map(select(.name == "torn"))[0].state // "none"' "$attack_tmp/list")
    case $state in running | stopped | failed | none) true ;; *) false ;; esac
}
there=$(vm_ids) good=true
timeout "$seconds" cvmctl launch torn --kernel /lab/guest/vmlinuz --initrd /lab/guest/initrd.img --cmdline "$(cat /lab/guest/cmdline)" \
    --memory 96M > "$attack_tmp/launch" 2>&1 &
asked=$!
eventually 1 took && killed libvirtd && killed cvmd || good=false
eventually 4 back libvirtd && eventually 4 back cvmd && eventually 4 settled && eventually 4 both_run || good=false
wait $asked
finding kills.launch 'cvmd and libvirtd killed during a launch: both come back, the launch goes on or is undone' $good \
    "VM $vm; torn: $state; $(cat "$attack_tmp/launch")"

# What is left of it: its QEMU.
good=true
[ "$state" != running ] || kill -9 "$(machine_pid torn)" || good=false
over() { settled && [ "$state" != running ]; }
released() { ! vm_ids | grep -qxF "$vm"; }
eventually 4 over && eventually 4 released || good=false
finding kills.qemu 'its QEMU killed: cvmd ends the machine, its frames go back' $good "VM $vm, now there are: $(vm_ids | tr '\n' ' '); torn: $state"
guest_intact kills.qemu.check 'the other protected guest finds its memory intact' "$name"
attack_out machine_ask "$other" 'sum 1024'
[ $? = 0 ] && verdict=true || verdict=false
finding kills.qemu.other 'the ordinary guest computes on' $verdict "$(cat "$attack_tmp/out")"
attack_end
