# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=sh
# What the step scripts share. They run in the emulated host (busybox sh or dash), tools on PATH.
# $ATTACK_BACKEND says how machines are reached: libvirt (default) or mini.
#
# Each finding is one line: LAB {"step":ID,"title":TEXT,"ok":BOOL,"detail":TEXT}; it stands in $ATTACK_TOLD, too, for who tells it again.

attack_dir=${attack_dir:-$(dirname "$0")}
attack_tmp=$(mktemp -d /tmp/attack.XXXXXX)
attack_failed=0
dump_dir=/dev/shm
[ -d $dump_dir ] || dump_dir=$attack_tmp
trap 'rm -rf "$attack_tmp" "$dump_dir/attack.dump"' EXIT
. "$attack_dir/backend-${ATTACK_BACKEND:-libvirt}.sh"

# The marker, each byte XOR 0x5a; the agent puts it together in its own memory.
MARKER=${MARKER:-37290d336c6b0f1d630e2b6a1f2d3b28}
MARKER_PAGES=${MARKER_PAGES:-64}

finding() { # finding ID TITLE true|false DETAIL
    [ "$3" = true ] || attack_failed=1
    detail=$(printf %s "$4" | tr -d '"{}\\' | tr '\n\t' '; ' | sed 's/,/, /g; s/:/: /g; s/  */ /g' | cut -c1-600)
    echo "LAB {\"step\":\"$1\",\"title\":\"$2\",\"ok\":$3,\"detail\":\"$detail\"}" | tee -a "${ATTACK_TOLD:-/dev/null}"
}

# expect_found ID TITLE COMMAND...: the attack must succeed (the control); expect_nothing: it must run and fail.
attack_out() { "$@" > "$attack_tmp/out" 2>&1; }
expect_found() {
    id=$1 title=$2
    shift 2
    attack_out "$@"
    status=$?
    [ $status = 0 ] && verdict=true || verdict=false
    finding "$id" "$title" "$verdict" "$(cat "$attack_tmp/out")"
}
expect_nothing() {
    id=$1 title=$2
    shift 2
    attack_out "$@"
    status=$?
    [ $status = 1 ] && verdict=true || verdict=false
    finding "$id" "$title" "$verdict" "$(cat "$attack_tmp/out")"
}

# One number of the last attack's JSON line.
field() { sed -n "s/.*\"$1\":\([0-9.]*\).*/\1/p" "$attack_tmp/out"; }

machine_ask() { # machine_ask NAME LINE [PREFIX]: the guest agent's answer
    # shellcheck disable=SC2046
    guestask $(machine_followed "$1") "$(machine_pty "$1")" "$(machine_log "$1")" "${ASK_SECONDS:-900}" "$2" ${3:+"$3"}
}
machine_mark() { wc -c < "$(machine_log "$1")"; }
machine_wait() { # machine_wait NAME MARK PREFIX: a line behind MARK (see machine_mark)
    # shellcheck disable=SC2046
    guestask $(machine_followed "$1") --from "$2" "$(machine_pty "$1")" "$(machine_log "$1")" "${ASK_SECONDS:-900}" - "$3"
}
machine_up() { machine_wait "$1" 0 'GUEST: up'; }

guest_intact() { # guest_intact ID TITLE NAME: the guest runs and finds its marked memory as it left it
    attack_out machine_ask "$3" check
    status=$?
    [ $status = 0 ] && verdict=true || verdict=false
    finding "$1" "$2" "$verdict" "$(cat "$attack_tmp/out")"
}

# The agent takes its marker once; a second step on the same machine goes on with it.
guest_mark() {
    machine_ask "$1" "marker $MARKER $MARKER_PAGES" > "$attack_tmp/out" || machine_ask "$1" check > "$attack_tmp/out"
}

# What RootVisor recorded since events_mark. By number: it keeps some hundred events only.
events_mark() { rvcall events | sed -n '$s/.*"event":\([0-9]*\).*/\1/p' > "$attack_tmp/events"; }
events_since() { rvcall events "$(($(cat "$attack_tmp/events") + 1))"; }

marked_page() { machine_ask "$1" where | sed -n 's/^GUEST: where ok \(0x[0-9a-f]*\).*/\1/p'; }

# The marked page itself, by the module. The guest says where it is; a host would have to guess.
frame_scan() { # frame_scan NAME
    probe_start || return 2
    framescan "$(machine_pid "$1")" "$MARKER" "$(marked_page "$1")"
}

attack_end() { exit $attack_failed; }

# --- registers ---

# Each script has a seed of its own: what an ordinary guest loaded stays in kernel memory for long.
ROUNDS=${ROUNDS:-20000}

