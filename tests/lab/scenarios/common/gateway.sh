# SPDX-License-Identifier: LGPL-2.1-or-later
# Sourced by scenarios: cvmd-rest under its own units, activated by its socket. Without TLS, which
# takes its time: scenarios/rest does that.
# shellcheck shell=sh
rest_sock=/run/cvmd-rest.sock

rest_waits() {
    systemd-sysusers
    mkdir -p /run/systemd/system/cvmd-rest.socket.d
    printf '[Socket]\nListenStream=\nListenStream=%s\n' $rest_sock > /run/systemd/system/cvmd-rest.socket.d/unix.conf
    systemctl daemon-reload
    systemctl start cvmd-rest.socket && ! systemctl is-active cvmd-rest.service
}
rest_answers() {
    curl -sS -f -m 600 --unix-socket $rest_sock http://localhost/v1/host > "$tmp/rest" && jq -ce '{protection, cpus}' "$tmp/rest"
}
rest_confined() {
    pid=$(systemctl show -P MainPID cvmd-rest.service)
    ps -o user:20= -p "$pid" | tee "$tmp/user"
    tr '\t' ' ' < "/proc/$pid/status" | grep -E '^(Cap(Eff|Prm|Bnd)|Seccomp|NoNewPrivs):' | tee "$tmp/status"
    grep -qx cvmd-rest "$tmp/user" && [ "$(grep -cE '^Cap(Eff|Prm|Bnd): 0000000000000000$' "$tmp/status")" = 3 ] &&
        grep -qx 'Seccomp: 2' "$tmp/status" && grep -qx 'NoNewPrivs: 1' "$tmp/status"
}
# An event that happens while somebody follows, and what was before it.
rest_follows() {
    curl -sS -N -m 600 -H 'Last-Event-ID: 0' --unix-socket $rest_sock http://localhost/v1/events > "$tmp/events" &
    follower=$!
    tries=0
    until grep -q '^event: ' "$tmp/events" || [ $tries = 300 ]; do tries=$((tries + 1)) && sleep 1; done
    cvmctl client add uid:12345 --name seen
    until grep '^data: .*client-added.*seen' "$tmp/events" || [ $tries = 600 ]; do tries=$((tries + 1)) && sleep 1; done
    kill $follower
    grep -c '^id: ' "$tmp/events"
    grep -q '^data: .*client-added.*seen' "$tmp/events"
}
rest_ends() {
    systemctl stop cvmd-rest.socket cvmd-rest.service
    rm -r /run/systemd/system/cvmd-rest.socket.d
    systemctl daemon-reload
    ! systemctl is-failed cvmd-rest.service
}
gateway() { # gateway PREFIX FIRST: five steps
    step "$1.$2" "the REST gateway's socket waits, the gateway does not run" rest_waits
    step "$1.$(($2 + 1))" 'the first request starts it by its unit, and is answered' rest_answers
    step "$1.$(($2 + 2))" 'it runs as its own user, without capability, behind its seccomp filter' rest_confined
    step "$1.$(($2 + 3))" 'a follower hears an event as it happens, and those before it' rest_follows
    step "$1.$(($2 + 4))" 'it stops when it is told to' rest_ends
}
