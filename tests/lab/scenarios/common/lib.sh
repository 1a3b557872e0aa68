# SPDX-License-Identifier: LGPL-2.1-or-later
# Sourced by scenarios: steps, facts, the guest's console. A step is a command; its output is the
# detail, its status the verdict.
# shellcheck shell=sh
failed=0
tmp=$(mktemp -d /tmp/lab.XXXXXX)
PATH=/lab/bin:$PATH
chmod 755 /lab/steps/*.sh

fact() { # fact KEY VALUE...: one LAB line; values that begin with @ are JSON, not text
    set -- "$@"
    args= filter=
    n=0
    while [ $# -ge 2 ]; do
        n=$((n + 1))
        case $2 in
            @*) filter="$filter${filter:+,}\"$1\":${2#@}" ;;
            *) filter="$filter${filter:+,}\"$1\":$(printf %s "$2" | jq -Rs .)" ;;
        esac
        shift 2
    done
    printf 'LAB {%s}\n' "$filter"
}

step() { # step ID TITLE COMMAND...
    id=$1 title=$2
    shift 2
    if "$@" > "$tmp/out" 2>&1; then
        ok=true
    else
        ok=false failed=1
    fi
    fact step "$id" title "$title" ok "@$ok" detail "$(tail -n 4 "$tmp/out" | tr '\n' ';' | cut -c1-600)"
    [ $ok = true ]
}

figure() { # figure NAME VALUE UNIT
    fact figure "$1" value "@$2" unit "$3"
}

done_steps() {
    at_end
    rm -rf "$tmp"
    exit $failed
}

# attack NUMBER SCRIPT...: runs a script of tests/attacks/steps; its findings are steps of this scenario.
attack() {
    number=$1
    shift
    { "$@" 2>&1; echo $? > "$tmp/attack"; } | sed "s/^LAB {\"step\":\"/&$number./"
    [ "$(cat "$tmp/attack")" = 0 ] || failed=1
}

. /lab/steps/backend-libvirt.sh

# ask NAME LINE [PREFIX]: one command of the guest agent; its answer; fails if that says FAIL.
ask() {
    guestask "$(machine_pty "$1")" "$(machine_log "$1")" 600 "$2" ${3:+"GUEST: $3"}
}

send_file() { # send_file NAME FILE: to the machine that runs the lab
    fact file "$1" base64 "$(base64 -w 0 < "$2")"
}

# eventlog: where cvmd looks for the log (TPMEventLog= in its drop-in), what firmware and GRUB measured and then the Quoter's entries.
# Headers (69 bytes: two banks) are the same; CVML has 36 bytes of ACPI header before its own.
eventlog() {
    cmp -n 69 -i 36:0 /sys/firmware/acpi/tables/CVML /lab/tpm.d/firmware.log &&
        { cat /lab/tpm.d/firmware.log && tail -c +106 /sys/firmware/acpi/tables/CVML; } > /run/lab-eventlog
}

# What explains a failure best.
troubles() {
    systemctl --failed --no-legend
    journalctl -b --no-pager -o cat -u cvmd -u libvirtd -u libvirtd.socket | tail -n 25
    tail -n 5 /var/log/libvirt/qemu/*.log 2>/dev/null
}

at_end() { [ $failed = 0 ] || troubles; }
