#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# port.sh NAME OTHER: processes of the protected guest NAME reach their Guardian through cvm-guest if they have the right to
# its port, and only then; in the ordinary guest OTHER nobody answers there.
. "$(dirname "$0")/lib.sh"
asks() { # asks ID TITLE GUEST KIND
    attack_out machine_ask "$3" "port $4"
    status=$?
    [ $status = 0 ] && verdict=true || verdict=false
    finding "$1" "$2" "$verdict" "$(cat "$attack_tmp/out")"
}
asks port.control 'an ordinary guest has no Guardian to ask' "$2" ordinary
asks port.report 'a protected one reports and extends for whoever may use the port, and for nobody else' "$1" protected
attack_end