# The ring-0 attacker, if it is there and the kernel takes it.
probe=/sys/kernel/debug/cvmattack
probe_start() {
    [ -e $probe/state ] && return 0
    [ -e /sys/kernel/debug/kvm ] || mount -t debugfs debugfs /sys/kernel/debug
    insmod "${ATTACK_MODULE:-/lab/cvmattack.ko}" && [ -e $probe/state ]
}

# What stood in VMCS12, in KVM's vcpu structure and on the CPU at the next exits of a machine.
probe_registers() { # probe_registers NAME
    machine_pid "$1" > $probe/pid && echo 32 > $probe/samples || return 2
    n=0
    until [ "$(cat $probe/samples)" = 0 ]; do
        n=$((n + 1))
        [ $n -gt 60 ] && { echo "only $((32 - $(cat $probe/samples))) of 32 exits came"; return 2; }
        sleep 1
    done
    cat $probe/state > "$attack_tmp/state"
    textregs "$SEED" < "$attack_tmp/state"
    status=$?
    # The last exit, so that it can be seen what the host did see.
    tail -n 2 "$attack_tmp/state" | head -n 1 | grep -oE '"(rip|rsp|cr3|gs_base|sysenter_eip|rax|LSTAR|KERNEL_GS_BASE|ymm0)":\[?"[0-9a-f]*"' | tr '\n' ' '
    return $status
}

monitor_registers() { machine_hmp "$1" info registers | textregs "$SEED"; }

# registers_under_attack ID EXPECT NAME: the guest loads patterns into its registers and exits in a loop;
# paused there, all that the host holds of it is searched. EXPECT is expect_found or expect_nothing.
registers_under_attack() {
    id=$1 expect=$2 name=$3 word='shows'
    prefix=$id
    [ "$expect" = expect_nothing ] && word='does not show'
    mark=$(machine_mark "$name")
    if ! machine_ask "$name" "regs $SEED $ROUNDS" 'GUEST: regs running' > "$attack_tmp/out" 2>&1; then
        finding "$prefix.load" 'the guest loads patterns into its registers' false "$(cat "$attack_tmp/out")"
        return
    fi
    machine_pause "$name"
    pid=$(machine_pid "$name")
    $expect "$prefix.kvm" "KVM $word them: GET_REGS, SREGS, FPU, XSAVE, MSRS" kvmstate "$pid" "$SEED"
    $expect "$prefix.monitor" "QEMU's monitor $word them" monitor_registers "$name"
    $expect "$prefix.kernel" "kernel memory $word them" regscan "$pid" "$SEED"
    attack_out probe_start
    loaded=$?
    machine_resume "$name"
    # Exits go on while the module looks.
    if [ $loaded = 0 ]; then
        $expect "$prefix.vmcs" "VMCS12, the vcpu structure and the CPU at an exit: $word them" probe_registers "$name"
    else
        finding "$prefix.vmcs" 'the ring-0 attacker loads' false "$(cat "$attack_tmp/out")"
    fi
    attack_out machine_wait "$name" "$mark" 'GUEST: regs ok'
    status=$?
    [ $status = 0 ] && verdict=true || verdict=false
    finding "$prefix.check" 'afterwards all registers hold what the guest loaded' "$verdict" "$(cat "$attack_tmp/out")"
}

# registers_under_poison ID EXPECT NAME: host root sets the registers of the paused guest. EXPECT is changed
# (the control) or unchanged.
registers_under_poison() {
    id=$1 expect=$2 name=$3
    if ! machine_ask "$name" "regs $SEED $ROUNDS" 'GUEST: regs running' > "$attack_tmp/out" 2>&1; then
        finding "$id.poison" 'the guest loads patterns into its registers' false "$(cat "$attack_tmp/out")"
        return
    fi
    mark=$(machine_mark "$name")
    how=poison tries=0
    [ "$expect" = unchanged ] || how=poison-user
    # An ordinary guest is poisoned in its loop: where the pause met its kernel, the next one may not.
    while
        machine_pause "$name"
        attack_out kvmstate "$(machine_pid "$name")" $how
        status=$? said=$(cat "$attack_tmp/out")
        machine_resume "$name"
        [ $status = 1 ] && [ $tries -lt 100 ]
    do
        tries=$((tries + 1))
    done
    answer=$(machine_wait "$name" "$mark" 'GUEST: regs ' 2>&1)
    case $expect,$answer in
        changed,*FAIL*|unchanged,*' ok '*) verdict=true ;;
        *) verdict=false ;;
    esac
    [ $status = 0 ] || verdict=false
    finding "$id.poison" "the host sets the guest's registers through KVM: they are $expect" "$verdict" "$said; $answer"
}
