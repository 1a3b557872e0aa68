#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# control-registers.sh NAME: the registers of an ordinary guest: the patterns must be seen.
. "$(dirname "$0")/lib.sh"
SEED=${SEED:-7}
registers_under_attack control.registers expect_found "$1"
registers_under_poison control.registers changed "$1"
attack_end
