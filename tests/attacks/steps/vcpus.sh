#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# vcpus.sh NAME: the protected guest NAME has two vCPUs, which the host runs on whatever CPU it likes (promise P12). Both work, on
# the same memory, and send each other interrupts.
. "$(dirname "$0")/lib.sh"
name=$1
attack_out machine_ask "$name" cpus
grep -q '^GUEST: cpus ok 0-1' "$attack_tmp/out" && verdict=true || verdict=false
finding vcpus.online 'both vCPUs of the protected guest are online' $verdict "$(cat "$attack_tmp/out")"
attack_out machine_ask "$name" 'both 100'
grep -q '^GUEST: both ok' "$attack_tmp/out" && verdict=true || verdict=false
finding vcpus.both 'processes on both compute one sequence together' $verdict "$(cat "$attack_tmp/out")"
attack_out rvcall vms
grep -q '"state":2,.*"vcpus":2' "$attack_tmp/out" && verdict=true || verdict=false
finding vcpus.enrolled 'RootVisor runs both as one protected VM' $verdict "$(cat "$attack_tmp/out")"
attack_end
