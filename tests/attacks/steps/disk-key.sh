#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# disk-key.sh NAME KEY [--carried BUS BLOB] FILE...: host root looks for a disk key that a guest has: in the guest's memory (as a
# process, and by ring 0 frame after frame), in FILEs (its disk), in all that the host wrote since it started (logs, journal,
# state), and in what went over the bus (BUS) when the sealed key (BLOB) came. With --control first: an ordinary guest, in
# whose initrd the key was handed over; there it is found. KEY: hex, each byte XOR 0x5a.
. "$(dirname "$0")/lib.sh"
expect=expect_nothing prefix=key word='is not'
[ "$1" = --control ] && expect=expect_found prefix=control.key word=is && shift
name=$1 key=$2 bus='' blob=''
shift 2
[ "$1" = --carried ] && bus=$2 blob=$3 && shift 3

has_it() { # has_it ID TITLE
    attack_out machine_ask "$name" "key $key"
    finding "$1" "$2" "$([ $? = 0 ] && echo true || echo false)" "$(cat "$attack_tmp/out")"
}
frames() { probe_start && framescan "$(machine_pid "$name")" "$key" all; }
# The emulated clock is years behind the one that the images were made by.
written() {
    find / /run /dev/shm -xdev -type f -newermt '1 day ago' ! -newermt tomorrow ! -path "$dump_dir/attack.dump" -exec cat {} + > "$dump_dir/attack.dump" 2> /dev/null
    dumpscan "$dump_dir/attack.dump" "$key"
}
disguised() { # disguised FILE OFFSET BYTES
    od -An -v -tu1 -j "$2" -N "$3" "$1" | tr -s ' ' '\n' | while read -r b; do [ "$b" ] && printf %02x $((b ^ 90)); done
}

has_it $prefix.guest 'the guest has the key'
$expect $prefix.memory "it $word found in the memory of its QEMU" ramscan "$(machine_pid "$name")" "$key"
$expect $prefix.frames "it $word found by ring 0 in the frames of its RAM" frames
for file in "$@"; do
    $expect $prefix.disk "it $word found on the disk: ${file##*/}" dumpscan "$file" "$key"
done
$expect $prefix.written "it $word found in what the host wrote since it started: logs, journal, state" written
rm -f "$dump_dir/attack.dump"
if [ "$bus" ]; then
    expect_found key.bus.sealed 'what went over the bus holds the sealed key' dumpscan "$bus" "$(disguised "$blob" 104 32)"
    expect_nothing key.bus 'and not the key' dumpscan "$bus" "$key"
    has_it key.after 'the guest still has it'
fi
attack_end
