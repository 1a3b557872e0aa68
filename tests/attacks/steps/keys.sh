#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# keys.sh: a disk key on its way through the mini host. First an ordinary guest that has the key in its initrd (the
# control), then protected guests that wait for it, with a relay that forges, swaps and repeats.
. "$(dirname "$0")/lib.sh"
KEY=${KEY:-0f1a2b6e37290d336c6b0f1d630e2b6a1f2d3b2844c1b97e5d31a8c60277f915}
dir=$attack_tmp
append='cvm.key=required cvm.key.wait=3000'

newest() { rvcall vms | sed -n 's/.*"vm":\([0-9]*\),.*/\1/p' | sort -n | tail -n 1; }
waits() { # waits NAME [TEXT]: its firmware has said so
    n=0
    until grep -q "${2:-waiting up to}" "$(machine_log "$1")"; do
        n=$((n + 1))
        [ $n -gt 600 ] && return 1
        sleep 1
    done
}
refused() { # refused ID TITLE WANTED VM FILE: the blob is not taken, with that errno, and an event tells
    events_mark
    answer=$(rvcall put "$4" "$5")
    said=$(events_since | grep -c '"type":5,"reason":20')
    [ "$answer" = "$3" ] && [ "$said" = 1 ] && verdict=true || verdict=false
    finding "$1" "$2" $verdict "RootVisor says $answer, events: $said"
}
is() { [ "$3" = "$4" ] && finding "$1" "$2" true "$3" || finding "$1" "$2" false "$3 instead of $4"; }

# changed_byte FILE N: another byte than its N-th, whatever that is
changed_byte() { [ "$(head -c "$2" "$1" | tail -c 1 | od -An -tx1)" = ' 78' ] && printf y || printf x; }

# The control: the same key, in an ordinary guest.
mkdir -p $dir/root/cvm
keyfile=$dir/root/cvm/disk.key
# shellcheck disable=SC2059
printf "$(echo "$KEY" | sed 's/../& /g' | tr ' ' '\n' | while read -r b; do [ "$b" ] && printf '\\x%02x' $((0x$b ^ 0x5a)); done)" > $keyfile
chmod 0400 $keyfile
(cd $dir/root && { echo cvm; echo cvm/disk.key; } | cpio -o -H newc > ../key.cpio) 2> /dev/null
{ cat /guest/initrd.img; cat $dir/key.cpio; } > $dir/initrd.key
rm -rf $dir/root
MACHINE_INITRD=$dir/initrd.key machine_start keyplain ordinary && machine_up keyplain > $dir/out
attack_out machine_ask keyplain "key $KEY"
finding control.key.guest 'an ordinary guest has the key' "$([ $? = 0 ] && echo true || echo false)" "$(cat $dir/out)"
expect_found control.key.memory 'host root finds it in its memory' ramscan "$(machine_pid keyplain)" "$KEY"
rm -f $dir/initrd.key $dir/key.cpio
machine_hmp keyplain quit > /dev/null

# A protected guest waits for its key.
MACHINE_APPEND=$append machine_start keya protected
waits keya && a=$(newest)
[ -n "$a" ] && verdict=true || verdict=false
finding key.wait 'a protected guest waits in cvmboot for its key' $verdict "VM $a"
rvcall report "$a" $dir/report.a && keytenant $dir/report.a "$KEY" $dir/blob.a
head -c 376 /dev/zero > $dir/zeros
refused key.forged 'bytes of no tenant are refused' -22 "$a" $dir/zeros
{ head -c 200 $dir/blob.a; changed_byte $dir/blob.a 201; tail -c +202 $dir/blob.a; } > $dir/changed
refused key.changed 'changed bytes are refused' -74 "$a" $dir/changed
is key.put 'the key that the tenant sealed is taken' "$(rvcall put "$a" $dir/blob.a)" 0
refused key.replay 'the same once more is refused' -116 "$a" $dir/blob.a
machine_up keya > $dir/out
attack_out machine_ask keya "key $KEY"
finding key.guest 'the guest starts and has the key' "$([ $? = 0 ] && echo true || echo false)" "$(cat $dir/out)"
refused key.late 'and once more when the guest runs' -116 "$a" $dir/blob.a
expect_nothing key.memory 'host root does not find it in the memory of the guest' ramscan "$(machine_pid keya)" "$KEY"
cat $dir/blob.a $dir/report.a "$(machine_log keya)" /tmp/machine/* > $dir/carried 2> /dev/null
expect_nothing key.carried 'nor in what was carried, nor in the logs' dumpscan $dir/carried "$KEY"
attack_out machine_ask keya "key $KEY"
finding key.after 'the guest still has it' "$([ $? = 0 ] && echo true || echo false)" "$(cat $dir/out)"
machine_hmp keya quit > /dev/null

# The initrd changed by one byte: another measurement, no key, and the guest does not start.
size=$(wc -c < /guest/initrd.img)
{ head -c $((size - 600)) /guest/initrd.img; changed_byte /guest/initrd.img $((size - 599)); tail -c 599 /guest/initrd.img; } > $dir/initrd.changed
MACHINE_INITRD=$dir/initrd.changed MACHINE_APPEND='cvm.key=required cvm.key.wait=60' machine_start keyc protected
waits keyc && c=$(newest)
rvcall report "$c" $dir/report.c
keytenant $dir/report.c "$KEY" $dir/blob.c $dir/report.a > $dir/out
is key.initrd 'the initrd changed by one byte: the tenant seals nothing' "$? $(cat $dir/out)" '1 refused: another launch measurement'
refused key.initrd.old 'and the key of another guest is refused' -116 "$c" $dir/blob.a
waits keyc 'no disk key came in time' && verdict=true || verdict=false
finding key.initrd.stop 'that guest stops: no key came in time' $verdict "$(tail -n 1 "$(machine_log keyc)")"
attack_end
