# SPDX-License-Identifier: LGPL-2.1-or-later
# Sourced by scenarios: steps, facts, the guest's console. A step is a command; its output is the
# detail, its status the verdict.
# shellcheck shell=sh
failed=0
tmp=$(mktemp -d /tmp/lab.XXXXXX)
PATH=/lab/bin:$PATH

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
    echo "LAB {$filter}"
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
    rm -rf "$tmp"
    exit $failed
}

# --- guests: a console is a file that grows and a path that takes commands ---------------------

# console_tty NAME: follows the pty of a libvirt domain.
console_tty() {
    tty=$(virsh ttyconsole "$1") && [ -c "$tty" ] || return 1
    stty -F "$tty" raw -echo
    : > "$tmp/$1.out"
    cat "$tty" >> "$tmp/$1.out" &
    ln -sfn "$tty" "$tmp/$1.in"
}

# console_command NAME COMMAND...: follows what COMMAND prints, feeds it what the guest is to read.
console_command() {
    name=$1
    shift
    mkfifo "$tmp/$name.in"
    : > "$tmp/$name.out"
    # A writer that stays, so that the end of one printf is not the end of input.
    sleep 100000 > "$tmp/$name.in" &
    "$@" < "$tmp/$name.in" >> "$tmp/$name.out" 2>&1 &
    echo $! > "$tmp/$name.console-pid"
}

# guest_up NAME SECONDS: the agent has said that it runs. Nothing is typed before: input that comes
# before the guest opens its UART stalls in QEMU until something else wakes its main loop.
guest_up() {
    n=0
    while [ $n -lt "$2" ]; do
        n=$((n + 1))
        if grep -qa '^GUEST: up' "$tmp/$1.out"; then
            grep -a '^GUEST: up' "$tmp/$1.out" | tail -n 1
            return 0
        fi
        sleep 1
    done
    echo "no 'GUEST: up' in $2 s; console: $(tail -c 300 "$tmp/$1.out" | tr '\r\n' '  ')"
    return 1
}

# guest NAME SECONDS COMMAND...: one agent command; prints its answer, fails if that says FAIL.
guest() {
    name=$1 limit=$2
    shift 2
    before=$(wc -l < "$tmp/$name.out")
    printf '%s\n' "$*" > "$tmp/$name.in"
    n=0
    while [ $n -lt $((limit * 2)) ]; do
        n=$((n + 1))
        answer=$(tail -n +$((before + 1)) "$tmp/$name.out" | tr -d '\r' | grep -a "^GUEST: $1 " | head -n 1)
        if [ -n "$answer" ]; then
            echo "$answer"
            case $answer in *FAIL*) return 1 ;; esac
            return 0
        fi
        sleep 0.5
    done
    echo "no answer to '$*' in $limit s; console: $(tail -c 300 "$tmp/$name.out" | tr '\r\n' '  ')"
    return 1
}

# disguise TEXT: as the agent and memscan take a marker.
disguise() {
    printf %s "$1" | od -An -v -tu1 | tr -s ' ' '\n' | sed '/^$/d' | while read -r byte; do
        printf '%02x' $((byte ^ 90))
    done
}

# not COMMAND...: succeeds only with status 1, "looked and did not find"; an error is an error.
not_found() {
    "$@"
    [ $? -eq 1 ]
}

qemu_pid() {
    cat "/run/libvirt/qemu/$1.pid"
}
