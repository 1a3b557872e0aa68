#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# rootvisor.sh: host root reads and writes RootVisor's own memory (promise P6). The BIOS, read the same way,
# is the control.
. "$(dirname "$0")/lib.sh"
events_mark
expect_nothing rootvisor.memory "RootVisor's memory can be neither read nor written" rvtouch
events=$(events_since | grep -c '"type":5,"reason":3,')
[ "$events" -gt 0 ] && verdict=true || verdict=false
finding rootvisor.event 'RootVisor recorded the denied accesses' "$verdict" "$events events"
attack_end
